"""DataJoint's job table of one populated table, as a queue."""

import copy
import logging
from collections.abc import Mapping
from typing import Any

from element_facerhythm.declaration import declaring
from element_facerhythm.embedded import import_datajoint
from element_facerhythm.fleet.claims import JobName, key_columns
from element_facerhythm.fleet.tables import MAX_REASON
from element_facerhythm.key_counts import keys_of

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
        self.jobs = dj.Job(self.target)
        self.connection = self.jobs.connection

    def on(self, connection: Any) -> "JobQueue":
        """Give the same queue, its statements going over another connection."""
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
        return JobName(self.name, {name: key[name] for name in self.jobs.primary_key})

    def add_new(self) -> int:
        """Enter the keys that can be populated and are not in the queue; give their number.

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

    def tidy(self) -> int:
        """Remove jobs whose key cannot be populated any more, and give their number.

        Whatever their status; DataJoint's own `refresh` waits for an hour and keeps ignored ones. Only those
        that are reserved are left for an hour, to the process that reserved them.
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
        """Take a job out of the queue."""
        where, values = key_columns(self.connection, job.key)
        self.connection.query(
            f"DELETE FROM {self.jobs.full_table_name} WHERE {where}", args=tuple(values)
        )

    def offer(self, job: JobName, *, delay_s: float = 0, reason: str = "") -> None:
        """Make a job pending, from so many seconds on; nothing happens where it is not in the queue."""
        # a second ago where there is no delay: rounding must not put it into the future
        later = self.connection.adapter.interval_expr(round(delay_s) or -1, "second")
        self._set(job, f"status='pending', scheduled_time=CURRENT_TIMESTAMP(3) + {later}", reason)

    def fail(self, job: JobName, reason: str) -> None:
        """Keep a job as failed."""
        self._set(job, "status='error', completed_time=CURRENT_TIMESTAMP(3)", reason)

    def set_aside(self, job: JobName, reason: str) -> None:
        """Let no worker try a job any more."""
        self._set(job, "status='ignore', completed_time=CURRENT_TIMESTAMP(3)", reason)

    def prioritise(self, job: JobName, priority: int) -> None:
        """Set how urgent a job is; lower is more urgent."""
        self._update(job, "priority=%s", priority)

    def _set(self, job: JobName, assignments: str, reason: str) -> None:
        self._update(job, f"{assignments}, error_message=%s", reason[:MAX_REASON])

    def _update(self, job: JobName, assignments: str, value: Any) -> None:
        where, values = key_columns(self.connection, job.key)
        self.connection.query(
            f"UPDATE {self.jobs.full_table_name} SET {assignments} WHERE {where}",
            args=(value, *values),
        )
