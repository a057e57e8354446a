"""Tables are created by one process at a time.

Eight workers that start together on an empty server would otherwise all create what is missing. DataJoint 2.3
then fails in some of them (a schema that has just appeared, a deadlock on `~lineage`), and leaves others with
tables whose lineage they never saw, which they cannot join.
"""

import hashlib
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from element_facerhythm.connection import connect
from element_facerhythm.embedded import import_datajoint
from element_facerhythm.errors import ConfigurationError

logger = logging.getLogger(__name__)

LONGEST_WAIT_S = 600.0
"""For a process that creates tables: a server under load takes a minute."""
_BETWEEN_TRIES_S = 0.2


@contextmanager
def activating(schema: Any, schema_name: str) -> Iterator[None]:
    """Be the only process that activates a schema, where something is missing in it.

    Parameters
    ----------
    schema
        A `dj.Schema` whose classes are declared; nothing is done where it is active.
    schema_name
        Name that it gets on the database server.

    Raises
    ------
    ConfigurationError
        Another process has been at it for `LONGEST_WAIT_S`.
    """
    if schema.is_activated():
        yield
        return
    with declaring(connect(), schema_name, _table_names(schema)) as incomplete:
        yield
        if incomplete:
            _read_headings_anew(schema)


@contextmanager
def declaring(connection: Any, schema_name: str, table_names: Iterable[str]) -> Iterator[bool]:
    """Be the only process that declares tables of a schema, where one of `table_names` is missing.

    Yields whether one was; where all are there, nobody is waited for.

    Raises
    ------
    ConfigurationError
        Another process has been at it for `LONGEST_WAIT_S`.
    """
    if _are_declared(connection, schema_name, set(table_names)):
        yield False
        return
    take, give_back = _lock_statements(connection, schema_name)
    _wait_for(connection, take, schema_name)
    try:
        yield True
    finally:
        if connection.is_connected:  # else the server has taken the lock back
            connection.query(give_back)


def _table_names(schema: Any) -> Iterator[str]:
    """Yield the name of each table of the schema's classes, which may not be bound to a database yet."""
    from_camel_case = import_datajoint().utils.from_camel_case
    for cls, _ in schema.declare_list:
        yield cls.table_name
        for part in parts_of(cls):
            yield f"{cls.table_name}__{from_camel_case(part.__name__)}"


def _read_headings_anew(schema: Any) -> None:
    """Have headings read when they are next used.

    Where a process died between a table and its lineage, DataJoint has written the lineage now, and keeps the
    heading that it had read before that.
    """
    dj = import_datajoint()
    for cls, _ in schema.declare_list:
        for table in (cls, *parts_of(cls)):
            table._heading = dj.heading.Heading(table_info=table._heading.table_info)


def parts_of(cls: Any) -> Iterator[Any]:
    """Yield the part tables that a master's class defines."""
    part_class = import_datajoint().Part
    return (
        value
        for value in vars(cls).values()
        if isinstance(value, type) and issubclass(value, part_class)
    )


def _are_declared(connection: Any, schema_name: str, table_names: set[str]) -> bool:
    """Return whether tables exist with their lineage, the last thing that DataJoint writes of a new one."""
    existing = connection.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s",
        args=(schema_name,),
    ).fetchall()
    if not table_names | {"~lineage"} <= {name for (name,) in existing}:
        return False
    lineages = connection.adapter.make_full_table_name(schema_name, "~lineage")
    complete = connection.query(f"SELECT DISTINCT table_name FROM {lineages}").fetchall()
    return table_names <= {name for (name,) in complete}


def _lock_statements(connection: Any, schema_name: str) -> tuple[str, str]:
    """Return how to try for the lock, and how to give it back; it also ends with the connection."""
    digest = hashlib.sha256(schema_name.encode()).digest()
    if connection.adapter.backend == "mysql":
        name = f"'facerhythm.declare.{digest.hex()[:32]}'"  # at most 64 characters
        return f"SELECT GET_LOCK({name}, 0)", f"SELECT RELEASE_LOCK({name})"
    number = int.from_bytes(digest[:8], signed=True)
    return f"SELECT pg_try_advisory_lock({number})", f"SELECT pg_advisory_unlock({number})"


def _wait_for(connection: Any, take: str, schema_name: str) -> None:
    deadline = time.monotonic() + LONGEST_WAIT_S
    first = True
    while not connection.query(take).fetchone()[0]:
        if first:
            logger.info("another process creates the tables of %s; waiting for it", schema_name)
            first = False
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"another process has been creating the tables of {schema_name} for {LONGEST_WAIT_S:g} s; "
                "see what it waits for (SHOW PROCESSLIST on MySQL, pg_stat_activity on PostgreSQL), and try "
                "again"
            )
        time.sleep(_BETWEEN_TRIES_S)
