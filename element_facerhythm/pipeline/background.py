"""The background of a recording: the mean of a few frames from all over it, read without another pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.video import VideoMetadata, iterate_gray_frames, key_frames
from element_facerhythm.video.reader import LevelChoice

N_SAMPLES = 24
"""Frames that are averaged, or fewer where a recording is short."""

_MOST_DECODED = 120


class Stretch(NamedTuple):
    """Frames ``[first, stop)`` of a video file, and the levels of one of more than 8 bits."""

    path: Path
    first: int
    stop: int
    levels: LevelChoice = "own"


def whole(video: VideoMetadata) -> Stretch:
    """All frames of a video."""
    return Stretch(video.path, 0, video.n_frames)


def background_image(stretches: Sequence[Stretch]) -> GrayFrame:
    """(H, W) uint8 mean of frames from all over a recording.

    Frames are taken where decoding can begin. Where a video has few such places, some of those after them are
    taken as well; no more than 120 frames are decoded in all.

    Parameters
    ----------
    stretches
        Parts of the videos of a recording, of one frame size; of more than 24, some are passed over.

    Raises
    ------
    VideoError, DecodeError
        As of `video.iterate_gray_frames`.
    """
    chosen = [stretches[i] for i in _spread(len(stretches), N_SAMPLES)]
    total: NDArray[np.floating] | float = 0.0
    n_frames = 0
    for stretch in chosen:
        for frame in _samples(stretch, N_SAMPLES // len(chosen), _MOST_DECODED // len(chosen)):
            total = total + frame
            n_frames += 1
    return np.rint(np.asarray(total) / n_frames).astype(np.uint8)


def _samples(stretch: Stretch, n_samples: int, most_decoded: int) -> Iterator[GrayFrame]:
    """Frames from all over a stretch."""
    keys = key_frames(stretch.path)
    starts = keys[(keys >= stretch.first) & (keys < stretch.stop)]
    if not len(starts):  # it begins and ends within a group of pictures
        starts = np.array([stretch.first])
    starts = starts[_spread(len(starts), n_samples)]
    stops = np.append(starts[1:], stretch.stop)
    n_each = -(-n_samples // len(starts))
    most_each = max(most_decoded // len(starts), n_each) if n_each > 1 else 1
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        stop = min(stop, start + most_each)
        wanted = {start + i for i in _spread(stop - start, n_each)}
        frames = iterate_gray_frames(stretch.path, start=start, stop=stop, levels=stretch.levels)
        yield from (frame for i, frame in enumerate(frames, start) if i in wanted)


def _spread(n: int, n_wanted: int) -> list[int]:
    """At most `n_wanted` of the numbers below n, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, n_wanted)).round().astype(int)).tolist()
