"""Jobs of dead workers: requeued, or set aside where they keep killing workers.

Jobs whose key was deleted meanwhile are removed.
"""

import logging
from collections.abc import Iterable, Mapping

from element_facerhythm.database.worker_options import RetryPolicy
from element_facerhythm.fleet.claims import Claims, JobName, Progress
from element_facerhythm.fleet.job_outcomes import GONE, LOST
from element_facerhythm.fleet.job_queue import JobQueue
from element_facerhythm.fleet.retry_policy import GONE_REASON, set_aside_reason

logger = logging.getLogger(__name__)


def requeue_lost(
    claims: Claims, queues: Mapping[str, JobQueue], silent: Iterable[str], policy: RetryPolicy
) -> None:
    """End the claims of silent workers, and requeue their jobs.

    Parameters
    ----------
    claims
        Of the worker that does it.
    queues
        By the name of the table; jobs of other tables are left to workers that know them.
    silent
        Workers that are lost.
    policy
        How many workers may die on a job.
    """
    for worker_id in silent:
        jobs = [(job, at) for job, at in claims.jobs_of(worker_id) if job.table in queues]
        where = claims.describe(worker_id) if jobs else ""
        for job, progress in jobs:
            _requeue_one(claims, queues[job.table], worker_id, job, policy, where + _at(progress))
        claims.mark_lost(worker_id)


def _requeue_one(
    claims: Claims, queue: JobQueue, worker_id: str, job: JobName, policy: RetryPolicy, where: str
) -> None:
    with claims.connection.transaction:
        gone = queue.is_gone(job)
        reason = f"{where} was lost" + (f"; {GONE_REASON}" if gone else "")
        if not claims.end_of(worker_id, job, GONE if gone else LOST, reason=reason):
            return  # another worker was faster, or the silent one is alive after all
        n_lost = claims.history(job).n_lost
        if gone or queue.is_done(job):
            queue.remove(job)
        elif n_lost >= policy.max_tries:
            queue.set_aside(job, set_aside_reason(n_lost, where))
        else:
            queue.offer(job)
    logger.warning("%s %s was taken from %s, which was lost", job.table, job.text, where)


def _at(progress: Progress) -> str:
    """Stage and share of its job that a worker had reached."""
    stage = f" at {progress.stage}" if progress.stage else ""
    return stage + (f", {progress.percent:.0f} %" if progress.percent is not None else "")
