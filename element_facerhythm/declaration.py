"""Tables are created by one process at a time.

Eight workers that start together on an empty server would otherwise all create what is missing. DataJoint 2.3
then fails in some of them (a schema that has just appeared, a deadlock on `~lineage`), and leaves others with
tables whose lineage they never saw, which they cannot join.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from element_facerhythm.connection import close, connect, is_collision, open_second
from element_facerhythm.embedded import import_datajoint
from element_facerhythm.errors import ConfigurationError

logger = logging.getLogger(__name__)

LONGEST_WAIT_S = 600.0
"""For a process that creates tables: a server under load takes a minute."""
LOCK_TABLE = "~table_creation"
"""Table of one row in each schema, whose lock a process holds while it creates others there."""
_BETWEEN_TRIES_S = 0.2


@contextmanager
def activating(
    schema: Any, schema_name: str, *, create_schema: bool = True, create_tables: bool = True
) -> Iterator[None]:
    """Be the only process that activates a schema, where something is missing in it.

    Parameters
    ----------
    schema
        A `dj.Schema` whose classes are declared; nothing is done where it is active.
    schema_name
        Name that it gets on the database server.
    create_schema, create_tables
        What the caller lets DataJoint create.

    Raises
    ------
    ConfigurationError
        Another process has been at it for `LONGEST_WAIT_S`.
    """
    if schema.is_activated() or not create_tables:
        yield
        return
    names = _table_names(schema)
    with declaring(connect(), schema_name, names, create_schema=create_schema) as incomplete:
        yield
        if incomplete:
            _read_headings_anew(schema)


@contextmanager
def declaring(
    connection: Any, schema_name: str, table_names: Iterable[str], *, create_schema: bool = True
) -> Iterator[bool]:
    """Be the only process that declares tables of a schema, where one of `table_names` is missing.

    Yields whether one was; where all are there, nobody is waited for.

    Parameters
    ----------
    connection
        Of the tables.
    schema_name, table_names
        Names on the database server.
    create_schema
        Whether the schema is created where it is missing, too.

    Raises
    ------
    ConfigurationError
        Another process has been at it for `LONGEST_WAIT_S`.
    """
    if _are_declared(connection, schema_name, set(table_names)):
        yield False
        return
    with _alone(connection, schema_name, create_schema):
        yield True


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


@contextmanager
def _alone(connection: Any, schema_name: str, create_schema: bool) -> Iterator[None]:
    """Hold the lock of a schema: a row of a table of its own, which no role may even read.

    Locks by name (`GET_LOCK`, advisory ones) can be had by every account, and kept. The lock ends with its
    connection, however its process ends. An account that may not create the lock's table may create no other,
    so it has nobody to wait for.
    """
    second = open_second(connection)
    try:
        if second.adapter.backend == "mysql":
            second.query(
                f"SET SESSION innodb_lock_wait_timeout=1, wait_timeout={2 * LONGEST_WAIT_S:.0f}"
            )
        with suppress(import_datajoint().errors.AccessError):
            _wait_for(lambda: _lock(second, schema_name, create_schema), schema_name)
        yield
    finally:
        close(second)


def _lock(second: Any, schema_name: str, create_schema: bool) -> bool:
    """Try for the lock; False where another process has it, or is just making its table."""
    errors = import_datajoint().errors
    table = second.adapter.make_full_table_name(schema_name, LOCK_TABLE)
    try:
        if not _has_schema(second, schema_name):
            if not create_schema:
                return True  # there is nothing to lock, as DataJoint will say
            _create_schema(second, schema_name)
        second.query(f"CREATE TABLE IF NOT EXISTS {table} (number int NOT NULL PRIMARY KEY)")
        if not second.query(f"SELECT number FROM {table}").fetchall():
            second.query(f"INSERT INTO {table} (number) VALUES (1)")
        second.start_transaction()
        second.query(f"SELECT number FROM {table} FOR UPDATE NOWAIT")
        return True
    except Exception as error:
        if second.in_transaction:
            second.cancel_transaction()
        # PostgreSQL says "duplicate" of a schema or table that two create at once, IF NOT EXISTS or not
        if is_collision(error) or isinstance(error, errors.DuplicateError):
            return False
        raise


def _create_schema(connection: Any, schema_name: str) -> None:
    try:
        connection.query(connection.adapter.create_schema_sql(schema_name))
    except Exception:
        if not _has_schema(connection, schema_name):  # else another process was faster
            raise


def _has_schema(connection: Any, schema_name: str) -> bool:
    found = connection.query(
        "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", args=(schema_name,)
    )
    return found.fetchone() is not None


def _wait_for(lock: Callable[[], bool], schema_name: str) -> None:
    deadline = time.monotonic() + LONGEST_WAIT_S
    first = True
    while not lock():
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
