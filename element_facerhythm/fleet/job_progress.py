"""How far the job of this worker is: reported by the computation, read by the heartbeat, shown as bars."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from element_facerhythm.fleet import claims
from element_facerhythm.pipeline import Progress

WINDOW_S = 30.0
"""Time over which the rate is taken."""


class Stopped(BaseException):
    """A job ended because the worker was asked to stop.

    No `Exception`: DataJoint would treat that as an error of the job, keep it as failed, and go on.
    """


class ClaimLost(BaseException):
    """A job ended because it is another worker's now; no `Exception`, for the same reason."""


class JobProgress:
    """A `pipeline.Progress` that remembers where it is, and ends the job once it is asked to.

    Only the computation reports, so a job never ends in the middle of a statement to the database.

    Parameters
    ----------
    stop
        Set when the worker is to stop.
    bars
        Notified as well.

    Attributes
    ----------
    lost
        Set when the job is another worker's.
    now
        How far it is.
    """

    def __init__(self, stop: threading.Event, bars: Progress) -> None:
        self.stop, self.bars = stop, bars
        self.lost = threading.Event()
        self.now = claims.Progress()

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        """Open a stage; the callable that it yields takes the number of units done, and may end the job.

        Parameters
        ----------
        name
            Name of the stage.
        total
            Number of its units; None where it is not known.
        unit
            What is counted, such as `frames`; may be empty.

        Raises
        ------
        ClaimLost, Stopped
            From the callable, once the job is to end; see `check`.
        """
        self.now = claims.Progress(name, None, total, unit)
        recent: deque[tuple[float, int]] = deque()
        with self.bars.stage(name, total, unit) as advance_bars:

            def advance(n_done: int) -> None:
                self.check()
                rate_per_s = recent_rate(recent, time.monotonic(), n_done)
                self.now = claims.Progress(name, int(n_done), total, unit, rate_per_s)
                advance_bars(n_done)

            yield advance

    def check(self) -> None:
        """End the job here, if it is to end.

        Raises
        ------
        ClaimLost, Stopped
        """
        if self.lost.is_set():
            raise ClaimLost
        if self.stop.is_set():
            raise Stopped


def recent_rate(recent: deque[tuple[float, int]], now_s: float, n_done: int) -> float | None:
    """Return the units per second over the last `WINDOW_S` seconds; None while no time has passed.

    Parameters
    ----------
    recent
        (time in seconds, units done) of earlier calls, oldest first; this call's is added, old ones removed.
    now_s
        Time of this call, by the clock of those before.
    n_done
        Units done by now.
    """
    recent.append((now_s, n_done))
    while len(recent) > 2 and now_s - recent[0][0] > WINDOW_S:
        recent.popleft()
    # limit the number of entries where reports come every millisecond
    if len(recent) > 200:
        del recent[1]
    seconds = now_s - recent[0][0]
    return (n_done - recent[0][1]) / seconds if seconds > 0 else None
