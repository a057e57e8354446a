"""Which version of the tables a schema holds, and whether this package works on it.

Each schema has a table `~schema_version` (its name begins as those of DataJoint's own `~lineage`), with a row
for each version that tables of a module of this package were brought to there. It is written when the first
of them are created, and by `facerhythm admin upgrade`; other accounts only need to read it. A schema of
version 1 has no such table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.errors import ConfigurationError

SCHEMA_VERSION = 2
"""Of the table definitions of this package. A change of one raises it, and says in
`admin/upgrade/versions.py` what becomes of rows that are there; a test compares the definitions with it."""

FIRST_VERSION = 1
"""Of schemas without a table of versions."""
VERSION_TABLE = "~schema_version"

_TABLES = {
    "mysql": "SELECT table_name FROM information_schema.tables WHERE table_schema = %s",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = %s",
}
_COLUMNS = (
    ("module", "varchar(64)", "module of element-facerhythm whose tables these are"),
    ("schema_version", "int", "version of the table definitions"),
    ("package_version", "varchar(32)", "element-facerhythm that brought the tables to it"),
    ("applied_time", "{time} NULL", "when, UTC; null: an upgrade to it was begun and did not end"),
    ("applied_by", "varchar(255)", "account that did"),
)


@dataclass(frozen=True)
class AppliedVersion:
    """A version that the tables of a module have, and who brought them to it.

    Attributes
    ----------
    number
        Of the version.
    package_version
        Of element-facerhythm; empty where it is not known.
    reached
        The highest version whose upgrade ended; a lower one than `number` where that of `number` did not.
    """

    number: int
    package_version: str
    reached: int

    @property
    def complete(self) -> bool:
        """Whether the upgrade to it ended."""
        return self.reached == self.number


def require_version(
    connection: Any, schema_name: str, module: str, table_names: Iterable[str]
) -> bool:
    """Refuse a schema whose tables are of another version; return whether any are there.

    Parameters
    ----------
    connection
        DataJoint connection.
    schema_name
        Name on the database server.
    module
        Module of this package, as the rows name it.
    table_names
        Tables of the module, as they are called on the server.

    Raises
    ------
    ConfigurationError
        The message says which version is there, which one is needed, and who can help.
    """
    existing = tables_there(connection, schema_name)
    if not existing & set(table_names):
        return False
    version = version_of(connection, schema_name, module, existing)
    if version.number == SCHEMA_VERSION and version.complete:
        return True
    raise ConfigurationError(_mismatch(f"the tables of {module} in {schema_name}", version))


def version_of(
    connection: Any, schema_name: str, module: str, existing: set[str] | None = None
) -> AppliedVersion:
    """Return the highest version that tables of a module were brought to in a schema.

    Parameters
    ----------
    connection, schema_name, module
        As of `require_version`.
    existing
        Names of tables that are there, where they are known already.

    Raises
    ------
    ConfigurationError
        The account may not read it.
    """
    errors = import_datajoint().errors
    place = _place(connection, schema_name)
    query = (
        f"SELECT schema_version, package_version, applied_time IS NOT NULL FROM {place} WHERE module = %s "
        "ORDER BY schema_version"
    )
    first = AppliedVersion(FIRST_VERSION, "", FIRST_VERSION)
    # MySQL lists no table that the account has no right on; reading this one shows whether it exists
    listed = tables_there(connection, schema_name) if existing is None else existing
    if connection.adapter.backend != "mysql" and VERSION_TABLE not in listed:
        return first
    try:
        rows = connection.query(query, args=(module,)).fetchall()
    except errors.MissingTableError:
        return first
    except errors.AccessError as error:
        raise ConfigurationError(
            f"the account {connection.conn_info['user']} may not read {place}, which says of which version "
            "the tables are: an administrator runs `facerhythm admin upgrade --plan`, and then what "
            "`facerhythm admin grants --existing` prints for the account"
        ) from error
    if not rows:
        return first
    ended = [int(number) for number, _, complete in rows if complete]
    return AppliedVersion(int(rows[-1][0]), rows[-1][1], max(ended, default=FIRST_VERSION))


def record_version(
    connection: Any, schema_name: str, module: str, *, complete: bool = True
) -> None:
    """Record that the tables of a module have this package's version, or are being brought to it.

    Parameters
    ----------
    connection, schema_name, module
        As of `require_version`.
    complete
        False where the tables are yet to be changed.
    """
    from element_facerhythm import __version__

    place = _place(connection, schema_name)
    is_mysql = connection.adapter.backend == "mysql"
    now = "UTC_TIMESTAMP()" if is_mysql else "(now() AT TIME ZONE 'UTC')"
    connection.query(_creation(connection, schema_name))
    of_this = "module = %s AND schema_version = %s"
    key = (module, SCHEMA_VERSION)
    if not connection.query(f"SELECT 1 FROM {place} WHERE {of_this}", args=key).fetchall():
        connection.query(
            f"INSERT INTO {place} (module, schema_version, package_version, applied_time, applied_by) "
            "VALUES (%s, %s, %s, NULL, %s)",
            args=(*key, __version__, str(connection.conn_info["user"])),
        )
    if complete:
        connection.query(f"UPDATE {place} SET applied_time = {now} WHERE {of_this}", args=key)


def tables_there(connection: Any, schema_name: str) -> set[str]:
    """Names of the tables of a schema; on MySQL of those that the account has a right on.

    Parameters
    ----------
    connection
        DataJoint connection.
    schema_name
        Name on the database server; where there is no such schema, there are no names.
    """
    rows = connection.query(_TABLES[connection.adapter.backend], args=(schema_name,))
    return {str(name) for (name,) in rows.fetchall()}


def _place(connection: Any, schema_name: str) -> str:
    return str(connection.adapter.make_full_table_name(schema_name, VERSION_TABLE))


def _creation(connection: Any, schema_name: str) -> str:
    """Statement that creates the table of versions where there is none."""
    adapter = connection.adapter
    time = "datetime" if adapter.backend == "mysql" else "timestamp"
    columns = [
        adapter.format_column_definition(
            name, sql_type.format(time=time), nullable="NULL" in sql_type, comment=comment
        )
        for name, sql_type, comment in _COLUMNS
    ]
    return (
        f"CREATE TABLE IF NOT EXISTS {_place(connection, schema_name)} ({', '.join(columns)}, "
        f"PRIMARY KEY (module, schema_version)) {adapter.table_options_clause('Versions of the tables')}"
    )


def too_new(tables: str, version: AppliedVersion) -> str:
    """Return a sentence: the tables are of a newer version than this package.

    Parameters
    ----------
    tables
        What the tables are called in the sentence.
    version
        The version that they are of.
    """
    maker = f"element-facerhythm {version.package_version}"
    return f"{tables} are of version {version.number} ({maker}), and {_here()}: install {maker} or later"


def _mismatch(tables: str, version: AppliedVersion) -> str:
    """Return a sentence: the tables are of another version, and who can help."""
    if version.number > SCHEMA_VERSION:
        return too_new(tables, version)
    if version.number == SCHEMA_VERSION:
        return (
            f"an upgrade of {tables} to version {version.number} was begun and did not end: an administrator "
            "runs `facerhythm admin upgrade --apply` again, which goes on from there"
        )
    maker = version.package_version
    made = f" (element-facerhythm {maker})," if maker else ", from before versions were recorded,"
    return (
        f"{tables} are of version {version.number}{made} and {_here()}: an administrator runs `facerhythm "
        "admin upgrade --plan`"
    )


def _here() -> str:
    from element_facerhythm import __version__

    return f"element-facerhythm {__version__} here works on version {SCHEMA_VERSION}"
