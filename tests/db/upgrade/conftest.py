"""Databases as version 1 left them, restored under a prefix of their own, and the command line on them."""

import gzip
import json
import os
import secrets
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pymysql
import pytest

from element_facerhythm import facial_behavior_estimation, fleet, keypoint_inference
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.table_creation import parts_of

FIXTURES = Path(__file__).parent / "fixtures"
OLD_PREFIX = "oldlab_"
OWN = ("facial_behavior_estimation", "keypoint_inference", "fleet")
OTHERS = ("session", "subject", "lab")
MODULES = {
    "facial_behavior_estimation": facial_behavior_estimation,
    "keypoint_inference": keypoint_inference,
    "fleet": fleet,
}
VERSION = pytest.StashKey[str]()
COLUMNS = {
    "mysql": (
        "SELECT table_name, column_name, column_type, is_nullable, column_default, column_comment, "
        "column_key FROM information_schema.columns WHERE table_schema = '{}' "
        "ORDER BY table_name, ordinal_position"
    ),
    "postgresql": (
        "SELECT c.table_name, c.column_name, format_type(a.atttypid, a.atttypmod), c.is_nullable, "
        "c.column_default, col_description(a.attrelid, a.attnum) FROM information_schema.columns c "
        "JOIN pg_attribute a ON a.attname = c.column_name AND a.attrelid = "
        "format('%I.%I', c.table_schema, c.table_name)::regclass WHERE c.table_schema = '{}' "
        "ORDER BY c.table_name, c.column_name"
    ),
}
"""Columns of a schema, in their order; PostgreSQL, which cannot put a new one between others, by name."""
OTHER_PARTS = {
    "mysql": (
        "SELECT table_name, index_name, non_unique, seq_in_index, column_name "
        "FROM information_schema.statistics WHERE table_schema = '{}' ORDER BY 1, 2, 4",
        "SELECT k.table_name, k.ordinal_position, k.column_name, k.referenced_table_schema, "
        "k.referenced_table_name, k.referenced_column_name, r.update_rule, r.delete_rule "
        "FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r "
        "ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name "
        "WHERE k.table_schema = '{}' ORDER BY 1, 5, 2, 3",
        "SELECT table_name, table_comment FROM information_schema.tables WHERE table_schema = '{}' "
        "ORDER BY 1",
        "SELECT * FROM {}.`~lineage` ORDER BY 1, 2",
    ),
    "postgresql": (
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = '{}' ORDER BY 1, 2",
        "SELECT c.conrelid::regclass::text, pg_get_constraintdef(c.oid) FROM pg_constraint c "
        "JOIN pg_namespace n ON n.oid = c.connamespace WHERE n.nspname = '{}' AND c.contype IN ('f', 'p') "
        "ORDER BY 1, 2",
        "SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{}' AND c.relkind = 'r' "
        "ORDER BY 1",
        'SELECT * FROM {}."~lineage" ORDER BY 1, 2',
    ),
}


@dataclass
class Database:
    """Schemas under one prefix, spoken to without DataJoint.

    Attributes
    ----------
    connection
        PyMySQL's or psycopg2's, which commits by itself.
    backend, prefix
        Kind of server; beginning of the names of the schemas.
    variables
        Environment of processes that work on it.
    """

    connection: Any
    backend: str
    prefix: str
    variables: dict[str, str]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def place(self, schema: str, table: str) -> str:
        quote = "`" if self.backend == "mysql" else '"'
        return f"{quote}{self.prefix}{schema}{quote}.{quote}{table}{quote}"

    def tables(self, schema: str) -> list[str]:
        found = self.query(
            f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{self.prefix}{schema}'"
        )
        return sorted(name for (name,) in found)

    def rows(self, schema: str, table: str) -> list[dict[str, Any]]:
        """Rows of a table, each value as the driver gives it."""
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {self.place(schema, table)}")
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, map(plain, row), strict=True)) for row in cursor.fetchall()]

    def everything(self) -> dict[str, Any]:
        """All that is there: columns and rows of every table."""
        found: dict[str, Any] = {}
        for schema in (*OWN, *OTHERS):
            found[schema] = self.query(COLUMNS[self.backend].format(self.prefix + schema))
            for table in self.tables(schema):
                rows = self.rows(schema, table)
                found[f"{schema}.{table}"] = sorted(map(repr, rows))
        return found

    def layout(self, schema: str) -> list[Any]:
        """Columns, indexes, keys, comments and lineage, whatever the prefix; queues and locks left out."""
        name = self.prefix + schema
        queries = (COLUMNS[self.backend], *OTHER_PARTS[self.backend])
        text = json.dumps([self.query(query.format(name)) for query in queries])
        parts = json.loads(text.replace(self.prefix, ""))
        return [[row for row in rows if "~" not in row[0]] for rows in parts]

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run `facerhythm` on it."""
        return self.python("-m", "element_facerhythm", *command)

    def python(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def drop(self) -> None:
        for schema in (*reversed(OWN), *OTHERS):
            if self.backend == "mysql":
                self.query(f"DROP DATABASE IF EXISTS `{self.prefix}{schema}`")
            else:
                self.query(f'DROP SCHEMA IF EXISTS "{self.prefix}{schema}" CASCADE')


@dataclass
class Upgraded:
    """A database after the upgrade; rows of this package's tables, and those of others, before and after
    it."""

    database: Database
    before: dict[str, list[dict[str, Any]]]
    after: dict[str, list[dict[str, Any]]]
    others_before: dict[str, list[dict[str, Any]]]
    others_after: dict[str, list[dict[str, Any]]]


def plain(value: Any) -> Any:
    """A value that can be compared and printed."""
    if isinstance(value, memoryview):
        return bytes(value)
    return value


def pytest_configure(config: pytest.Config) -> None:
    # True, and of no use in a test run that is there to find out.
    config.addinivalue_line("filterwarnings", "ignore:MariaDB is not officially supported")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    terminalreporter.write_line(f"tables on {config.stash.get(VERSION, 'no server')}")


@pytest.fixture(scope="session")
def server(
    serve: Callable[[str], Any], request: pytest.FixtureRequest
) -> Iterator[tuple[Any, dict[str, str]]]:
    """A connection to the server, and the variables that lead to it."""
    kind = os.environ["FACERHYTHM_TEST_DATABASE"]
    with serve(kind) as variables, closing(connected(kind, variables)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT version()")
            request.config.stash[VERSION] = f"{kind} {cursor.fetchone()[0].split(' on ')[0]}"
        yield connection, {**variables, "DJ_BACKEND": kind}


def connected(kind: str, variables: dict[str, str]) -> Any:
    host, port = variables["DJ_HOST"], int(variables.get("DJ_PORT", "3306"))
    user, password = variables["DJ_USER"], variables["DJ_PASS"]
    if kind == "mysql":
        return pymysql.connect(
            host=host, port=port, user=user, password=password, autocommit=True, charset="utf8mb4"
        )
    connection = psycopg2.connect(
        host=host, port=port, user=user, password=password, dbname=variables["DJ_DATABASE_NAME"]
    )
    connection.autocommit = True
    return connection


@pytest.fixture(scope="session")
def databases(
    server: tuple[Any, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Database]]:
    """Make databases with nothing in them; their schemas are dropped at the end."""
    connection, variables = server
    made: list[Database] = []

    def make() -> Database:
        home = tmp_path_factory.mktemp("database")
        directories = {
            "FACERHYTHM_ROOT_DATA_DIR": home / "recordings",
            "FACERHYTHM_PROCESSED_DATA_DIR": home / "processed",
        }
        for directory in directories.values():
            directory.mkdir()
        of_process = {
            **variables,
            **{name: str(directory) for name, directory in directories.items()},
            "FACERHYTHM_DB_PREFIX": f"frtest_{secrets.token_hex(4)}_",
            "FACERHYTHM_DEVICE": "cpu",
            "DJ_IGNORE_CONFIG_FILE": "true",
        }
        prefix = of_process["FACERHYTHM_DB_PREFIX"]
        made.append(Database(connection, variables["DJ_BACKEND"], prefix, of_process))
        return made[-1]

    yield make
    for database in made:
        database.drop()


@pytest.fixture
def old(databases: Callable[[], Database]) -> Database:
    """A database of version 1, with its files."""
    return of_version_1(databases())


@pytest.fixture(scope="session")
def upgraded(databases: Callable[[], Database]) -> Upgraded:
    """A database of version 1 after the upgrade."""
    database = of_version_1(databases())
    before = rows_by_title(database)
    kept = kept_rows(database)
    applied = database.run("admin", "upgrade", "--apply")
    assert applied.returncode == 0, applied.stderr
    return Upgraded(database, before, rows_by_title(database), kept, kept_rows(database))


def of_version_1(database: Database) -> Database:
    kind = database.backend
    text = gzip.decompress((FIXTURES / f"{kind}.sql.gz").read_bytes()).decode()
    restore(database, text.replace(OLD_PREFIX, database.prefix))
    home = Path(database.variables["FACERHYTHM_ROOT_DATA_DIR"]).parent
    with tarfile.open(FIXTURES / f"{kind}.tar.xz") as archive:
        archive.extractall(home, filter="data")
    return database


def rows_by_title(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Rows of each table of this package that is there, by the name of its class."""
    from_camel_case = import_datajoint().utils.from_camel_case
    found = {}
    for schema, module in MODULES.items():
        there = database.tables(schema)
        for cls, _ in module.schema.declare_list:
            parts = {
                part.__qualname__: f"{cls.table_name}__{from_camel_case(part.__name__)}"
                for part in parts_of(cls)
            }
            for title, table in {cls.__qualname__: cls.table_name, **parts}.items():
                if table in there:
                    found[title] = database.rows(schema, table)
    return found


def kept_rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Rows of the lab's own tables and of the queues."""
    return {
        f"{schema}.{table}": database.rows(schema, table)
        for schema in (*OWN, *OTHERS)
        for table in database.tables(schema)
        if table.startswith("~~") or (schema in OTHERS and table != "~table_creation")
    }


def restore(database: Database, text: str) -> None:
    if database.backend == "postgresql":
        database.query(text)
        database.query("RESET ALL")
        return
    for statement in text.split(";\n"):
        if statement.strip():
            database.query(statement)
    database.query("SET FOREIGN_KEY_CHECKS = 1")


def one_sentence(run: "subprocess.CompletedProcess[str]") -> str:
    """What a refused request says; it fails unless it is one line, and no traceback."""
    lines: Sequence[str] = [line for line in run.stderr.splitlines() if "DataJoint" not in line]
    assert run.returncode == 2, run.stderr
    assert len(lines) == 1, run.stderr
    assert lines[0].startswith("facerhythm: ")
    return lines[0]
