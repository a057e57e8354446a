"""Raw frames of a sequence, some at a time, the next ones read ahead in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.tracking.frames import OpenFrames
from element_facerhythm.errors import DecodeError


class FrameReader(Protocol):
    """A source of raw frames by their numbers; one thread at a time calls it."""

    def read(self, start: int, stop: int) -> Tensor:
        """Read frames (n, H, W) uint8, to the host or already to the device.

        Parameters
        ----------
        start, stop
            First frame, and the one after the last.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class IteratedFrames:
    """A reader over iterators of frames: reading on is cheap, reading elsewhere opens a new one.

    Parameters
    ----------
    open_frames
        Called with a frame index; returns an iterator of (H, W) uint8 frames from there on.
    pinned
        Hand the frames out in page-locked memory, which a GPU copies from faster.
    """

    def __init__(self, open_frames: OpenFrames, *, pinned: bool) -> None:
        self._open_frames = open_frames
        self._pinned = pinned
        self._source: Iterator[GrayFrame] | None = None
        self._next = 0

    def read(self, start: int, stop: int) -> Tensor:
        """Read frames (n, H, W) uint8; fewer only where the video ends.

        Parameters
        ----------
        start, stop
            First frame, and the one after the last.

        Raises
        ------
        DecodeError
            The video ended before frame `start`.
        """
        if self._source is None or start != self._next:
            self.close()
            self._source, self._next = self._open_frames(start), start
        frames = list(islice(self._source, stop - start))
        self._next += len(frames)
        if not frames:
            raise DecodeError(f"The video ended before frame {start}.")
        stacked = torch.from_numpy(np.stack(frames))
        return stacked.pin_memory() if self._pinned else stacked

    def close(self) -> None:
        """Close the iterator."""
        close = getattr(self._source, "close", None)
        if close is not None:
            close()
        self._source = None


class FrameFeed:
    """Reads a sequence in chunks, one chunk ahead.

    Parameters
    ----------
    reader
        Where the frames come from.
    first, n_frames
        The sequence is the `n_frames` frames of the reader from `first` on.
    executor
        Whose threads read ahead.
    """

    def __init__(
        self, reader: FrameReader, *, first: int, n_frames: int, executor: Executor
    ) -> None:
        self._reader = reader
        self._first = first
        self._n_frames = n_frames
        self._executor = executor
        self._ahead: tuple[int, Future[Tensor]] | None = None

    def get(self, start: int, n_wanted: int) -> Tensor:
        """Frames (n, H, W) uint8 of the sequence.

        Parameters
        ----------
        start
            First frame, counted in the sequence.
        n_wanted
            Number of frames; what is left of the sequence where that is less.

        Raises
        ------
        DecodeError
            The video ends before the sequence does, or a frame could not be decoded.
        """
        ahead, self._ahead = self._ahead, None
        frames = None
        if ahead is not None:
            read = ahead[1].result()
            frames = read if ahead[0] == start else None
        stop = min(start + n_wanted, self._n_frames)
        if frames is None or len(frames) > stop - start:
            frames = self._read(start, stop)
        stop = start + len(frames)
        if stop < self._n_frames:
            to = min(stop + n_wanted, self._n_frames)
            self._ahead = (stop, self._executor.submit(self._read, stop, to))
        return frames

    def close(self) -> None:
        """Wait for the thread, drop what it read, and close the reader."""
        if self._ahead is not None:
            self._ahead[1].cancel()
            if not self._ahead[1].cancelled():
                self._ahead[1].exception()  # ignored: the frames are no longer needed
            self._ahead = None
        self._reader.close()

    def _read(self, start: int, stop: int) -> Tensor:
        frames = self._reader.read(self._first + start, self._first + stop)
        if len(frames) < stop - start:
            missing = self._first + start + len(frames)
            raise DecodeError(
                f"The video ended before frame {missing}; the file is damaged or changed while it "
                "was read."
            )
        return frames
