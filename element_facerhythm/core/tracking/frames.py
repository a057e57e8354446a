"""Prepared frames in order, decoded and prepared ahead in threads, the last few kept for replays."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.errors import DecodeError

if TYPE_CHECKING:
    import torch

OpenFrames = Callable[[int], Iterator[GrayFrame]]
Prepare = Callable[[GrayFrame], Any]

_POLL_S = 0.1  # how soon the thread notices that its reader has closed


class FrameReader(Protocol):
    """A source of frames for a GPU, decoded there perhaps; one thread at a time calls it."""

    def read(self, start: int, stop: int) -> torch.Tensor:
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


def ended_early(index: int, n_frames: int) -> DecodeError:
    """Error about a video that ended before one of its frames.

    Parameters
    ----------
    index
        The first frame that was not there.
    n_frames
        How many were expected.
    """
    return DecodeError(
        f"The video ended before frame {index} of {n_frames}; the file is damaged or changed while it "
        "was read."
    )


@dataclass(frozen=True, eq=False)
class _Ready:
    """A frame that is prepared already, with the interface of a future."""

    frame: Any

    def result(self) -> Any:
        """Return it."""
        return self.frame


class Prefetch:
    """Reads an iterator of frames in a thread of its own, and prepares them there or in others.

    One worker is the reading thread itself: handing each frame on to another one costs more than
    it brings. Prepared frames come in order. Whatever the threads raise is raised again from `next()`, in the
    reader's thread; after `close()` they have ended and the source is closed.
    """

    def __init__(
        self,
        open_source: Callable[[], Iterator[Any]],
        prepare: Callable[[Any], Any],
        *,
        n_ahead: int,
        n_workers: int = 1,
    ) -> None:
        self._queue: queue.Queue[Future[Any] | _Ready | BaseException | None] = queue.Queue(n_ahead)
        self._stop = threading.Event()
        self._workers = (
            ThreadPoolExecutor(n_workers, "frame-preparation") if n_workers > 1 else None
        )
        self._thread = threading.Thread(
            target=self._work, args=(open_source, prepare), name="frame-prefetch", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """Return the next prepared frame, or raise what a thread raised."""
        item = self._queue.get()
        if isinstance(item, (Future, _Ready)):
            return item.result()
        self._queue.put(item)  # a second call gets the same answer instead of waiting for ever
        raise StopIteration if item is None else item

    def close(self) -> None:
        """End the threads; unread frames are dropped."""
        self._stop.set()
        self._thread.join()
        if self._workers is not None:
            self._workers.shutdown(cancel_futures=True)

    def _work(
        self, open_source: Callable[[], Iterator[Any]], prepare: Callable[[Any], Any]
    ) -> None:
        end: BaseException | None = None
        try:
            source = open_source()
            try:
                for frame in source:
                    ready = (
                        _Ready(prepare(frame))
                        if self._workers is None
                        else self._workers.submit(prepare, frame)
                    )
                    if not self._put(ready):
                        return
            finally:
                close = getattr(source, "close", None)
                if close is not None:
                    close()
        except BaseException as error:  # noqa: BLE001 - handed to the reader, which raises it
            end = error
        self._put(end)

    def _put(self, item: Future[Any] | _Ready | BaseException | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False


class PreparedFrames:
    """Prepared frames of a video by index; going on is cheap, and so is going back a little.

    Frames that are still kept are handed out again without decoding; going back further reopens
    the source at that frame.

    Parameters
    ----------
    open_frames
        Called with a frame index; returns an iterator of (H, W) uint8 frames from there on.
    prepare
        Applied to every frame, in other threads.
    n_frames
        How many frames the video has.
    n_kept
        How many of the last frames stay in memory.
    n_ahead
        How many frames may be ready before they are asked for.
    n_workers
        Threads that prepare frames: 1 is the one that reads them; with more, `prepare` must bear it.
    """

    def __init__(
        self,
        open_frames: OpenFrames,
        prepare: Prepare,
        *,
        n_frames: int,
        n_kept: int,
        n_ahead: int = 8,
        n_workers: int = 1,
    ) -> None:
        self._open_frames = open_frames
        self._prepare = prepare
        self._n_frames = n_frames
        self._n_ahead = n_ahead
        self._n_workers = n_workers
        self._kept: deque[Any] = deque(maxlen=max(n_kept, 2))
        self._next = 0
        self._source: Prefetch | None = None
        self.n_decoded = 0

    def __enter__(self) -> PreparedFrames:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getitem__(self, index: int) -> Any:
        """Frame `index`, prepared.

        Raises
        ------
        DecodeError
            The video ended before this frame.
        """
        back = self._next - index
        if 0 < back <= len(self._kept):
            return self._kept[-back]
        if self._source is None or back != 0:
            self._reopen(index)
        return self._advance()

    def close(self) -> None:
        """Stop decoding and forget the frames."""
        if self._source is not None:
            self._source.close()
            self._source = None
        self._kept.clear()

    def _reopen(self, index: int) -> None:
        self.close()
        self._next = index
        self._source = Prefetch(
            lambda: self._open_frames(index),
            self._prepare,
            n_ahead=self._n_ahead,
            n_workers=self._n_workers,
        )

    def _advance(self) -> Any:
        assert self._source is not None
        frame = next(self._source, None)
        if frame is None:
            raise ended_early(self._next, self._n_frames)
        self._kept.append(frame)
        self._next += 1
        self.n_decoded += 1
        return frame
