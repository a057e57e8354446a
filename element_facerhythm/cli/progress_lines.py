"""Progress as plain lines on stderr, for logs: where no terminal shows bars."""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import typer

from element_facerhythm.errors import ParameterError

INTERVAL_VARIABLE = "FACERHYTHM_PROGRESS_S"
INTERVAL_S = 30.0
FIRST_AFTER_S = 10.0


@dataclass
class _Stage:
    """A stage under way: what is done of it, and time and count of its last line."""

    name: str
    total: int | None
    unit: str
    done: int = 0
    started_s: float = field(default_factory=time.monotonic)
    written: tuple[float, int] | None = None  # time and count of the last line

    def line(self, now_s: float) -> str:
        """Return what is done by now, how fast, and how long the rest takes at this rate."""
        since_s, since = self.written or (self.started_s, 0)
        rate = (self.done - since) / max(now_s - since_s, 1e-9)
        counted = f"{self.done:,} {self.unit}"
        if self.total:
            share = 100 * self.done / self.total
            counted = f"{share:.0f} %, {self.done:,} of {self.total:,} {self.unit}"
        parts = [counted.strip()] if self.done else []
        parts.append(f"{_clock(now_s - self.started_s)} so far")
        if rate > 0:
            parts.append(
                f"{rate:,.3g} {self.unit}/s" if rate < 100 else f"{rate:,.0f} {self.unit}/s"
            )
        if rate > 0 and self.total:
            parts.append(f"{_clock(max(self.total - self.done, 0) / rate)} left")
        self.written = now_s, self.done
        return f"{self.name}: {', '.join(parts)}"

    def last_line(self, now_s: float) -> str:
        """How long the whole stage took."""
        return f"{self.name}: done in {_clock(now_s - self.started_s)}"


class ProgressLines:
    """Writes how far each stage is, at intervals; it is a `pipeline.Progress`.

    Parameters
    ----------
    interval_s
        Seconds between two lines on a stage; the first one comes after ten seconds at the latest. A stage
        that is over before that has none.
    first
        What is done before the first stage, if anything.
    """

    def __init__(self, interval_s: float, first: str | None = None) -> None:
        self._first_s, self._interval_s = min(FIRST_AFTER_S, interval_s), interval_s
        self._before = None if first is None else _Stage(first, None, "")
        self._open = [] if self._before is None else [self._before]
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, name="progress", daemon=True)

    def __enter__(self) -> "ProgressLines":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        """Open a stage; the callable takes the number done so far in total."""
        stage = _Stage(name.replace("_", " "), total, unit)
        with self._lock:
            if self._before is not None:
                self._open.remove(self._before)
                self._before = None
            self._open.append(stage)

        def advance(done: int) -> None:
            stage.done = done

        try:
            yield advance
        except BaseException:
            self._close(stage)
            raise
        self._close(stage)
        if stage.written:
            say(stage.last_line(time.monotonic()))

    def _close(self, stage: _Stage) -> None:
        with self._lock:
            self._open.remove(stage)

    def _write(self) -> None:
        while not self._over.wait(self._first_s / 4):
            now_s = time.monotonic()
            with self._lock:
                lines = [stage.line(now_s) for stage in self._open if self._is_due(stage, now_s)]
            for line in lines:
                say(line)

    def _is_due(self, stage: _Stage, now_s: float) -> bool:
        if stage.written is None:
            return now_s - stage.started_s >= self._first_s
        return now_s - stage.written[0] >= self._interval_s


def wanted_interval_s() -> float:
    """Seconds between two lines, as the environment says; 0 where no progress is wanted at all.

    Raises
    ------
    ParameterError
        It is not a number of seconds.
    """
    given = os.environ.get(INTERVAL_VARIABLE, "").strip()
    try:
        seconds = float(given or INTERVAL_S)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ParameterError(
            f"{INTERVAL_VARIABLE} is {given!r}; expected the seconds between two lines of progress, or 0 "
            "for none"
        )
    return seconds


def say(line: str) -> None:
    """Write one line to stderr; a reader that has gone does not stop the work."""
    try:
        typer.echo(f"facerhythm: {line}", err=True)
    except (OSError, ValueError):  # a closed pipe or file
        return


def _clock(seconds: float) -> str:
    """Duration as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
