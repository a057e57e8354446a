"""Claims of workers on jobs, in the database, made and ended with plain statements.

Every function works on any connection: a worker's main thread uses DataJoint's own, its heartbeat another
one. A claim is one row of `ActiveJob`; its primary key lets one worker have it.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.fleet.job_outcomes import COUNT_ANEW, LOST, RESET, RETRY
from element_facerhythm.fleet.tables import MAX_REASON, ActiveJob, JobAttempt, Worker

dj: Any = import_datajoint()


@dataclass(frozen=True)
class JobName:
    """A table and a key of it."""

    table: str
    key: Mapping[str, Any] = field(hash=False)

    @cached_property
    def text(self) -> str:
        """The key as JSON."""
        return json.dumps(dict(self.key), sort_keys=True, default=str)

    @cached_property
    def job_id(self) -> str:
        """Digest of the key."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Progress:
    """Progress of a job, as in its row of `ActiveJob`."""

    stage: str = ""
    n_done: int | None = None
    n_total: int | None = None
    unit: str = ""
    rate_per_s: float | None = None

    @property
    def percent(self) -> float | None:
        """Part of the stage that is done."""
        if self.n_done is None or not self.n_total:
            return None
        return 100.0 * min(self.n_done / self.n_total, 1.0)

    @property
    def seconds_left(self) -> float | None:
        """Time that the rest of the stage takes at this rate."""
        if self.n_done is None or not self.n_total or not self.rate_per_s:
            return None
        return max(self.n_total - self.n_done, 0) / self.rate_per_s


@dataclass(frozen=True)
class History:
    """Attempts at a job since it was last reset, or its key deleted."""

    last_attempt: int
    n_retries: int
    n_lost: int


def utc_now(connection: Any) -> str:
    """Return the SQL for the server's time in UTC."""
    if connection.adapter.backend == "mysql":
        return "UTC_TIMESTAMP(3)"
    return "(CURRENT_TIMESTAMP(3) AT TIME ZONE 'UTC')"


class Claims:
    """Claims of one worker, on one connection.

    Parameters
    ----------
    connection
        A `dj.Connection`.
    worker_id
        The worker that claims.
    """

    def __init__(self, connection: Any, worker_id: str) -> None:
        self.connection = connection
        self.worker_id = worker_id
        self._now = utc_now(connection)
        self._worker, self._active, self._attempts = (
            table.full_table_name for table in (Worker, ActiveJob, JobAttempt)
        )

    # ---------------------------------------------------------------- this worker

    def register(self, facts: Mapping[str, Any]) -> None:
        """Enter this worker, unless an earlier try did so and its answer was lost."""
        names = ", ".join(facts)
        marks = ", ".join(["%s"] * len(facts))
        with suppress(dj.errors.DuplicateError):
            self._run(
                f"INSERT INTO {self._worker} (worker_id, state, worker_started_time, heartbeat_time, "
                f"{names}) VALUES (%s, 'idle', {self._now}, {self._now}, {marks})",
                self.worker_id,
                *facts.values(),
            )

    def beat(self, state: str, n_done: int, n_failed: int) -> None:
        """Write a heartbeat: the time by the server's clock, and what this worker has done so far.

        Parameters
        ----------
        state
            `idle`, `working` or `stopped`.
        n_done, n_failed
            Jobs since the worker started.
        """
        self._run(
            f"UPDATE {self._worker} SET heartbeat_time={self._now}, state=%s, n_jobs_done=%s, "
            "n_jobs_failed=%s WHERE worker_id=%s",
            state,
            n_done,
            n_failed,
            self.worker_id,
        )

    # ---------------------------------------------------------------- claims

    def take(self, job: JobName) -> History | None:
        """Claim a job; None where another worker has it, else what was tried before."""
        try:
            self._run(
                f"INSERT INTO {self._active} (active_table, active_job_id, active_job_key, worker_id, "
                "current_attempt, claimed_time, progress_time) "
                f"VALUES (%s, %s, %s, %s, 1, {self._now}, {self._now})",
                job.table,
                job.job_id,
                job.text,
                self.worker_id,
            )
        except dj.errors.DuplicateError:
            # the row may be this worker's own, where the answer to its claim was lost
            if not self.holds(job):
                return None
        # read after the claim: before it, another worker could have added an attempt
        history = self.history(job)
        if history.last_attempt:
            self._run(
                f"UPDATE {self._active} SET current_attempt=%s "
                "WHERE active_table=%s AND active_job_id=%s",
                history.last_attempt + 1,
                job.table,
                job.job_id,
            )
        return history

    def history(self, job: JobName) -> History:
        """Count what was tried since the last reset, or since the key was deleted."""
        rows = self._run(
            f"SELECT attempt, outcome FROM {self._attempts} WHERE table_name=%s AND job_id=%s "
            "ORDER BY attempt",
            job.table,
            job.job_id,
        ).fetchall()
        outcomes: list[str] = []
        for _, outcome in rows:
            outcomes = [] if outcome in COUNT_ANEW else [*outcomes, outcome]
        last = int(rows[-1][0]) if rows else 0
        return History(last, outcomes.count(RETRY), outcomes.count(LOST))

    def record_progress(self, job: JobName, progress: Progress) -> bool:
        """Write how far a job is; False where it is not this worker's any more.

        Parameters
        ----------
        job
            A job that this worker has claimed.
        progress
            Its stage, and what of it is done.
        """
        cursor = self._run(
            f"UPDATE {self._active} SET current_stage=%s, n_done=%s, n_total=%s, unit=%s, percent=%s, "
            f"rate_per_s=%s, seconds_left=%s, progress_time={self._now} "
            "WHERE active_table=%s AND active_job_id=%s AND worker_id=%s",
            progress.stage,
            progress.n_done,
            progress.n_total,
            progress.unit,
            progress.percent,
            progress.rate_per_s,
            progress.seconds_left,
            job.table,
            job.job_id,
            self.worker_id,
        )
        # a server may count changed rows only, and two reports within a millisecond change nothing
        return bool(cursor.rowcount) or self.holds(job)

    def holds(self, job: JobName) -> bool:
        """Whether a job is this worker's."""
        cursor = self._run(
            f"SELECT 1 FROM {self._active} "
            "WHERE active_table=%s AND active_job_id=%s AND worker_id=%s",
            job.table,
            job.job_id,
            self.worker_id,
        )
        return cursor.fetchone() is not None

    def end(self, job: JobName, outcome: str, *, stage: str = "", reason: str = "") -> bool:
        """End a claim and record the outcome of the attempt; False where it was not this worker's.

        Inside a transaction of the caller, or as one of its own.

        Parameters
        ----------
        job
            The job that was claimed.
        outcome
            One of `DONE`, `FAILED`, `RETRY`, `GIVEN_BACK`, `LOST` and `GONE`.
        stage
            The last stage that the attempt was in; empty where it is not known.
        reason
            Why it ended; cut to `MAX_REASON` characters.
        """
        return self.end_of(self.worker_id, job, outcome, stage=stage, reason=reason)

    def end_of(
        self, worker_id: str, job: JobName, outcome: str, *, stage: str = "", reason: str = ""
    ) -> bool:
        """End the claim of any worker, and record the outcome of the attempt; False where it has none.

        Parameters
        ----------
        worker_id
            The worker whose claim it is.
        job, outcome, stage, reason
            As of `end`.
        """
        if not self.connection.in_transaction:
            with self.connection.transaction:
                return self.end_of(worker_id, job, outcome, stage=stage, reason=reason)
        where = "WHERE active_table=%s AND active_job_id=%s AND worker_id=%s"
        names = (job.table, job.job_id, worker_id)
        found = self._run(
            f"SELECT claimed_time FROM {self._active} {where} FOR UPDATE", *names
        ).fetchone()
        if found is None:
            return False
        attempt = self.history(job).last_attempt + 1
        self._run(f"DELETE FROM {self._active} {where}", *names)
        self._remember(job, attempt, outcome, reason, worker_id, found[0], stage)
        return True

    def drop(self, job: JobName) -> None:
        """End a claim without recording an attempt: there was nothing to do."""
        self._run(
            f"DELETE FROM {self._active} "
            "WHERE active_table=%s AND active_job_id=%s AND worker_id=%s",
            job.table,
            job.job_id,
            self.worker_id,
        )

    def reset(self, job: JobName, who: str) -> None:
        """Make earlier attempts at a job no longer count.

        Parameters
        ----------
        job
            The job; it need not be claimed.
        who
            Name of the person who asks for it, kept in the reason.
        """
        self._remember(job, self.history(job).last_attempt + 1, RESET, f"reset by {who}")

    def _remember(
        self,
        job: JobName,
        attempt: int,
        outcome: str,
        reason: str,
        worker_id: str = "",
        started_time: Any = None,
        stage: str = "",
    ) -> None:
        self._run(
            f"INSERT INTO {self._attempts} (table_name, job_id, attempt, job_key, attempt_worker_id, "
            "started_time, ended_time, outcome, last_stage, reason) "
            f"VALUES (%s, %s, %s, %s, %s, COALESCE(%s, {self._now}), {self._now}, %s, %s, %s)",
            job.table,
            job.job_id,
            attempt,
            job.text,
            worker_id,
            started_time,
            outcome,
            stage,
            reason[:MAX_REASON],
        )

    # ---------------------------------------------------------------- other workers

    def watched_workers(self) -> dict[str, tuple[Any, float]]:
        """Last heartbeat, and lease in seconds, of every other worker that is present or has jobs.

        Those that were stopped or lost are not read, however many there are: an index leads to the others.
        """
        present = f"SELECT worker_id FROM {self._worker} WHERE state IN ('idle', 'working')"
        rows = self._run(
            f"SELECT w.worker_id, w.heartbeat_time, w.lease_s FROM {self._worker} AS w JOIN "
            f"({present} UNION SELECT worker_id FROM {self._active}) AS p ON p.worker_id=w.worker_id "
            "WHERE w.worker_id<>%s",
            self.worker_id,
        ).fetchall()
        return {row[0]: (row[1], float(row[2])) for row in rows}

    def held_by_others(self) -> list[tuple[str, JobName]]:
        """List every other worker's claims: the worker and the job."""
        rows = self._run(
            f"SELECT worker_id, active_table, active_job_key FROM {self._active} WHERE worker_id<>%s",
            self.worker_id,
        ).fetchall()
        return [(row[0], JobName(row[1], as_key(row[2]))) for row in rows]

    def jobs_of(self, worker_id: str) -> list[tuple[JobName, Progress]]:
        """List what a worker has claimed, and how far it was."""
        rows = self._run(
            "SELECT active_table, active_job_key, current_stage, n_done, n_total, unit "
            f"FROM {self._active} WHERE worker_id=%s",
            worker_id,
        ).fetchall()
        return [(JobName(row[0], as_key(row[1])), Progress(*row[2:])) for row in rows]

    def describe(self, worker_id: str) -> str:
        """Where a worker ran."""
        row = self._run(
            f"SELECT host, pid FROM {self._worker} WHERE worker_id=%s", worker_id
        ).fetchone()
        return f"worker {worker_id}" + (f" (process {row[1]} on {row[0]})" if row else "")

    def mark_lost(self, worker_id: str) -> None:
        """Record that a worker is lost, once it has no jobs any more.

        The next heartbeat of one that was only frozen changes that; one that stopped stays so.
        """
        self._run(
            f"UPDATE {self._worker} SET state='lost' WHERE worker_id=%s AND state IN ('idle', 'working') "
            f"AND NOT EXISTS (SELECT 1 FROM {self._active} AS a WHERE a.worker_id=%s)",
            worker_id,
            worker_id,
        )

    def _run(self, statement: str, *values: Any) -> Any:
        return self.connection.query(statement, args=values)


def as_key(value: Any) -> Mapping[str, Any]:
    """Return the key of a JSON column, which drivers return as text or parsed."""
    return dict(json.loads(value) if isinstance(value, str | bytes) else value)
