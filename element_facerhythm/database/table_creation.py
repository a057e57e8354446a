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

from element_facerhythm.database.connection import close, connect, is_collision, open_second
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.schema_version import record_version, require_version, tables_there
from element_facerhythm.errors import ConfigurationError

logger = logging.getLogger(__name__)

LONGEST_WAIT_S = 600.0
"""For a process that creates tables: a server under load takes a minute."""
LOCK_TABLE = "~table_creation"
"""Table of one row in each schema, whose lock a process holds while it creates others there."""
_BETWEEN_TRIES_S = 0.2


_binding_only = False


@contextmanager
def binding_only() -> Iterator[None]:
    """Bind classes to schemas as they are: nothing is created meanwhile, and no version is asked for.

    Classes of a schema that is not there stay unbound.
    """
    global _binding_only
    _binding_only = True
    try:
        yield
    finally:
        _binding_only = False


def only_binds() -> bool:
    """Whether classes are only bound to schemas as they are, whatever is there."""
    return _binding_only


@contextmanager
def activating(
    schema: Any,
    schema_name: str,
    *,
    create_schema: bool | None = None,
    create_tables: bool | None = None,
    module: str | None = None,
) -> Iterator[dict[str, bool]]:
    """Hold a lock while a schema is activated, where something is missing in it.

    Yields what DataJoint may create, as the arguments of `activate`.

    Parameters
    ----------
    schema
        A `dj.Schema` whose classes are declared; nothing is done where it is active.
    schema_name
        Name that it gets on the database server.
    create_schema, create_tables
        What the caller lets DataJoint create; None: as its own `database.create_tables` says.
    module
        Module of this package whose tables these are; None where they are others' and have no version.

    Raises
    ------
    ConfigurationError
        Another process has been creating tables for `LONGEST_WAIT_S`, or they are of another version.
    """
    if _binding_only:
        try:
            yield {"create_schema": False, "create_tables": False}
        except import_datajoint().errors.DataJointError:
            if schema_exists(connect(), schema_name):
                raise
        return
    flags = _creation_flags(create_schema, create_tables)
    if schema.is_activated():
        yield flags
        return
    connection, names = connect(), set(_table_names(schema))
    if module is not None:
        require_version(connection, schema_name, module, names)
    if not flags["create_tables"]:
        yield flags
        return
    with declaring(
        connection, schema_name, names, create_schema=flags["create_schema"]
    ) as incomplete:
        if incomplete and module is not None:
            _begin_version(connection, schema_name, module, names)
        yield flags
        if incomplete:
            read_headings_anew(schema)


def _begin_version(connection: Any, schema_name: str, module: str, table_names: set[str]) -> None:
    """Record of which version the tables are that are about to be created, where there are none yet.

    It is written first: if this process dies while it creates the tables, those that exist have a version.
    """
    if require_version(connection, schema_name, module, table_names):
        return  # some are there already, and another process may just have made them
    if schema_exists(connection, schema_name):
        record_version(connection, schema_name, module)


@contextmanager
def declaring(
    connection: Any, schema_name: str, table_names: Iterable[str], *, create_schema: bool = True
) -> Iterator[bool]:
    """Hold a lock while tables of a schema are declared, where one of `table_names` is missing.

    Yields whether one was; where all are there, no lock is taken.

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
        Another process has been creating tables for `LONGEST_WAIT_S`.
    """
    if _are_declared(connection, schema_name, set(table_names)):
        yield False
        return
    with alone(connection, schema_name, create_schema):
        yield True


def _creation_flags(create_schema: bool | None, create_tables: bool | None) -> dict[str, bool]:
    """Arguments of an Element's `activate`: the caller's, else DataJoint's own setting."""
    switch = bool(import_datajoint().config.database.create_tables)
    return {
        "create_schema": switch if create_schema is None else create_schema,
        "create_tables": switch if create_tables is None else create_tables,
    }


def missing_tables(connection: Any, schema: Any) -> list[str]:
    """Names of tables of an activated schema's classes that are not in the database, in their order.

    Parameters
    ----------
    connection
        DataJoint connection; on MySQL its account sees only tables that it has a right on.
    schema
        A `dj.Schema`, activated.
    """
    existing = tables_there(connection, schema.database)
    return [name for name in _table_names(schema) if name not in existing]


def tables_by_schema(connection: Any) -> dict[str, set[str]]:
    """Names of the tables of every schema on the server that the account may see."""
    rows = connection.query("SELECT table_schema, table_name FROM information_schema.tables")
    tables: dict[str, set[str]] = {}
    for schema, table in rows.fetchall():
        tables.setdefault(schema, set()).add(table)
    return tables


def _table_names(schema: Any) -> Iterator[str]:
    """Yield the name of each table of the schema's classes, which may not be bound to a database yet."""
    from_camel_case = import_datajoint().utils.from_camel_case
    for cls, _ in schema.declare_list:
        yield cls.table_name
        for part in parts_of(cls):
            yield f"{cls.table_name}__{from_camel_case(part.__name__)}"


def read_headings_anew(schema: Any) -> None:
    """Reset headings, so that they are read when they are next used.

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
    if not table_names | {"~lineage"} <= tables_there(connection, schema_name):
        return False
    lineages = connection.adapter.make_full_table_name(schema_name, "~lineage")
    complete = connection.query(f"SELECT DISTINCT table_name FROM {lineages}").fetchall()
    return table_names <= {name for (name,) in complete}


@contextmanager
def alone(connection: Any, schema_name: str, create_schema: bool) -> Iterator[None]:
    """Hold the lock of a schema: a row of a table of its own, which no role may even read.

    Locks by name (`GET_LOCK`, advisory ones) can be taken by every account, and kept. The lock ends with its
    connection, however its process ends. An account that may not create the lock's table may create no other,
    so it need not wait.

    Parameters
    ----------
    connection
        DataJoint connection; the lock is held on another one to the same server.
    schema_name
        Name on the database server.
    create_schema
        Whether a schema that is missing is created; without one there is nothing to lock.

    Raises
    ------
    ConfigurationError
        Another process has held the lock for `LONGEST_WAIT_S`.
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
        if not schema_exists(second, schema_name):
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
        # PostgreSQL raises "duplicate" where two create a schema or table at once, also with IF NOT EXISTS
        if is_collision(error) or isinstance(error, errors.DuplicateError):
            return False
        raise


def _create_schema(connection: Any, schema_name: str) -> None:
    try:
        connection.query(connection.adapter.create_schema_sql(schema_name))
    except Exception:
        if not schema_exists(connection, schema_name):  # else another process was faster
            raise


def schema_exists(connection: Any, schema_name: str) -> bool:
    """Whether a schema is in the database, and the account may see it.

    Parameters
    ----------
    connection
        DataJoint connection.
    schema_name
        Name on the database server.
    """
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
