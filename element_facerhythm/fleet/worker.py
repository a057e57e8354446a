"""The populate loop of a worker process.

A worker claims one job at a time, the most urgent first, and of equally urgent ones those of the table
furthest upstream. It records in the database that it runs and how far it is (`fleet.heartbeat`), requeues the
jobs of workers that died, and waits for a database that is unavailable for a while. Asked to stop in the
middle of a job, it ends the job at its next report of progress, and requeues it.
"""

import logging
import os
import platform
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import element_facerhythm
from element_facerhythm.database.settings import device_of_this_process, movies_wanted
from element_facerhythm.database.worker_options import WorkerOptions
from element_facerhythm.errors import ConfigurationError, ProcessingError
from element_facerhythm.fleet.attempt import Attempt
from element_facerhythm.fleet.claims import Claims, History, JobName
from element_facerhythm.fleet.conclusion import Conclusion, Job
from element_facerhythm.fleet.heartbeat import Heartbeat, WorkState
from element_facerhythm.fleet.job_outcomes import DONE, FAILED
from element_facerhythm.fleet.job_progress import ClaimLost, JobProgress, Stopped
from element_facerhythm.fleet.job_queue import JobQueue
from element_facerhythm.fleet.reconnect import ReconnectingConnection, is_lost, is_transient
from element_facerhythm.fleet.recovery import requeue_lost
from element_facerhythm.linking import ROOT_VARIABLE, active_link
from element_facerhythm.pipeline import NullProgress, Progress

logger = logging.getLogger(__name__)

CANDIDATES = 32
CANDIDATES_TTL_S = 0.5
"""Age at which a list of free jobs is read again: other workers take jobs from it, too."""
MAX_POLLS = 3
"""Times that a worker polls again when others took every job it had found."""
REFRESH_S = 30.0
REFRESH_SHARE = 50
"""A refresh that takes a second is not repeated for 50: large queues take long to read."""
TIDY_S = 600.0
PAUSE_S = 0.01
"""Pause after a job in which there was nothing to do; each further one in a row doubles it."""


@dataclass(frozen=True)
class WorkerReport:
    """What a worker did: jobs done and failed, and why it stopped (`idle`, `max-jobs` or `signal`)."""

    n_done: int
    n_failed: int
    stopped_by: str


def work(
    tables: Sequence[Any],
    options: WorkerOptions | None = None,
    *,
    stop: threading.Event | None = None,
    on_job: Callable[[Job], None] | None = None,
    progress: Progress | None = None,
) -> WorkerReport:
    """Populate the tables until stopped.

    Parameters
    ----------
    tables : sequence of DataJoint table classes
        Computed or imported tables, upstream first.
    options : WorkerOptions, optional
        How to work.
    stop : threading.Event, optional
        Set by another thread to stop the worker, also in the middle of a job.
    on_job : callable, optional
        Called with each `Job` that was tried.
    progress : Progress, optional
        Notified of the progress of each job.

    Returns
    -------
    WorkerReport

    Raises
    ------
    ProcessingError
        The database refuses what a worker needs.
    """
    loop = _WorkerLoop(
        [JobQueue(table) for table in tables],
        options or WorkerOptions(),
        WorkState(stop or threading.Event()),
        on_job or (lambda _job: None),
        progress or NullProgress(),
    )
    return loop.run()


def require_machine() -> None:
    """Check that this machine has what jobs need; without it, one after the other would fail here.

    Raises
    ------
    RequestError
        The device is missing, or all root directories are: a file system is not mounted. Or a variable of the
        environment has a value that is not known.
    """
    from element_facerhythm.core.device import resolve_device

    resolve_device(device_of_this_process())
    movies_wanted()
    directories = active_link().root_dirs()
    missing = [str(directory) for directory in directories if not directory.is_dir()]
    if len(missing) == len(directories):
        raise ConfigurationError(
            f"no root directory is on this machine ({', '.join(missing)}): mount it, or correct "
            f"{ROOT_VARIABLE}"
        )
    if missing:
        logger.warning("not on this machine: %s", ", ".join(missing))


class _WorkerLoop:
    """One run of a worker."""

    def __init__(
        self,
        queues: Sequence[JobQueue],
        options: WorkerOptions,
        state: WorkState,
        on_job: Callable[[Job], None],
        bars: Progress,
    ) -> None:
        self.queues = {queue.name: queue for queue in queues}
        self.options, self.state, self.on_job, self.bars = options, state, on_job, bars
        connection = queues[0].connection
        self.connection = ReconnectingConnection(
            connection, max(options.lease_s, 2 * options.poll_s)
        )
        self.claims = Claims(connection, uuid.uuid4().hex[:12])
        self.ready: list[JobName] = []
        self.polled_s = self.refresh_s = self.tidied_s = float("-inf")
        self.heartbeat = Heartbeat(
            connection,
            self.claims.worker_id,
            options.lease_s,
            state,
            grace_s=options.grace_s,
            on_overdue=self._end_process,
            health_file=options.health_file,
        )

    def run(self) -> WorkerReport:
        """Work until there is a reason to stop."""
        with self.connection:
            return self._run()

    def _run(self) -> WorkerReport:
        self.connection.wait(self.state.stop.is_set, self.state.stop.wait)
        self._retry_until_connected(self._register, self.state.stop.is_set)
        with self.heartbeat:
            stopped_by = self._loop()
        if self.heartbeat.failure is not None:
            raise ProcessingError(
                f"the worker cannot write its heartbeat to the database: {self.heartbeat.failure}"
            ) from self.heartbeat.failure
        self._mark_stopped()
        return WorkerReport(self.state.n_done, self.state.n_failed, stopped_by)

    def _mark_stopped(self) -> None:
        try:
            self.claims.beat("stopped", self.state.n_done, self.state.n_failed)
        except Exception as error:
            if not is_lost(error):
                raise
            logger.warning(
                "the database does not answer; this worker will look silent there: %s", error
            )

    def _register(self) -> None:
        for queue in self.queues.values():
            queue.provide()
        self.claims.register(
            {
                "host": platform.node(),
                "pid": os.getpid(),
                "worker_device": device_of_this_process(),
                "batch_job": batch_job(),
                "worker_package_version": element_facerhythm.__version__,
                "populated_schemas": ",".join(
                    dict.fromkeys(str(queue.target.database) for queue in self.queues.values())
                )[:255],
                "lease_s": self.options.lease_s,
            }
        )

    def _loop(self) -> str:
        options, state, n_in_vain = self.options, self.state, 0
        while not state.stop.is_set():
            if options.max_jobs is not None and state.n_done + state.n_failed >= options.max_jobs:
                return "max-jobs"
            try:
                found = self._next()
                idle = found is None and options.exit_when_idle and self._is_idle()
            except Exception as error:
                if not is_transient(error):
                    raise
                self.connection.wait(state.stop.is_set, state.stop.wait)
                continue
            if found is not None:
                n_in_vain = 0 if self._do(*found) else n_in_vain + 1
                if n_in_vain:  # do not query the server without a pause
                    state.stop.wait(min(PAUSE_S * 2 ** min(n_in_vain, 20), options.poll_s))
            elif idle and not state.stop.is_set():
                return "idle"
            else:
                state.stop.wait(options.poll_s)
        return "signal"

    # ---------------------------------------------------------------- finding a job

    def _next(self) -> tuple[JobName, History] | None:
        """Claim the most urgent job that is free; None where there is none."""
        requeue_lost(self.claims, self.queues, self.heartbeat.observer.silent, self.options.policy)
        for _ in range(MAX_POLLS):
            self._fill_candidates()
            if not self.ready:
                return None
            while self.ready:
                job = self.ready.pop(0)
                history = self.claims.take(job)
                if history is not None:
                    return job, history
        return None

    def _fill_candidates(self) -> None:
        """List jobs that look free, the most urgent first; new keys are entered now and then."""
        now_s = time.monotonic()
        if now_s > self.refresh_s:
            self._refresh()
        if not self.ready or now_s - self.polled_s > CANDIDATES_TTL_S:
            self._poll()
        if not self.ready:
            self._refresh()
            self._poll()

    def _poll(self) -> None:
        self.polled_s = time.monotonic()
        offers = [
            (priority, order, job)
            for order, queue in enumerate(self.queues.values())
            for priority, job in queue.candidates(CANDIDATES)
        ]
        random.shuffle(offers)  # so that workers do not all try the same one first
        self.ready = [job for _, _, job in sorted(offers, key=lambda offer: offer[:2])]

    def _refresh(self) -> None:
        started_s = time.monotonic()
        for queue in self.queues.values():
            queue.add_new()
        if started_s - self.tidied_s > TIDY_S:
            self.tidied_s = started_s
            for queue in self.queues.values():
                queue.tidy()
        ended_s = time.monotonic()
        self.refresh_s = ended_s + max(REFRESH_S, REFRESH_SHARE * (ended_s - started_s))

    def _is_idle(self) -> bool:
        """Whether nothing is left: no job for later, and none of a worker that may be dead.

        Jobs whose key is gone count in neither case, nor do those of tables that are not this worker's.
        """
        if any(queue.n_waiting() for queue in self.queues.values()):
            return False
        alive = self.heartbeat.observer.alive
        return not any(
            worker_id not in alive
            and job.table in self.queues
            and not self.queues[job.table].is_gone(job)
            for worker_id, job in self.claims.held_by_others()
        )

    # ---------------------------------------------------------------- doing a job

    def _do(self, job: JobName, history: History) -> bool:
        """Try a claimed job; False where there was nothing to do, or it is another worker's."""
        queue, state = self.queues[job.table], self.state
        progress = JobProgress(state.stop, self.bars)
        state.doing = (job, progress)
        try:
            result = Attempt(queue, job, self.claims, self.connection, progress).run()
            tried = self._retry_until_connected(
                lambda: self._conclusion(self.claims, job).conclude(
                    history, result, self.options.policy
                )
            )
        except Stopped:
            tried = self._retry_until_connected(self._conclusion(self.claims, job).requeue)
        except ClaimLost:
            logger.warning("%s %s is another worker's by now", job.table, job.text)
            tried = None
        finally:
            state.doing = None
        if tried is not None:
            state.n_done += tried.outcome == DONE
            state.n_failed += tried.outcome == FAILED
            self.on_job(tried)
        return tried is not None

    def _conclusion(self, claims: Claims, job: JobName) -> Conclusion:
        doing = self.state.doing
        stage = doing[1].now.stage if doing else ""
        return Conclusion(claims, self.queues[job.table].on(claims.connection), job, stage)

    def _end_process(self, claims: Claims | None, job: JobName | None) -> None:
        """Requeue the job from the heartbeat's thread, and end a process that does not stop by itself."""
        if claims is None:
            logger.error(
                "the stop took too long, and the database does not answer: others requeue the job"
            )
            os._exit(1)
        if job is not None:
            self._conclusion(claims, job).requeue()
        claims.beat("stopped", self.state.n_done, self.state.n_failed)
        os._exit(0)

    def _retry_until_connected(
        self, do: Callable[[], Any], give_up: Callable[[], bool] = lambda: False
    ) -> Any:
        """Call `do`, which works in the database, again and again while the database does not answer.

        There is no limit by default: a stop that takes too long is ended by the heartbeat.
        """
        while not give_up():
            try:
                return do()
            except Exception as error:
                if not is_transient(error):
                    raise
            self.connection.wait(give_up)
        return None


def batch_job() -> str:
    """Job of the batch system that this process runs in; empty where there is none."""
    array, task = (os.environ.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    if array and task:
        return f"{array}_{task}"
    return os.environ.get("SLURM_JOB_ID", "")
