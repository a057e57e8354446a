"""The heartbeat of a worker: a thread with a connection of its own.

It records in the database that the worker runs and how far its job is, notices when another worker has taken
the job, and watches the other workers. While the database is unavailable it keeps trying. It also writes a
file, for a health check that must not depend on the network, and ends the process when a stop takes too long.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from element_facerhythm.database.connection import close, open_second
from element_facerhythm.fleet.claims import Claims, JobName
from element_facerhythm.fleet.job_progress import JobProgress
from element_facerhythm.fleet.liveness import Observer
from element_facerhythm.fleet.reconnect import is_transient
from element_facerhythm.io.folders import OpenDirectory, write_small

logger = logging.getLogger(__name__)

BEATS_PER_LEASE = 12
_LEAST_S = 0.05


@dataclass
class WorkState:
    """State of the main thread, as the heartbeat reads it."""

    stop: threading.Event
    n_done: int = 0
    n_failed: int = 0
    doing: tuple[JobName, JobProgress] | None = None
    """The job under way; set in one assignment, so that no thread reads a part of it."""


class Heartbeat:
    """The thread; a context manager that stops it at the end.

    Parameters
    ----------
    connection
        The main thread's; its settings are used for another one.
    worker_id, lease_s
        As they stand in `Worker`.
    state
        What the main thread does.
    grace_s
        Time that a stop may take; then `on_overdue` is called with the heartbeat's own claims.
    on_overdue
        Requeues the job and ends the process.
    health_file
        Where the heartbeat is written, too.
    """

    def __init__(
        self,
        connection: Any,
        worker_id: str,
        lease_s: float,
        state: WorkState,
        *,
        grace_s: float,
        on_overdue: Callable[[Claims | None, JobName | None], None],
        health_file: Path | None = None,
    ) -> None:
        self._main, self._worker_id, self._state = connection, worker_id, state
        self._period_s = lease_s / BEATS_PER_LEASE
        self._grace_s, self._on_overdue, self._health_file = grace_s, on_overdue, health_file
        self.observer = Observer(longest_gap_s=max(lease_s / 2, 4 * _LEAST_S))
        self.failure: BaseException | None = None
        self._claims: Claims | None = None
        self._over = threading.Event()
        self._soon = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._stopped_s: float | None = None
        self._away_since: float | None = None

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._soon.set()
        self._thread.join(timeout=10)
        if self._claims is not None and not self._thread.is_alive():
            close(self._claims.connection)

    def hurry(self) -> None:
        """Write a heartbeat now."""
        self._soon.set()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self._beat()
                self._soon.wait(self._wait_s())
                self._soon.clear()
        except Exception as error:  # noqa: BLE001  the main thread raises it
            self.failure = error
            self._state.stop.set()

    def _wait_s(self) -> float:
        """Time to the next heartbeat; shorter where a stop is about to be overdue."""
        if self._stopped_s is None:
            return self._period_s
        left_s = self._stopped_s + self._grace_s - time.monotonic()
        return max(min(self._period_s, left_s), _LEAST_S)

    def _beat(self) -> None:
        try:
            if self._claims is None:
                self._claims = Claims(open_second(self._main), self._worker_id)
            self._write_to_database(self._claims)
            self._away_since = None
        except Exception as error:
            if not is_transient(error):
                raise
            self._drop_connection(error)
        self._write_file()
        self._watch_stop()

    def _write_to_database(self, claims: Claims) -> None:
        doing = self._state.doing
        state = "working" if doing else "idle"
        claims.beat(state, self._state.n_done, self._state.n_failed)
        if doing is not None:
            job, progress = doing
            if not claims.record_progress(job, progress.now):
                progress.lost.set()  # of this job alone: the main thread may be at the next one
        self.observer.poll(claims.watched_workers(), time.monotonic())
        for worker_id in self.observer.silent:
            claims.mark_lost(worker_id)  # those with jobs wait until these are requeued

    def _drop_connection(self, error: BaseException) -> None:
        self.observer.forget()
        if self._away_since is None:
            self._away_since = time.monotonic()
            logger.info("no heartbeat could be written: %s", error)
        claims, self._claims = self._claims, None
        if claims is not None:
            close(claims.connection)

    def _write_file(self) -> None:
        if self._health_file is None:
            return
        away = self._away_since
        about = {
            "worker_id": self._worker_id,
            "pid": os.getpid(),
            "working": self._state.doing is not None,
            "database_away_s": None if away is None else round(time.monotonic() - away, 1),
        }
        with OpenDirectory(self._health_file.absolute().parent) as folder:
            write_small(folder.descriptor, self._health_file.name, json.dumps(about))

    def _watch_stop(self) -> None:
        if not self._state.stop.is_set():
            return
        if self._stopped_s is None:
            self._stopped_s = time.monotonic()
        elif time.monotonic() - self._stopped_s > self._grace_s:
            doing = self._state.doing
            self._on_overdue(self._claims, None if doing is None else doing[0])
