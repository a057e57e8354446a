"""The populate loop of a worker process.

A worker takes one job at a time, from the first table that has one. Told to stop while a job is under
way, it ends the job where it next reports progress, and gives it back, so that another worker does it.
"""

import logging
import os
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from element_facerhythm.embedded import import_datajoint
from element_facerhythm.errors import ProcessingError
from element_facerhythm.pipeline import NullProgress, Progress
from element_facerhythm.pipeline.progress import reporting_to

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


class Stopped(BaseException):
    """A job ended because the worker was told to stop.

    No `Exception`: DataJoint would take that for an error of the job, keep it as failed, and go on.
    """


class StoppableProgress:
    """A `Progress` that raises `Stopped` once the event is set; nothing is half written then.

    Reports come from the computation alone, so no statement to the database is ever cut off.
    """

    def __init__(self, stop: threading.Event, progress: Progress) -> None:
        self.stop = stop
        self.progress = progress

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        """Open a stage of the wrapped progress."""
        with self.progress.stage(name, total, unit) as tell:

            def tell_or_stop(n_done: int) -> None:
                if self.stop.is_set():
                    raise Stopped
                tell(n_done)

            yield tell_or_stop


def work(
    tables: Sequence[Any],
    *,
    stop: threading.Event | None = None,
    max_jobs: int | None = None,
    exit_when_idle: bool = False,
    poll_s: float = 10.0,
    on_job: Callable[[Job], None] | None = None,
    progress: Progress | None = None,
) -> WorkerReport:
    """Populate the tables in order until told to stop.

    Parameters
    ----------
    tables : sequence of DataJoint table classes
        Computed or imported tables, upstream first.
    stop : threading.Event, optional
        Set by another thread to stop the worker, also in the middle of a job.
    max_jobs : int, optional
        Stop after so many jobs, done or failed.
    exit_when_idle : bool
        Stop when no table has a job left, in place of waiting for one.
    poll_s : float
        Seconds between looks for new jobs.
    on_job : callable, optional
        Called with each `Job` that was tried.
    progress : Progress, optional
        Told how each job goes on.

    Returns
    -------
    WorkerReport

    Raises
    ------
    ProcessingError
        The database failed several times in a row.
    """
    stop = stop or threading.Event()
    jobs: list[Job] = []
    trouble = 0
    while not stop.is_set():
        if max_jobs is not None and len(jobs) >= max_jobs:
            return summarise(jobs, "max-jobs")
        try:
            with reporting_to(StoppableProgress(stop, progress or NullProgress())):
                job = next_job(tables)
            trouble = 0
        except dj.DataJointError as error:
            # two workers that race for one orphaned job, or a server that restarts
            trouble += 1
            logger.warning("the database refused, %d in a row: %s", trouble, error)
            if trouble >= MAX_TROUBLE_IN_A_ROW:
                raise ProcessingError(
                    f"the worker gives up, the database refuses: {error}"
                ) from error
            stop.wait(poll_s)
            continue
        if job is not None:
            jobs.append(job)
            if on_job is not None:
                on_job(job)
        elif exit_when_idle and not stop.is_set():
            return summarise(jobs, "idle")
        else:
            stop.wait(poll_s)
    return summarise(jobs, "signal")


def summarise(jobs: Sequence[Job], stopped_by: str) -> WorkerReport:
    """Count what was done."""
    n_failed = sum(job.error is not None for job in jobs)
    return WorkerReport(len(jobs) - n_failed, n_failed, stopped_by)


def next_job(tables: Sequence[Any]) -> Job | None:
    """Do one job of the first table that has one; None where there is none, or the job was given back."""
    for table in tables:
        try:
            result = table.populate(reserve_jobs=True, max_calls=1, suppress_errors=True)
        except Stopped:
            give_back(table)
            return None
        if result["success_count"]:
            return Job(table.__name__, {}, None)
        for key, error in result["error_list"]:
            return Job(table.__name__, key, str(error))
    return None


def give_back(table: Any) -> None:
    """Take this process's reservation out of the table's queue; the next refresh offers the job again."""
    queue = table().jobs
    mine = queue.reserved & {"pid": os.getpid(), "host": platform.node()}
    for key in mine.keys():  # noqa: SIM118  a DataJoint query, not a dict
        (queue & key).delete_quick()
        logger.warning("%s %s was under way and is given back", table.__name__, key)
