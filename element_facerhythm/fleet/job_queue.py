"""DataJoint's job table of one populated table, as a queue."""

import copy
import logging
import uuid
from collections.abc import Mapping
from typing import Any

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.table_creation import declaring
from element_facerhythm.fleet.claims import JobName
from element_facerhythm.fleet.job_table import JobTable
from element_facerhythm.fleet.key_counts import keys_of
from element_facerhythm.fleet.tables import MAX_REASON

dj: Any = import_datajoint()

logger = logging.getLogger(__name__)

ROWS_PER_INSERT = 1000
KEYS_PER_DELETE = 200
PENDING, RESERVED, ERROR, IGNORE = "pending", "reserved", "error", "ignore"


class JobQueue:
    """The jobs of one table.

    Parameters
    ----------
    table
        A computed or imported table class.
    """

    def __init__(self, table: Any) -> None:
        self.name = table.__name__
        self.target = table()
        """One object for all statements: DataJoint reads headings anew for each."""
        self.jobs = JobTable(self.target)
        self.connection = self.jobs.connection

    def on(self, connection: Any) -> "JobQueue":
        """Return the same queue, its statements going over another connection."""
        other = copy.copy(self)
        other.connection = connection
        return other

    def provide(self) -> None:
        """Declare the job table where it is not there yet."""
        names = [self.jobs.table_name]
        with declaring(self.connection, self.jobs.database, names) as incomplete:
            if incomplete:
                self.jobs.declare()

    def job(self, key: Mapping[str, Any]) -> JobName:
        """Name the job of a key."""
        # the key of the queue, too, which need not be there yet
        return JobName(self.name, {name: key[name] for name in self.target.primary_key})

    def add_new(self) -> int:
        """Enter the keys that can be populated and are not in the queue; return their number.

        DataJoint's own `refresh` enters them one statement each, which takes minutes for tens of thousands.
        """
        self.provide()
        todo = keys_of(self.target) - self.target.proj()
        keys = todo.restrict(dj.Not(self.jobs), semantic_check=False).proj().keys()
        priority = dj.config.jobs.default_priority
        rows = [{**key, "status": PENDING, "priority": priority} for key in keys]
        for first in range(0, len(rows), ROWS_PER_INSERT):
            self.jobs.insert(rows[first : first + ROWS_PER_INSERT], skip_duplicates=True)
        return len(rows)

    def not_queued(self, key: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
        """Rows, as of the queue, of keys that can be populated and that no worker has entered there yet.

        Parameters
        ----------
        key
            Restriction of the keys, by their columns; empty for all.
        limit
            Number of rows at most; none are looked for where it is 0 or less.
        """
        todo = (keys_of(self.target) & dict(key)) - self.target.proj()
        if self.jobs.is_declared:
            todo = todo.restrict(dj.Not(self.jobs), semantic_check=False)
        usual = {
            "status": PENDING,
            "priority": dj.config.jobs.default_priority,
            "error_message": "",
        }
        keys = todo.proj().to_dicts(limit=limit) if limit > 0 else []
        return [{**row, **usual} for row in keys]

    def tidy(self) -> int:
        """Remove jobs whose key cannot be populated any more, and return their number.

        Their status does not matter; DataJoint's own `refresh` waits for an hour and keeps ignored ones. Only
        those that are reserved are left for an hour, to the process that reserved them.
        """
        hour_ago = f"CURRENT_TIMESTAMP(3) - {self.connection.adapter.interval_expr(3600, 'second')}"
        resting = self.jobs & f"status<>'{RESERVED}' OR reserved_time < {hour_ago}"
        gone = resting.restrict(dj.Not(keys_of(self.target)), semantic_check=False)
        # looked up first: a subquery of DELETE would lock the rows of the entries that it reads
        keys = gone.proj().keys()
        for first in range(0, len(keys), KEYS_PER_DELETE):
            chosen = keys[first : first + KEYS_PER_DELETE]
            (resting & chosen).delete_quick()
        if keys:
            logger.warning(
                "%d jobs of %s were removed: what they were for was deleted", len(keys), self.name
            )
        return len(keys)

    def candidates(self, limit: int) -> list[tuple[int, JobName]]:
        """Priority and name of jobs that can be done now, the most urgent first."""
        ready = self.jobs.pending & "scheduled_time <= CURRENT_TIMESTAMP(3)"
        rows = ready.proj("priority").to_dicts(
            order_by="priority ASC, scheduled_time ASC", limit=limit
        )
        return [(int(row["priority"]), self.job(row)) for row in rows]

    def n_waiting(self) -> int:
        """Jobs that are pending, now or at a later time, and whose key is still there."""
        return len(self.jobs.pending.restrict(keys_of(self.target), semantic_check=False))

    def is_due(self, job: JobName) -> bool:
        """Whether a job is there to be done now."""
        return bool(self.jobs.pending & dict(job.key) & "scheduled_time <= CURRENT_TIMESTAMP(3)")

    def is_gone(self, job: JobName) -> bool:
        """Whether a job can never be done, its key being none of those to populate (any more)."""
        return not keys_of(self.target) & dict(job.key)

    def is_done(self, job: JobName) -> bool:
        """Whether the rows of a job are in the table."""
        return bool(self.target & dict(job.key))

    def remove(self, job: JobName) -> None:
        """Remove a job from the queue."""
        where, values = self._row_of(job)
        self.connection.query(f"DELETE FROM {self.jobs.full_table_name} WHERE {where}", args=values)

    def offer(self, job: JobName, *, delay_s: float = 0, reason: str = "") -> None:
        """Make a job pending; nothing happens where it is not in the queue.

        Parameters
        ----------
        job
            The job.
        delay_s
            Seconds until it may be taken, rounded to whole ones.
        reason
            Why it is offered again, kept as its error message.
        """
        # one second ago where there is no delay, as rounding could put the present into the future
        later = self.connection.adapter.interval_expr(round(delay_s) or -1, "second")
        self._set(job, f"status='pending', scheduled_time=CURRENT_TIMESTAMP(3) + {later}", reason)

    def fail(self, job: JobName, reason: str) -> None:
        """Keep a job as failed.

        Parameters
        ----------
        job
            The job.
        reason
            Its error message, cut to `MAX_REASON` characters.
        """
        self._set(job, "status='error', completed_time=CURRENT_TIMESTAMP(3)", reason)

    def set_aside(self, job: JobName, reason: str) -> None:
        """Set a job aside: no worker tries it any more.

        Parameters
        ----------
        job
            The job.
        reason
            Its error message, cut to `MAX_REASON` characters.
        """
        self._set(job, "status='ignore', completed_time=CURRENT_TIMESTAMP(3)", reason)

    def prioritise(self, job: JobName, priority: int) -> None:
        """Set how urgent a job is.

        Parameters
        ----------
        job
            The job.
        priority
            Lower is more urgent.
        """
        self._update(job, "priority=%s", priority)

    def _set(self, job: JobName, assignments: str, reason: str) -> None:
        self._update(job, f"{assignments}, error_message=%s", reason[:MAX_REASON])

    def _update(self, job: JobName, assignments: str, value: Any) -> None:
        where, values = self._row_of(job)
        self.connection.query(
            f"UPDATE {self.jobs.full_table_name} SET {assignments} WHERE {where}",
            args=(value, *values),
        )

    def _row_of(self, job: JobName) -> tuple[str, tuple[Any, ...]]:
        """Condition on the row of a job, and the values that are bound in it."""
        quote = self.connection.adapter.quote_identifier
        columns = self.jobs.heading.attributes
        values = (
            # a name that was read back from JSON has it as text; MySQL keeps 16 bytes
            uuid.UUID(str(value)).bytes if columns[name].uuid else value
            for name, value in job.key.items()
        )
        return " AND ".join(f"{quote(name)}=%s" for name in job.key), tuple(values)
