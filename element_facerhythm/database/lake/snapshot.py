"""Rows of many tables as they are at one moment, read in batches."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pymysql.cursors import SSCursor

from element_facerhythm.database.connection import close, open_second

_BEGIN = (
    "SET time_zone = '+00:00'",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)


class Snapshot:
    """A transaction that reads only, beside the process's own connection.

    Parameters
    ----------
    connection : datajoint.Connection
        Whose server and account are taken.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.adapter = connection.adapter
        self._raw = connection._conn
        if self.adapter.backend == "postgresql":
            self._raw.set_session(
                isolation_level="REPEATABLE READ", readonly=True, autocommit=False
            )
            return
        with self._raw.cursor() as cursor:
            for statement in _BEGIN:
                cursor.execute(statement)

    def batches(self, query: str, n_rows: int) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield the rows of a query, `n_rows` at a time; the server keeps the rest.

        Parameters
        ----------
        query
            Statement without parameters.
        n_rows
            The most rows at once.
        """
        on_mysql = self.adapter.backend == "mysql"
        with self._raw.cursor(SSCursor) if on_mysql else self._raw.cursor("lake") as cursor:
            cursor.execute(query)
            while rows := cursor.fetchmany(n_rows):
                yield rows

    def tables(self, schema_name: str) -> list[str]:
        """Names of the tables of a schema: the lab's and this package's, and queues of jobs.

        Tables that DataJoint and this package keep for themselves (`~lineage`) are not among them.
        """
        query = (
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_type = 'BASE TABLE' AND table_schema = %s ORDER BY table_name"
        )
        with self._raw.cursor() as cursor:
            cursor.execute(query, (schema_name,))
            names = [str(name) for (name,) in cursor.fetchall()]
        return [name for name in names if not name.startswith("~") or name.startswith("~~")]


@contextmanager
def snapshot_of(connection: Any) -> Iterator[Snapshot]:
    """Open a snapshot beside a connection, and end it.

    Parameters
    ----------
    connection
        DataJoint connection.
    """
    second = open_second(connection)
    try:
        yield Snapshot(second)
    finally:
        close(second)
