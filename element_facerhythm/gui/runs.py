"""Runs that pages start: each a `facerhythm run` of its own, which goes on when the page is closed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from element_facerhythm.errors import RequestError
from element_facerhythm.files.texts import parse_json

PROGRESS_EVERY_S = "1"
LINES_KEPT = 200
_GRACE_S = 10.0
_TELL_EVERY_S = 2.0


@dataclass(frozen=True)
class RunOrder:
    """What is to be run.

    Attributes
    ----------
    video
        The video.
    rois
        ROI file.
    project_dir
        Where results go.
    frames
        First frame, and the one after the last; None takes all.
    settings
        Values for `--set`, `SECTION.KEY=VALUE`.
    figures
        Whether figures are drawn.
    """

    video: Path
    rois: Path
    project_dir: Path
    frames: tuple[int, int] | None = None
    settings: tuple[str, ...] = ()
    figures: bool = True

    def words(self) -> list[str]:
        """Words of the command line that does the same."""
        words = ["facerhythm", "run", str(self.video), "--rois", str(self.rois)]
        words += ["-o", str(self.project_dir)]
        if self.frames is not None:
            words += ["--frames", f"{self.frames[0]}:{self.frames[1]}"]
        for setting in self.settings:
            words += ["--set", setting]
        if not self.figures:
            words.append("--no-figures")
        return words

    def command_line(self) -> str:
        """Return the command line, quoted for a shell."""
        return shlex.join(self.words())


@dataclass(eq=False)
class StartedRun:
    """A run under way, or over.

    Attributes
    ----------
    id
        Number of the run in this server.
    order
        What is run.
    state
        `running`, `done`, `failed` or `cancelled`.
    lines
        Its last lines of progress.
    result
        What `facerhythm run --json` printed, when it is over; None before, and where it printed nothing.
    """

    id: str
    order: RunOrder
    state: str = "running"
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))
    n_lines: int = 0
    result: dict[str, Any] | None = None
    started: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return what pages are told."""
        seconds = self.seconds if self.seconds is not None else time.monotonic() - self.started
        return {
            "id": self.id,
            "state": self.state,
            "is_over": self.seconds is not None,
            "command": self.order.command_line(),
            "project_dir": str(self.order.project_dir),
            "seconds": round(seconds, 2),
            "lines": list(self.lines),
            "result": self.result,
        }


class Runs:
    """Starts runs, one at a time: they use all cores."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, StartedRun] = {}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._scratch = tempfile.TemporaryDirectory(prefix="facerhythm-gui-")

    @property
    def scratch(self) -> Path:
        """Directory for tries; it ends with the server."""
        return Path(self._scratch.name)

    def start(self, order: RunOrder) -> StartedRun:
        """Start a run.

        Raises
        ------
        RequestError
            Another one is under way.
        """
        with self._lock:
            busy = next((run for run in self._runs.values() if run.state == "running"), None)
            if busy is not None:
                raise RequestError(
                    f"run {busy.id} is under way ({busy.order.project_dir.name}); wait for it, or cancel it"
                )
            run = StartedRun(str(len(self._runs) + 1), order)
            command = [sys.executable, "-m", "element_facerhythm", *order.words()[1:], "--json"]
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"FACERHYTHM_PROGRESS_S": PROGRESS_EVERY_S, "NO_COLOR": "1"},
                start_new_session=True,
            )
            self._runs[run.id], self._processes[run.id] = run, process
        threading.Thread(target=self._watch, args=(run, process), daemon=True).start()
        return run

    def get(self, run_id: str) -> StartedRun:
        """Return a run; RequestError where there is none of that number."""
        if run_id not in self._runs:
            raise RequestError(f"there is no run {run_id}")
        return self._runs[run_id]

    def all(self) -> list[StartedRun]:
        """All runs, in order."""
        return list(self._runs.values())

    def cancel(self, run_id: str) -> None:
        """Ask a run to stop; finished stages stay, and the next run goes on from there."""
        run = self.get(run_id)
        if run.state == "running":
            run.state = "cancelled"
            self._processes[run_id].send_signal(signal.SIGTERM)

    def follow(self, run_id: str) -> Iterator[dict[str, Any]]:
        """Yield the state of a run whenever it changes, until it is over."""
        run = self.get(run_id)
        is_over = False
        while not is_over:
            yield run.as_json()
            with run.changed:
                if not (is_over := run.seconds is not None):
                    run.changed.wait(_TELL_EVERY_S)
        yield run.as_json()

    def close(self) -> None:
        """End what is under way, and remove what was tried."""
        for run_id, process in self._processes.items():
            if process.poll() is None:
                self.cancel(run_id)
        for process in self._processes.values():
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
        self._scratch.cleanup()

    def _watch(self, run: StartedRun, process: subprocess.Popen[str]) -> None:
        """Gather what a run prints, until it is over."""
        assert process.stdout is not None
        assert process.stderr is not None
        errors = process.stderr
        reader = threading.Thread(target=_gather, args=(run, errors), daemon=True)
        reader.start()
        printed = process.stdout.read()
        reader.join()
        code = process.wait()
        with run.changed:
            try:
                run.result = parse_json(printed) if printed.strip() else None
            except ValueError:  # not what was promised: the lines and the state say more
                run.lines.append(printed[-500:])
            if run.state == "running":
                run.state = "done" if code == 0 else "failed"
            run.seconds = time.monotonic() - run.started
            run.changed.notify_all()


def _gather(run: StartedRun, errors: Any) -> None:
    for line in errors:
        with run.changed:
            run.lines.append(line.rstrip("\n"))
            run.n_lines += 1
            run.changed.notify_all()
