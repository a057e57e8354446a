"""The frames of a recording that references are made of."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.tracking.anchored.frame_supply import FrameSupply
from element_facerhythm.core.tracking.refinement import VisiblePart
from element_facerhythm.core.tracking.tracked_video import VideoToTrack
from element_facerhythm.errors import ProcessingError

_MOST_BYTES = 128 * 2**20
_FEWEST = 8
_AT_ONCE = 16  # frames that one thread fetches from a video before others may go on with it
_FEWEST_KEY_FRAMES = 8  # with fewer, frames near them would not stand for the whole video
_DECODED_SHARE = 0.1  # of a video is decoded for the sake of the sample, beyond the sample itself
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
    videos: Sequence[VideoToTrack],
    n_wanted: int,
    part: VisiblePart,
    supply: FrameSupply,
    executor: Executor,
) -> list[Sample]:
    """Return frames spread over a recording, the first that shows something at the start.

    Parameters
    ----------
    videos
        Of the recording, in order.
    n_wanted
        How many; fewer where the recording is shorter or frames are very large, and one per video at least.
    part
        Of the frames.
    supply
        Of frames.
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
        stretches += [(number, indices) for indices in _stretches(video, share)]

    def sampled(stretch: tuple[int, list[int]]) -> list[Sample]:
        number, indices = stretch
        frames = zip(indices, supply.at(number, indices), strict=True)
        return [Sample(number, index, frame.smooth) for index, frame in frames]

    samples = list(chain.from_iterable(executor.map(sampled, stretches)))
    visible = part.weights > 0
    contrasts = np.array([float(sample.frame[visible].std()) for sample in samples])
    shown = contrasts > max(_FAINT * float(np.median(contrasts)), 1.0)
    if not shown.any():
        raise ProcessingError(
            "No frame of the recording has any contrast within the visible region: there is nothing to track."
        )
    return [sample for sample, is_shown in zip(samples, shown, strict=True) if is_shown]


def _stretches(video: VideoToTrack, n_wanted: int) -> list[list[int]]:
    """Frames to sample, in runs that are decoded together: behind key frames where there are enough."""
    keys = np.zeros(1, np.int64) if video.key_frames is None else video.key_frames
    widest = np.diff([*keys, video.n_frames]).max()
    if widest * _FEWEST_KEY_FRAMES > video.n_frames:
        indices = np.unique(np.linspace(0, video.n_frames - 1, n_wanted).astype(int))
        return [list(map(int, indices[n : n + _AT_ONCE])) for n in range(0, len(indices), _AT_ONCE)]
    n_stretches = min(len(keys), n_wanted)
    starts = keys[np.unique(np.linspace(0, len(keys) - 1, n_stretches).astype(int))]
    per_stretch = -(-n_wanted // n_stretches)
    apart = max(int(_DECODED_SHARE * video.n_frames / n_wanted), 1)
    ends = [*starts[1:], video.n_frames]
    return [
        list(range(int(start), min(int(start) + per_stretch * apart, int(end)), apart))
        for start, end in zip(starts, ends, strict=True)
    ]
