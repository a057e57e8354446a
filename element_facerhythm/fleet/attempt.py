"""One attempt at a job: from the claim to the rows, repeated after interruptions where that can help."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from element_facerhythm.fleet.claims import Claims, JobName
from element_facerhythm.fleet.job_progress import ClaimLost, JobProgress, Stopped
from element_facerhythm.fleet.job_queue import JobQueue
from element_facerhythm.fleet.reconnect import ReconnectingConnection, is_lost, is_transient
from element_facerhythm.pipeline.progress import use_progress
from element_facerhythm.pipeline.supervision import use_supervisor

logger = logging.getLogger(__name__)

MOST_INTERRUPTIONS = 100
"""Lost connections after which a job is tried again; the limit stops a statement that kills the server."""


@dataclass
class ResultKeeper:
    """Runs the computation of one job, and keeps its result until the rows are inserted.

    It is a `pipeline.supervision.Supervisor`. After the computation, which may take hours, it waits until the
    database answers, and makes sure that the job is still this worker's.
    """

    connection: ReconnectingConnection
    progress: JobProgress
    holds: Callable[[], bool]
    kept: tuple[tuple[Any, ...], Any] | None = None

    def compute(self, inputs: tuple[Any, ...], run: Callable[[], Any]) -> Any:
        """Return the result of `run()`, or the one that was kept for equal inputs.

        Parameters
        ----------
        inputs
            Name of the table, key, and what `make_fetch` returned.
        run
            The computation, without arguments; its errors pass through.

        Raises
        ------
        ClaimLost
            The job is another worker's by now.
        Stopped
            The worker was asked to stop before the result was ready, or while the database was unavailable.
        """
        if self.kept is None or self.kept[0] != inputs:
            try:
                self.progress.check()
                self.kept = (inputs, run())
            except Exception as error:
                if self.progress.lost.is_set():
                    raise ClaimLost from error
                raise
        stop = self.progress.stop
        if not self.connection.wait(stop.is_set, stop.wait):
            raise Stopped
        if not self.holds():
            raise ClaimLost
        return self.kept[1]


@dataclass(frozen=True)
class Result:
    """Outcome of an attempt.

    Attributes
    ----------
    error
        Why the rows are not there; None where nothing failed, also where there was nothing to do.
    made
        Whether it was, or may have been, this attempt that inserted the rows.
    """

    error: BaseException | None
    made: bool


@dataclass(frozen=True)
class Attempt:
    """A claimed job that is being done.

    Attributes
    ----------
    queue, job
        What is done.
    claims
        Of this worker.
    connection
        Of the connection that the tables use.
    progress
        Notified of the progress; raises `Stopped` and `ClaimLost`.
    """

    queue: JobQueue
    job: JobName
    claims: Claims
    connection: ReconnectingConnection
    progress: JobProgress

    def run(self) -> Result:
        """Populate the table with this key.

        A connection that is lost, or a statement that collided with another session's, is no failure: the
        rows are inserted again, without computing again.

        Raises
        ------
        Stopped, ClaimLost
        """
        keeper = ResultKeeper(self.connection, self.progress, lambda: self.claims.holds(self.job))
        for n_interruptions in range(MOST_INTERRUPTIONS):
            result = self._populate(keeper)
            error = result.error
            if error is None or not is_transient(error):
                # the answer to the commit may have been lost: the rows are then there already
                return Result(error, result.made or n_interruptions > 0)
            logger.warning("%s %s was interrupted (%s)", self.job.table, self.job.text, error)
            self.progress.stop.wait(min(0.1 * n_interruptions, 5))
            self._offer_again()
        return result

    def _populate(self, keeper: ResultKeeper) -> Result:
        try:
            with use_progress(self.progress), use_supervisor(keeper):
                result = self.queue.target.populate(
                    dict(self.job.key),
                    reserve_jobs=True,
                    refresh=False,
                    suppress_errors=True,
                    return_exception_objects=True,
                )
        except Exception as error:  # noqa: BLE001  judged by the caller
            return Result(error, made=False)
        errors = [error for _, error in result["error_list"]]
        return Result(errors[0] if errors else None, made=bool(result["success_count"]))

    def _offer_again(self) -> None:
        """Make the job pending, so that `populate` takes it, if it is still this worker's."""
        stop = self.progress.stop
        while True:
            if not self.connection.wait(stop.is_set, stop.wait):
                raise Stopped
            try:
                if not self.claims.holds(self.job):
                    raise ClaimLost
                self.queue.offer(self.job)
                return
            except Exception as error:
                if not is_lost(error):
                    raise
