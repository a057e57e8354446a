"""Anchored tracking on a GPU: blocks of frames go there, and where the points are comes back.

Templates are made on the CPU.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from element_facerhythm.core.device import is_out_of_memory
from element_facerhythm.core.tracking.anchored.device_matcher import DeviceMatcher
from element_facerhythm.core.tracking.anchored.frame_supply import read_in_blocks
from element_facerhythm.core.tracking.anchored.matcher import MatchedBlock, Matcher, joined
from element_facerhythm.core.tracking.anchored.torch_matching import smoothed
from element_facerhythm.core.tracking.frames import Prefetch
from element_facerhythm.core.tracking.preparation import require_size
from element_facerhythm.core.tracking.refinement import VisiblePart
from element_facerhythm.core.tracking.tracked_video import VideoToTrack

logger = logging.getLogger(__name__)

Frames = Tensor
"""(B, H, W) uint8 gray levels, on the device or in page-locked memory of the host."""

_PIXELS_PER_BLOCK, _MOST_FRAMES, _FEWEST_FRAMES = 2**25, 256, 8


class DeviceWork:
    """What is done to a block of frames on a device; threads that call it take turns.

    Parameters
    ----------
    matcher
        With the templates, from `build_matcher`.
    part
        Of the frames that matches are made on.
    places
        Of pixels that `light` samples.
    device
        Where frames are matched.
    between
        Called with the number of a video and those of frames (B,); returns displacements (B, P, 2) float32
        that the search begins from, see `Hints.between`.
    """

    def __init__(
        self,
        matcher: Matcher,
        part: VisiblePart,
        places: NDArray[np.int64],
        device: torch.device,
        between: Callable[[int, NDArray[np.int64]], NDArray[np.float32]],
    ) -> None:
        self._matcher, self._part, self._device = DeviceMatcher(matcher, device), part, device
        self._between = between
        self._rows, self._columns, self._places = (
            torch.from_numpy(array).to(device) for array in (part.rows, part.columns, places)
        )
        self._lock = Lock()

    def __call__(
        self, number: int, first: int, frames: Frames
    ) -> tuple[MatchedBlock, list[NDArray[np.uint8]]]:
        """Match frames; return with it their gray levels at the places that `light` samples.

        Where memory runs out, the halves are matched one after the other.

        Parameters
        ----------
        number
            Of the video, for `between`.
        first
            Number of the first of them.
        frames
            (B, H, W) uint8, one after the other.

        Raises
        ------
        RoiError
            The frames are not of the mask's size.
        """
        require_size(tuple(frames.shape[1:]), self._part.shape)
        numbers = np.arange(first, first + len(frames))
        starts = self._matcher.home + self._between(number, numbers)
        with self._lock:
            return self._matched(frames, starts)

    def _matched(
        self, frames: Frames, starts: NDArray[np.float32]
    ) -> tuple[MatchedBlock, list[NDArray[np.uint8]]]:
        try:
            there = frames.to(self._device, non_blocking=True)
            stack = smoothed(there, self._rows, self._columns)
            samples = list(there.reshape(len(there), -1)[:, self._places].cpu().numpy())
            return self._matcher.match(stack, starts), samples
        except RuntimeError as error:
            if len(frames) == 1 or not is_out_of_memory(error):
                raise
        logger.warning(
            "%s is out of memory for %d frames at once: in halves", self._device, len(frames)
        )
        half = len(frames) // 2
        first, samples = self._matched(frames[:half], starts[:half])
        second, others = self._matched(frames[half:], starts[half:])
        return joined([first, second]), samples + others


def frames_per_block(n_pixels: int) -> int:
    """Frames that go to a device at once, by the pixels of each."""
    return int(np.clip(_PIXELS_PER_BLOCK // n_pixels, _FEWEST_FRAMES, _MOST_FRAMES))


def read_blocks(
    videos: Sequence[VideoToTrack], n_frames: int, n_at_once: int
) -> Iterator[tuple[int, int, Frames]]:
    """Yield number of the video, first frame, and the frames of every block.

    Several videos are read at the same time; blocks of each come in order.

    Parameters
    ----------
    videos
        What to read: by `open_reader` where a video has one.
    n_frames
        Frames of a block.
    n_at_once
        Videos that are read at the same time.

    Raises
    ------
    DecodeError
        A video ends early, or cannot be decoded.
    """
    waiting = deque(enumerate(videos))
    reading: deque[Prefetch] = deque()
    try:
        while waiting or reading:
            while waiting and len(reading) < n_at_once:
                number, video = waiting.popleft()
                blocks = partial(_blocks_of, number, video, n_frames)
                reading.append(Prefetch(blocks, lambda block: block, n_ahead=1))
            block = next(reading[0], None)
            if block is None:
                reading.popleft().close()
            else:
                reading.rotate(-1)
                yield block
    finally:
        for source in reading:
            source.close()


def _blocks_of(
    number: int, video: VideoToTrack, n_frames: int
) -> Iterator[tuple[int, int, Frames]]:
    if video.open_reader is not None:
        reader = video.open_reader()
        try:
            for first in range(0, video.n_frames, n_frames):
                yield number, first, reader.read(first, min(first + n_frames, video.n_frames))
        finally:
            reader.close()
        return
    for first, block in read_in_blocks(video, n_frames):
        stacked = torch.from_numpy(np.stack(block))
        yield number, first, stacked.pin_memory() if torch.cuda.is_available() else stacked
