"""Progress of a populated table, counted by the server in one query.

DataJoint's own `table.progress()` does not count the queue, and numbers from successive queries may not add
up. Here every key is looked up in the table and in its queue, by primary key, at once.
"""

from dataclasses import dataclass
from inspect import getattr_static
from typing import Any


@dataclass(frozen=True)
class KeyCounts:
    """Keys of a table's key source by the state of their jobs; every key is counted once.

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


STATUSES = {"running": "reserved", "failed": "error", "set_aside": "ignore"}
"""Job statuses that are counted; what is left waits, a finished job whose row is gone again among it."""


def count_keys(table: Any) -> KeyCounts:
    """Count the keys of a populated table: done, running, failed, pending and set aside.

    Parameters
    ----------
    table : DataJoint table class
        Computed or imported, with one row for each key of its key source, as `make` writes them.

    Returns
    -------
    KeyCounts
        As of one moment. Jobs in the queue whose key has left the key source are in none of the numbers.
    """
    target = table()
    keys = keys_of(target)
    sql = _counting_sql(target, keys, queue_name(target))
    total, done, *by_status = map(int, target.connection.query(sql).fetchone())
    counts = dict(zip(STATUSES, by_status, strict=False))
    return KeyCounts(done=done, pending=total - done - sum(by_status), **counts)


def keys_of(target: Any) -> Any:
    """Return the keys of a populated table's key source, which may be given as a class."""
    source = target.key_source
    return (source() if isinstance(source, type) else source).proj()


def _counting_sql(target: Any, keys: Any, queue: str | None) -> str:
    """One statement that counts keys, rows, and jobs of each status."""
    quote = target.connection.adapter.quote_identifier

    def same(one: str, other: str) -> str:
        names = map(quote, keys.primary_key)
        return " AND ".join(f"{one}.{name} = {other}.{name}" for name in names)

    source = f"({keys.make_sql()}) AS k"
    rows = f"{target.full_table_name} AS t"
    done = f"SELECT COUNT(*) FROM {rows}"
    if _leaves_keys_out(target):
        done += f" JOIN {source} ON {same('k', 't')}"
    counts = [f"SELECT COUNT(*) FROM {source}", done]
    for status in STATUSES.values() if queue else ():
        counts.append(
            f"SELECT COUNT(*) FROM {queue} AS j WHERE j.status = '{status}' "
            f"AND EXISTS (SELECT 1 FROM {source} WHERE {same('k', 'j')}) "
            f"AND NOT EXISTS (SELECT 1 FROM {rows} WHERE {same('t', 'j')})"
        )
    return f"SELECT {', '.join(f'({count})' for count in counts)}"


def _leaves_keys_out(target: Any) -> bool:
    """Return whether the table has a key source of its own.

    DataJoint's is the join of the table's parents: each row has its key there, since foreign keys say so.
    """
    from datajoint.autopopulate import AutoPopulate

    used = getattr_static(type(target), "key_source")
    return used is not getattr_static(AutoPopulate, "key_source")


def queue_name(target: Any) -> str | None:
    """Quoted name of the queue of a table; None where there is none yet.

    `target.jobs` would declare it, which read-only accounts may not.
    """
    from element_facerhythm.database.datajoint import import_datajoint

    name = f"~~{target.table_name.lstrip('_')}"
    full_name = target.connection.adapter.make_full_table_name(target.database, name)
    queue = import_datajoint().FreeTable(target.connection, full_name)
    return full_name if queue.is_declared else None
