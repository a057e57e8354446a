"""The frames of a recording that references are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.tracking.frames import ended_early
from element_facerhythm.core.tracking.refinement import VisiblePart
from element_facerhythm.core.tracking.tracked_video import VideoToTrack
from element_facerhythm.errors import ProcessingError

_MOST_BYTES = 128 * 2**20
_FEWEST = 8
# frames apart: below, those between are decoded, too, which takes less than to go there
_NEAR = 128
_AT_ONCE = 16  # frames that one thread fetches from a video before others may go on with it
_FAINT = 0.3  # of the usual contrast: a frame with less shows no face


@dataclass(frozen=True, eq=False)
class Sample:
    """One sampled frame.

    Attributes
    ----------
    video, index
        Number of the video, and of the frame in it.
    frame
        (h, w) int16, smoothed, see `VisiblePart`.
    """

    video: int
    index: int
    frame: NDArray[np.int16]


def sampled_frames(
    videos: Sequence[VideoToTrack], n_wanted: int, part: VisiblePart, executor: Executor
) -> list[Sample]:
    """Return frames spread evenly over a recording, the first that shows something at the start.

    Parameters
    ----------
    videos
        Of the recording, in order.
    n_wanted
        How many; fewer where the recording is shorter or frames are very large, and one per video at least.
    part
        Of the frames.
    executor
        Decodes several stretches at once.

    Raises
    ------
    DecodeError
        A video ends early.
    ProcessingError
        No frame shows anything.
    """
    n_room = max(_MOST_BYTES // (2 * part.weights.size), _FEWEST)
    n_all = sum(video.n_frames for video in videos)
    n_wanted = min(n_wanted, n_room, n_all)
    stretches: list[tuple[int, list[int]]] = []
    for number, video in enumerate(videos):
        share = max(round(n_wanted * video.n_frames / n_all), 1)
        indices = np.unique(np.linspace(0, video.n_frames - 1, share).astype(int)).tolist()
        stretches += [(number, indices[n : n + _AT_ONCE]) for n in range(0, len(indices), _AT_ONCE)]

    def sampled(stretch: tuple[int, list[int]]) -> list[Sample]:
        number, indices = stretch
        frames = zip(indices, _frames_at(videos[number], indices), strict=True)
        return [Sample(number, index, part.smoothed(frame)) for index, frame in frames]

    samples = list(chain.from_iterable(executor.map(sampled, stretches)))
    visible = part.weights > 0
    contrasts = np.array([float(sample.frame[visible].std()) for sample in samples])
    shown = contrasts > max(_FAINT * float(np.median(contrasts)), 1.0)
    if not shown.any():
        raise ProcessingError(
            "No frame of the recording has any contrast within the visible region: there is nothing to track."
        )
    return [sample for sample, is_shown in zip(samples, shown, strict=True) if is_shown]


def _frames_at(video: VideoToTrack, indices: list[int]) -> Iterator[GrayFrame]:
    """Yield some frames of a video, in order."""
    position, frames = indices[0], video.open_frames(indices[0])
    try:
        for index in indices:
            if index - position > _NEAR:
                _close(frames)
                position, frames = index, video.open_frames(index)
            frame = next(islice(frames, index - position, None), None)
            if frame is None:
                raise ended_early(index, video.n_frames)
            position = index + 1
            yield frame
    finally:
        _close(frames)


def _close(frames: Iterator[GrayFrame]) -> None:
    with suppress(AttributeError):  # a plain iterator holds nothing open
        frames.close()  # type: ignore[attr-defined]
