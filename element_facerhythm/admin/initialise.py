"""Everything that the package needs in a database, created once by an administrator."""

from dataclasses import dataclass
from typing import Any

from element_facerhythm.admin.roles import dj, tables_of
from element_facerhythm.connection import connect
from element_facerhythm.declaration import LOCK_TABLE
from element_facerhythm.embedded import configure
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.fleet.queue import JobQueue

LONGEST_WAIT_S = 30


@dataclass(frozen=True)
class Initialised:
    """What is there now: tables of each schema, and which of them are new."""

    tables: dict[str, list[str]]
    new: dict[str, list[str]]


def initialise() -> Initialised:
    """Create schemas, tables and queues of jobs where they are missing; the same call twice changes nothing.

    Raises
    ------
    ConfigurationError
        The account may not create what is missing.
    """
    configure()
    connection = connect()
    if connection.adapter.backend == "mysql":
        # a change of a table waits for its readers, and everybody else behind it: for a year by default
        connection.query(f"SET SESSION lock_wait_timeout = {LONGEST_WAIT_S}")
    before = _existing_tables()
    from element_facerhythm.workflow import SCHEMAS

    for schema in SCHEMAS:
        for table, cls in tables_of(schema):
            if isinstance(table, dj.Job):
                _provide_queue(cls)
    after = _existing_tables()
    names = [schema.database for schema in SCHEMAS]
    return Initialised(
        {name: sorted(after.get(name, set())) for name in names},
        {name: sorted(after.get(name, set()) - before.get(name, set())) for name in names},
    )


def _provide_queue(cls: Any) -> None:
    try:
        JobQueue(cls).provide()
    except dj.errors.AccessError as error:
        raise ConfigurationError(
            f"the account {dj.config.database.user} may not create tables in {cls.database}: "
            "`facerhythm admin init` needs an account that may create schemas and tables"
        ) from error


def _existing_tables() -> dict[str, set[str]]:
    rows = connect().query("SELECT table_schema, table_name FROM information_schema.tables")
    tables: dict[str, set[str]] = {}
    for schema, table in rows.fetchall():
        if table != LOCK_TABLE:
            tables.setdefault(schema, set()).add(table)
    return tables
