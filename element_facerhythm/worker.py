"""The populate loop of a worker process.

A worker takes one job at a time, from the first table that has one. Told to stop (SIGTERM, Ctrl-C)
while a job is under way, it gives the job back, so that another worker does it; left alone, DataJoint
would keep it as an error, which nobody retries.
"""

import logging
import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from element_facerhythm.embedded import import_datajoint
from element_facerhythm.errors import ProcessingError

dj = import_datajoint()

logger = logging.getLogger(__name__)

MAX_TROUBLE_IN_A_ROW = 5
"""Database errors in a row after which the worker gives up, so that what runs it can restart it."""


@dataclass(frozen=True)
class WorkerReport:
    """What a worker did: jobs done and failed, and why it stopped (`idle`, `max-jobs` or `signal`)."""

    n_done: int
    n_failed: int
    stopped_by: str


@dataclass(frozen=True)
class Job:
    """One job that was tried: the table, its key, and the error where it failed."""

    table: str
    key: dict[str, Any]
    error: str | None


class Interrupted(BaseException):
    """A signal came while a job was under way. No `Exception`, so that no handler of errors takes it."""


class Stop:
    """Whether the worker was told to stop; a signal during a job interrupts the job."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.busy = False

    def handle(self, signal_number: int, _frame: FrameType | None) -> None:
        """Note the signal, and interrupt the job if one is under way."""
        self.event.set()
        if self.busy:
            raise Interrupted(signal.Signals(signal_number).name)


def work(
    tables: Sequence[Any],
    *,
    max_jobs: int | None = None,
    exit_when_idle: bool = False,
    poll_s: float = 10.0,
    on_job: Callable[[Job], None] | None = None,
) -> WorkerReport:
    """Populate the tables in order until told to stop.

    Parameters
    ----------
    tables : sequence of DataJoint table classes
        Computed or imported tables, upstream first.
    max_jobs : int, optional
        Stop after so many jobs, done or failed.
    exit_when_idle : bool
        Stop when no table has a job left, in place of waiting for one.
    poll_s : float
        Seconds between looks for new jobs.
    on_job : callable, optional
        Called with each `Job` that was tried.

    Returns
    -------
    WorkerReport

    Raises
    ------
    ProcessingError
        The database failed several times in a row.
    """
    jobs: list[Job] = []
    trouble = 0
    with stop_on_signal() as stop:
        while not stop.event.is_set():
            if max_jobs is not None and len(jobs) >= max_jobs:
                return summarise(jobs, "max-jobs")
            try:
                job = next_job(tables, stop)
                trouble = 0
            except dj.DataJointError as error:
                # two workers that race for one orphaned job, or a server that restarts
                trouble += 1
                logger.warning("the database refused, %d in a row: %s", trouble, error)
                if trouble >= MAX_TROUBLE_IN_A_ROW:
                    raise ProcessingError(
                        f"the worker gives up, the database refuses: {error}"
                    ) from error
                stop.event.wait(poll_s)
                continue
            if job is not None:
                jobs.append(job)
                if on_job is not None:
                    on_job(job)
            elif exit_when_idle and not stop.event.is_set():
                return summarise(jobs, "idle")
            else:
                stop.event.wait(poll_s)
    return summarise(jobs, "signal")


def summarise(jobs: Sequence[Job], stopped_by: str) -> WorkerReport:
    """Count what was done."""
    n_failed = sum(job.error is not None for job in jobs)
    return WorkerReport(len(jobs) - n_failed, n_failed, stopped_by)


def next_job(tables: Sequence[Any], stop: Stop) -> Job | None:
    """Do one job of the first table that has one; None where there is none or the job was given back."""
    for table in tables:
        try:
            stop.busy = True
            result = populate_one(table, stop)
            stop.busy = False
        except (Interrupted, SystemExit) as reason:
            stop.busy = False
            stop.event.set()
            give_back(table, str(reason))
            return None
        if result["success_count"]:
            return Job(table.__name__, {}, None)
        for key, error in result["error_list"]:
            return Job(table.__name__, key, str(error))
    return None


def populate_one(table: Any, stop: Stop) -> dict[str, Any]:
    """Reserve and do at most one job of a table.

    DataJoint puts a SIGTERM handler of its own in place meanwhile, which raises SystemExit, and
    catches every error of a job but that one; an error that a signal caused is told apart here.
    """
    try:
        result: dict[str, Any] = table.populate(
            reserve_jobs=True, max_calls=1, suppress_errors=True
        )
    except Exception as error:
        if stop.event.is_set():
            raise Interrupted(str(error)) from error
        raise
    return result


def give_back(table: Any, reason: str) -> None:
    """Take this process's unfinished jobs out of the table's queue; the next refresh offers them again.

    The connection may have been cut off in the middle of a statement, so a new one is made.
    """
    queue = table().jobs
    queue.connection.close()
    queue.connection.connect()
    mine = queue & {"pid": os.getpid(), "host": platform.node()}
    for row in (mine & "status in ('reserved', 'error')").to_dicts():
        if row["status"] == "reserved" or row["error_message"].startswith(
            ("SystemExit", "Interrupted")
        ):
            key = {name: row[name] for name in queue.primary_key}
            (queue & key).delete_quick()
            logger.warning(
                "%s %s was under way at %s and is given back", table.__name__, key, reason
            )


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Handle SIGTERM and SIGINT while the context lasts."""
    stop = Stop()
    previous = {
        number: signal.signal(number, stop.handle) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
