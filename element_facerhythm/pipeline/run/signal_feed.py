"""Frames on their way to the signals: those that the tracking decodes anyway, and the others read for it.

A frame is a frame, whichever reader decoded it: what passes in the tracking is taken as long as it is the
next one of the recording, and what never passed in that order is decoded afterwards. So the signals do not
depend on how, or whether, points are tracked.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.motion import SignalRecorder
from element_facerhythm.core.tracking.frames import OpenFrames, ended_early

_N_AHEAD = 48  # frames that may wait
_POLL_S = 0.1


class SignalFeed:
    """Hands the frames of a recording to a `SignalRecorder`, in a thread of its own.

    Parameters
    ----------
    recorder
        Takes them.
    n_frames
        Of each sequence.
    follows
        (T,) bool, see `SignalRecorder.push`.
    """

    def __init__(
        self, recorder: SignalRecorder, n_frames: Sequence[int], follows: NDArray[np.bool_]
    ) -> None:
        self._recorder, self._follows = recorder, follows
        self._n_frames = list(n_frames)
        self._starts = [int(n) for n in np.cumsum([0, *n_frames])]
        self._next = 0
        self._lock = threading.Lock()
        self._queue: queue.Queue[GrayFrame | None] = queue.Queue(_N_AHEAD)
        self._failure: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="facial-signals", daemon=True)

    def __enter__(self) -> SignalFeed:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def tapped(self, number: int, open_frames: OpenFrames) -> OpenFrames:
        """Return a function that opens the frames of a sequence, which pass here.

        Parameters
        ----------
        number
            Of the sequence.
        open_frames
            Opens them.
        """

        def open_and_pass(start: int) -> Iterator[GrayFrame]:
            frames = open_frames(start)
            try:
                for index, frame in enumerate(frames, start):
                    self._offer(self._starts[number] + index, frame)
                    yield frame
            finally:
                close = getattr(frames, "close", None)
                if close is not None:
                    close()

        return open_and_pass

    def complete(
        self, openers: Sequence[OpenFrames], advance: Callable[[int], None]
    ) -> SignalRecorder:
        """Read what has not passed, wait until all is taken, and return the recorder.

        Parameters
        ----------
        openers
            Of each sequence.
        advance
            Called with the number of frames that are there.

        Raises
        ------
        DecodeError
            A frame cannot be decoded.
        """
        for number, open_frames in enumerate(openers):
            start, stop = self._starts[number : number + 2]
            if self._next >= stop:
                continue
            for _ in self.tapped(number, open_frames)(self._next - start):
                if self._next % _N_AHEAD == 0:
                    advance(self._next)
                if self._next >= stop:
                    break
            if self._next < stop:
                raise ended_early(self._next - start, self._n_frames[number])
        with self._lock:
            self._put(None)
        self._thread.join()
        self._raise_failure()
        advance(self._next)
        self._recorder.finish()
        return self._recorder

    def _offer(self, place: int, frame: GrayFrame) -> None:
        """Take a frame where it is the next one."""
        if place != self._next:
            return
        with self._lock:
            if place == self._next:
                self._put(frame)
                self._next += 1

    def _put(self, frame: GrayFrame | None) -> None:
        while True:
            self._raise_failure()
            try:
                self._queue.put(frame, timeout=_POLL_S)
            except queue.Full:
                if self._over.is_set():  # nobody takes frames any more
                    return
                continue
            return

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        while not self._over.is_set():
            try:
                frame = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if frame is None:
                return
            try:
                n_done = self._recorder.n_done
                self._recorder.push(frame, follows=bool(self._follows[n_done]))
            except BaseException as error:  # noqa: BLE001 - raised again by what hands frames on
                self._failure = error
                return
