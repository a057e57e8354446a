"""Prepared frames of a recording: a short one is decoded once and kept, others are read when needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.tracking.frames import ended_early
from element_facerhythm.core.tracking.light import sample_places
from element_facerhythm.core.tracking.refinement import VisiblePart
from element_facerhythm.core.tracking.tracked_video import VideoToTrack

KEPT_BYTES = 256 * 2**20
"""A recording is kept whose visible part takes less."""
_NEAR = 32  # frames that are passed over without going there


class Prepared(NamedTuple):
    """What tracking uses of a frame.

    Attributes
    ----------
    smooth
        (h, w) int16, see `VisiblePart`.
    gray
        Gray levels at the places that `LightWatch` looks at.
    """

    smooth: NDArray[np.int16]
    gray: NDArray[np.uint8]


class FrameSupply:
    """Gives prepared frames of the videos of a recording.

    Parameters
    ----------
    recording
        Its videos, in order.
    part
        Of the frames that is matched.
    visible_mask
        (H, W) bool.
    n_at_once
        Frames in a block.
    executor
        Prepares frames.
    keeps
        Decode a short recording at once, and keep it; frames that go to a device need not be prepared here.

    Attributes
    ----------
    places
        Of the pixels that `LightWatch` looks at, see `sample_places`.

    Raises
    ------
    DecodeError
        A video ends early, or cannot be decoded.
    RoiError
        The frames are not of the mask's size.
    """

    def __init__(
        self,
        recording: Sequence[VideoToTrack],
        part: VisiblePart,
        visible_mask: NDArray[np.bool_],
        n_at_once: int,
        executor: Executor,
        *,
        keeps: bool,
    ) -> None:
        self._recording, self._part, self._n_at_once = recording, part, n_at_once
        self.places = sample_places(visible_mask)
        self._kept: dict[int, list[Prepared]] | None = None
        n_frames = sum(video.n_frames for video in recording)
        if keeps and n_frames * part.weights.size * 2 < KEPT_BYTES:
            self._kept = {
                number: [
                    frame
                    for prepared in [executor.submit(block) for _, block in self._read(video)]
                    for frame in prepared.result()
                ]
                for number, video in enumerate(recording)
            }

    def at(self, number: int, indices: Sequence[int]) -> list[Prepared]:
        """Return some frames of a video of the recording.

        Parameters
        ----------
        number
            Of the video.
        indices
            Of the frames, in order.
        """
        if self._kept is not None:
            return [self._kept[number][index] for index in indices]
        video = self._recording[number]
        return list(map(self._prepare, _frames_at(video, indices)))

    def blocks(self, video: VideoToTrack) -> Iterator[tuple[int, Callable[[], list[Prepared]]]]:
        """Yield the first frame of every block of a video, and what makes its frames, in any thread."""
        if self._kept is None:
            yield from self._read(video)
            return
        kept = self._kept[self.number(video)]
        for first in range(0, video.n_frames, self._n_at_once):
            block = kept[first : min(first + self._n_at_once, video.n_frames)]
            yield first, lambda block=block: block  # type: ignore[misc]

    def number(self, video: VideoToTrack) -> int:
        """Return the number of a video in the recording."""
        return [other.open_frames for other in self._recording].index(video.open_frames)

    def _read(self, video: VideoToTrack) -> Iterator[tuple[int, Callable[[], list[Prepared]]]]:
        for first, block in read_in_blocks(video, self._n_at_once):
            yield first, lambda block=block: list(map(self._prepare, block))  # type: ignore[misc]

    def _prepare(self, frame: GrayFrame) -> Prepared:
        smooth = self._part.smoothed(frame)
        return Prepared(smooth, frame.reshape(-1).take(self.places, mode="clip"))


def read_in_blocks(video: VideoToTrack, n_at_once: int) -> Iterator[tuple[int, list[GrayFrame]]]:
    """Yield the first frame of every block of a video, and its frames.

    Parameters
    ----------
    video
        What to read.
    n_at_once
        Frames in a block; the last one may have fewer.

    Raises
    ------
    DecodeError
        The video ends early, or cannot be decoded.
    """
    frames = video.open_frames(0)
    for first in range(0, video.n_frames, n_at_once):
        wanted = min(n_at_once, video.n_frames - first)
        block = list(islice(frames, wanted))
        if len(block) < wanted:
            raise ended_early(first + len(block), video.n_frames)
        yield first, block


def _frames_at(video: VideoToTrack, indices: Sequence[int]) -> Iterator[GrayFrame]:
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
