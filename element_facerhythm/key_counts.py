"""How far a populated table is, counted by the server in one query.

DataJoint's own `table.progress()` knows nothing of the queue, so that numbers taken one after the other may
not fit each other. Here every key is looked up in the table and in its queue, by primary key, at once.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KeyCounts:
    """Keys of a table's key source by what has become of them; every key is counted once.

    Attributes
    ----------
    done
        Has its row in the table.
    running
        Reserved by a worker.
    failed
        Its job ended with an error.
    pending
        Waits: in the queue, or not entered there yet.
    set_aside
        Its job has the status `ignore`: no worker takes it.
    """

    done: int = 0
    running: int = 0
    failed: int = 0
    pending: int = 0
    set_aside: int = 0

    @property
    def total(self) -> int:
        """Keys of the key source."""
        return self.done + self.running + self.failed + self.pending + self.set_aside


FIELD_OF_STATUS = {"reserved": "running", "error": "failed", "ignore": "set_aside"}
"""Job statuses that are not `pending`; a finished job whose row is gone waits to be done again."""


def count_keys(table: Any) -> KeyCounts:
    """Count the keys of a populated table: done, running, failed, pending and set aside.

    Parameters
    ----------
    table : DataJoint table class
        Computed or imported, with one row for each key of its key source, as `make` writes them.

    Returns
    -------
    KeyCounts
        Jobs in the queue whose key has left the key source are in none of the numbers.
    """
    target = table()
    source = target.key_source
    keys = (source() if isinstance(source, type) else source).proj()
    quote = target.connection.adapter.quote_identifier

    def joined(alias: str, sql: str) -> str:
        on = " AND ".join(f"k.{quote(name)} = {alias}.{quote(name)}" for name in keys.primary_key)
        return f"LEFT JOIN {sql} AS {alias} ON {on}"

    queue = queue_name(target)
    has_row = f"t.{quote(keys.primary_key[0])} IS NOT NULL"
    status = "NULL" if queue is None else "j.status"
    rows = target.connection.query(
        f"SELECT {has_row} AS done, {status} AS status, COUNT(*) AS n FROM ({keys.make_sql()}) AS k "
        f"{joined('t', target.full_table_name)} {'' if queue is None else joined('j', queue)} "
        "GROUP BY 1, 2"
    ).fetchall()
    counts: dict[str, int] = {}
    for done, job_status, n in rows:
        field = "done" if done else FIELD_OF_STATUS.get(job_status, "pending")
        counts[field] = counts.get(field, 0) + int(n)
    return KeyCounts(**counts)


def queue_name(target: Any) -> str | None:
    """Quoted name of the queue of a table; None where there is none yet.

    `target.jobs` would declare it, which whoever may only read cannot do.
    """
    from element_facerhythm.embedded import import_datajoint

    name = f"~~{target.table_name.lstrip('_')}"
    full_name = target.connection.adapter.make_full_table_name(target.database, name)
    queue = import_datajoint().FreeTable(target.connection, full_name)
    return full_name if queue.is_declared else None
