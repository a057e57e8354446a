"""Export of the tables into a lake: what changed is written, what is gone is told."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import element_facerhythm
from element_facerhythm.database.connection import server_identity
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.lake.arrow import import_pyarrow
from element_facerhythm.database.lake.columns import LakeColumn, columns_of
from element_facerhythm.database.lake.directory import (
    FORMAT,
    FORMAT_VERSION,
    locked_lake,
    read_lake,
    write_lake,
)
from element_facerhythm.database.lake.files import (
    KeyFile,
    key_path,
    stored_digest,
    stored_files,
)
from element_facerhythm.database.lake.snapshot import Snapshot, snapshot_of
from element_facerhythm.database.schema_version import SCHEMA_VERSION
from element_facerhythm.errors import ProcessingError, RequestError

_ROWS_AT_ONCE, _ROWS_WITH_ARRAYS = 2000, 32


@dataclass
class TableReport:
    """What became of one table.

    Attributes
    ----------
    name
        Schema and table.
    n_rows
        Rows of the table in the database.
    new, changed, unchanged
        Number of its files.
    deleted
        Paths of files whose key is not in the database any more; they are removed where that was asked for.
    left_out
        Columns that the lake does not have, and why.
    """

    name: str
    n_rows: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LakeReport:
    """What an export did.

    Attributes
    ----------
    directory
        The lake.
    tables
        One report for each table.
    pruned
        Whether files of deleted keys were removed.
    gone
        Tables of the lake that the database has no more, or does not show to this account; they stay.
    """

    directory: Path
    tables: tuple[TableReport, ...]
    pruned: bool
    gone: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Source:
    """A table on its way into the lake."""

    schema: str
    table: Any
    is_own: bool
    partition: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.table.table_name}"

    @property
    def folder(self) -> str:
        """Its directory: other engines pass over names that begin with a mark of the kind of table."""
        name = self.table.table_name
        return f"{self.schema}/{'jobs_of_' if name.startswith('~~') else ''}{name.lstrip('#_~')}"


def export_lake(
    directory: Path,
    schemas: Sequence[Any],
    *,
    own: Sequence[Any],
    session: Any,
    further: Sequence[Any] = (),
    prune: bool = False,
    advance: Callable[[int], None] = lambda done: None,
) -> LakeReport:
    """Write the tables of some schemas into a lake, one file for each session of a table.

    All tables are read in one snapshot of the database, and what is written is only what changed. Each file
    appears whole, and the views are written when its table is done, so that an export that is interrupted
    leaves a lake that can be read; the next one goes on from there.

    Parameters
    ----------
    directory
        The lake: missing, empty, or a lake of the same database.
    schemas
        DataJoint schemas, activated.
    own
        Those of them that are this package's.
    session
        Table of sessions, whose key the files are partitioned by, as far as a table's key begins with it.
    further
        Tables of other schemas that are exported, too.
    prune
        Whether files are removed whose key is not in the database any more.
    advance
        Called with the number of tables done.

    Raises
    ------
    RequestError
        The directory holds something else, or the lake of another database, or another export writes it.
    ConfigurationError
        pyarrow is not installed.
    ProcessingError
        A value is none of its column's type.
    """
    import_pyarrow()
    connection = session.connection
    before = read_lake(directory)
    server = server_identity(connection)
    if before and before.get("server") != server:
        raise RequestError(
            f"{directory} is the lake of another database server; give a new directory"
        )
    with locked_lake(directory), snapshot_of(connection) as snapshot:
        lake = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "package_version": element_facerhythm.__version__,
            "schema_version": SCHEMA_VERSION,
            "server": server,
            "started_utc": _now(),
            "completed_utc": None,
            "tables": before.get("tables", {}),
        }
        write_lake(directory, lake)
        reports = []
        for n_done, source in enumerate(_sources(snapshot, schemas, own, session, further), 1):
            export = _TableExport(directory, source, snapshot)
            lake["tables"][source.name], report = export.run(prune)
            write_lake(directory, lake)
            if prune:
                export.remove(report.deleted)
            reports.append(report)
            advance(n_done)
        write_lake(directory, lake | {"completed_utc": _now()})
    gone = lake["tables"].keys() - {report.name for report in reports}
    return LakeReport(directory, tuple(reports), prune, tuple(sorted(gone)))


def _sources(
    snapshot: Snapshot,
    schemas: Sequence[Any],
    own: Sequence[Any],
    session: Any,
    further: Sequence[Any],
) -> Iterator[_Source]:
    dj: Any = import_datajoint()
    connection, adapter = session.connection, session.connection.adapter
    own_names = {schema.database for schema in own}
    places = {(s.database, name): None for s in schemas for name in snapshot.tables(s.database)}
    places |= {(table.database, table.table_name): None for table in further}
    for schema, name in places:
        table = dj.FreeTable(connection, adapter.make_full_table_name(schema, name))
        # as far as the key of the table begins with that of a session
        shared = [a for a, b in zip(table.primary_key, session.primary_key, strict=False) if a == b]
        partition = tuple(shared) if table.primary_key[: len(shared)] == shared else ()
        yield _Source(schema, table, schema in own_names, partition)


@dataclass
class _TableExport:
    directory: Path
    source: _Source
    snapshot: Snapshot

    @property
    def place(self) -> Path:
        return self.directory / self.source.folder

    def run(self, prune: bool) -> tuple[dict[str, Any], TableReport]:
        """Write what changed; return what the lake says of the table, and the report."""
        source = self.source
        columns, left_out = columns_of(
            source.table, first_value=self._first_value, is_own=source.is_own
        )
        report = TableReport(source.name, left_out=left_out)
        digests: dict[str, str] = {}
        for path, file in self._key_files(columns):
            if path in digests:
                file.discard()
                raise ProcessingError(
                    f"{source.name} has {path} twice: the server takes several spellings of this key for "
                    "one; spell it in one way"
                )
            outcome, digests[path] = file.close()
            setattr(report, outcome, getattr(report, outcome) + 1)
            report.n_rows += file.n_rows
        there = set(stored_files(self.place))
        report.deleted = sorted(there - digests.keys())
        kept = [] if prune else report.deleted
        for path in kept:
            digests[path] = (stored_digest(self.place / path) or ("",))[0]
        about = {
            "schema": source.schema,
            "table": source.table.table_name,
            "directory": source.folder,
            "partitioned_by": list(source.partition),
            "n_rows": report.n_rows,
            "n_files": len(digests),
            "n_deleted": len(kept),
            "sha256": _digest_of(digests),
            "columns": [column.described() for column in columns],
            "left_out": left_out,
        }
        return about, report

    def remove(self, paths: Sequence[str]) -> None:
        """Delete files, and the directories that are empty then."""
        for path in paths:
            (self.place / path).unlink(missing_ok=True)
            for folder in list((self.place / path).relative_to(self.place).parents)[:-1]:
                if any((self.place / folder).iterdir()):
                    break
                (self.place / folder).rmdir()

    def _key_files(self, columns: Sequence[LakeColumn]) -> Iterator[tuple[str, KeyFile]]:
        """Yield the file of each key, with all of its rows, and its path."""
        by = [[c.name for c in columns].index(name) for name in self.source.partition]
        rows_at_once = (
            _ROWS_WITH_ARRAYS if any(c.duckdb.endswith("[]") for c in columns) else _ROWS_AT_ONCE
        )
        current: tuple[Any, ...] | None = None
        file: KeyFile | None = None
        try:
            for batch in self.snapshot.batches(self._query(columns), rows_at_once):
                for key, rows in groupby(batch, lambda row: tuple(row[i] for i in by)):
                    if file is None or key != current:
                        if file is not None:
                            yield self._path(current), file
                        current = key
                        file = KeyFile(self.place / self._path(key), columns, self.source.partition)
                    file.add(list(rows))
            if file is not None:
                yield self._path(current), file
        except BaseException:
            if file is not None:
                file.discard()
            raise

    def _path(self, key: tuple[Any, ...] | None) -> str:
        return key_path(self.source.partition, key or ())

    def _query(self, columns: Sequence[LakeColumn]) -> str:
        table = self.source.table
        quote = self.snapshot.adapter.quote_identifier
        order = ", ".join(quote(name) for name in table.primary_key)
        selected = ", ".join(column.selected for column in columns)
        return f"SELECT {selected} FROM {table.full_table_name} ORDER BY {order}"

    def _first_value(self, name: str) -> bytes | None:
        quoted = self.snapshot.adapter.quote_identifier(name)
        place = self.source.table.full_table_name
        query = f"SELECT {quoted} FROM {place} WHERE {quoted} IS NOT NULL LIMIT 1"
        found = next(self.snapshot.batches(query, 1), None)
        return None if found is None else bytes(found[0][0])


def _digest_of(digests: dict[str, str]) -> str:
    """Digest of the digests of a table's files."""
    lines = "".join(f"{path} {digest}\n" for path, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
