"""Everything that the package needs in a database, created once by an administrator."""

from dataclasses import dataclass
from typing import Any

from element_facerhythm.active_pipeline import Access, open_pipeline
from element_facerhythm.admin.roles import dj, tables_of
from element_facerhythm.database.connection import connect
from element_facerhythm.database.embedded import configure, database_is_configured
from element_facerhythm.database.table_creation import LOCK_TABLE, tables_by_schema
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.fleet.job_queue import JobQueue

LONGEST_WAIT_S = 30


@dataclass(frozen=True)
class Initialised:
    """Tables of each schema, and which of them are new."""

    tables: dict[str, list[str]]
    new: dict[str, list[str]]


def initialise() -> Initialised:
    """Create schemas, tables and queues of jobs where they are missing; the same call twice changes nothing.

    Raises
    ------
    ConfigurationError
        The account may not create what is missing, or DataJoint is configured to create nothing.
    """
    if database_is_configured() and not dj.config.database.create_tables:
        raise ConfigurationError(
            "DataJoint is configured to create no tables (DJ_CREATE_TABLES, or database.create_tables in "
            "datajoint.json), which is what this command does: switch that off for it"
        )
    configure()
    connection = connect()
    if connection.adapter.backend == "mysql":
        # a change of a table waits for its readers, by default for a year, and other statements wait for it
        connection.query(f"SET SESSION lock_wait_timeout = {LONGEST_WAIT_S}")
    before = _existing_tables()
    schemas = open_pipeline(Access.CREATE).schemas
    for schema in schemas:
        for table, cls in tables_of(schema):
            if isinstance(table, dj.Job):
                _provide_queue(cls)
    after = _existing_tables()
    names = [schema.database for schema in schemas]
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
    tables = tables_by_schema(connect())
    return {schema: names - {LOCK_TABLE} for schema, names in tables.items()}
