"""The end of an attempt at a job: written into the queue and the tables of the fleet in one transaction."""

import logging
from dataclasses import dataclass
from typing import Any

from element_facerhythm.database.worker_options import RetryPolicy
from element_facerhythm.errors import ProcessingError
from element_facerhythm.fleet.attempt import Result
from element_facerhythm.fleet.claims import Claims, History, JobName
from element_facerhythm.fleet.job_outcomes import DONE, FAILED, GIVEN_BACK, GONE
from element_facerhythm.fleet.job_queue import JobQueue
from element_facerhythm.fleet.retry_policy import GONE_REASON, in_one_line, judge

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One job that was tried: the table, its key, the outcome, and the error where it failed."""

    table: str
    key: dict[str, Any]
    outcome: str
    error: str | None = None


@dataclass(frozen=True)
class Conclusion:
    """Ends a claim of this worker.

    Attributes
    ----------
    claims
        Of this worker, on the connection of whichever thread ends the job.
    queue
        Of the job's table.
    job
        What was tried.
    stage
        What was being computed in the end.
    """

    claims: Claims
    queue: JobQueue
    job: JobName
    stage: str

    def conclude(self, history: History, result: Result, policy: RetryPolicy) -> Job | None:
        """Record the outcome of an attempt; None where there was nothing to do.

        Parameters
        ----------
        history
            Attempts before this one.
        result
            How the attempt ended.
        policy
            How often a job is tried.
        """
        if self.queue.is_done(self.job):
            return self._complete(result)
        if self.queue.is_gone(self.job):
            return self._forget()
        if result.error is not None:
            return self._retry_or_fail(history, result.error, policy)
        if self.queue.is_due(self.job):  # else another worker has taken it
            error = ProcessingError(
                f"{self.job.table} {self.job.text} is pending, and DataJoint's populate() does not find it"
            )
            return self._retry_or_fail(history, error, policy)
        self.claims.drop(self.job)
        return None

    def requeue(self) -> Job:
        """Offer the job again, since its worker was asked to stop."""
        with self.claims.connection.transaction:
            if self._end(GIVEN_BACK, "its worker was asked to stop"):
                self.queue.offer(self.job)
        logger.warning("%s %s was under way and is requeued", self.job.table, self.job.text)
        return self._job(GIVEN_BACK)

    def _complete(self, result: Result) -> Job | None:
        with self.claims.connection.transaction:
            self.queue.remove(self.job)
            if result.made:
                self._end(DONE)
            else:
                self.claims.drop(self.job)
        return self._job(DONE) if result.made else None

    def _forget(self) -> Job:
        """Remove the job, and with it all others of its table whose key is gone."""
        with self.claims.connection.transaction:
            if self._end(GONE, GONE_REASON):
                self.queue.remove(self.job)
        self.queue.tidy()
        return self._job(GONE, GONE_REASON)

    def _retry_or_fail(self, history: History, error: BaseException, policy: RetryPolicy) -> Job:
        reason = in_one_line(error)
        verdict = judge(error, history, policy)
        with self.claims.connection.transaction:
            if self._end(verdict.outcome, reason):
                if verdict.outcome == FAILED:
                    self.queue.fail(self.job, reason)
                else:
                    self.queue.offer(self.job, delay_s=verdict.delay_s, reason=reason)
        return self._job(verdict.outcome, reason)

    def _end(self, outcome: str, reason: str = "") -> bool:
        return self.claims.end(self.job, outcome, stage=self.stage, reason=reason)

    def _job(self, outcome: str, error: str | None = None) -> Job:
        return Job(self.job.table, dict(self.job.key), outcome, error)
