"""The steps that bring existing tables to their definitions.

Each step checks whether it is still to be done: what was done before an interruption is not planned again.
Columns are renamed first, then columns and tables are added, rows get their values, and finally columns,
indexes and foreign keys are changed as in the definitions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from element_facerhythm.admin.upgrade.changes import Fill
from element_facerhythm.admin.upgrade.definitions import DeclaredTable, declared_tables
from element_facerhythm.admin.upgrade.dialect import Dialect, optional
from element_facerhythm.admin.upgrade.layout import Column, Index, TableLayout, layouts_there
from element_facerhythm.admin.upgrade.lineage import lineage_steps
from element_facerhythm.admin.upgrade.steps import Step
from element_facerhythm.admin.upgrade.versions import CHANGES
from element_facerhythm.database.schema_version import (
    SCHEMA_VERSION,
    VERSION_TABLE,
    AppliedVersion,
    tables_there,
    too_new,
    version_of,
)
from element_facerhythm.database.table_creation import LOCK_TABLE
from element_facerhythm.errors import ConfigurationError, ProcessingError


@dataclass
class Plan:
    """The steps of an upgrade.

    Attributes
    ----------
    versions
        Version of each module's tables, as they are; only of modules whose tables are there.
    steps
        In their order.
    kept
        Columns that are there and that no definition has any more; they stay as they are.
    """

    versions: dict[str, AppliedVersion]
    steps: list[Step] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps and all(
            version.number == SCHEMA_VERSION and version.complete
            for version in self.versions.values()
        )


def make_plan(schemas: Sequence[Any]) -> Plan:
    """Compare the tables of schemas with their definitions; changes nothing.

    Parameters
    ----------
    schemas
        DataJoint schemas of this package, bound as they are, upstream first.

    Raises
    ------
    ConfigurationError
        A schema is of a newer version, or none of them has tables.
    """
    return _Planner(schemas).plan()


def schemas_with_tables(schemas: Sequence[Any]) -> list[Any]:
    """Return those of the schemas in which there are tables; ConfigurationError where that is none."""
    found = [
        schema
        for schema in schemas
        if tables_there(schema.connection, schema.database) - {VERSION_TABLE, LOCK_TABLE}
    ]
    if not found:
        raise ConfigurationError(
            f"there are no tables in {', '.join(schema.database for schema in schemas)}, so there is nothing "
            "to upgrade; `facerhythm admin init` creates them"
        )
    return found


def module_of(cls: Any) -> str:
    """Name of the module of this package that a table is of, as rows of versions name it."""
    return str(cls.__module__.split(".")[1])


class _Planner:
    """The tables as they are and as they are declared, and the steps in between."""

    def __init__(self, schemas: Sequence[Any]) -> None:
        self.connection = schemas[0].connection
        present = schemas_with_tables(schemas)
        there = {s.database: layouts_there(self.connection, s.database) for s in present}
        self.declared = declared_tables(present)
        self.there: dict[str, TableLayout] = {
            table.title: there[table.schema][table.name]
            for table in self.declared
            if table.name in there[table.schema]
        }
        self.before = {title: set(layout.columns) for title, layout in self.there.items()}
        self.result = Plan(self._versions())

    def plan(self) -> Plan:
        """Return the steps in their order."""
        steps = self.result.steps
        steps += self._renamed()
        for table in self._those_there():
            steps += self._added(table)
        steps += [self._created(table) for table in self.declared if table.title not in self.there]
        steps += self._filled()
        for table in self._those_there():
            steps += self._finished(table)
        steps += lineage_steps(self.connection, self.declared)
        return self.result

    def _versions(self) -> dict[str, AppliedVersion]:
        versions = {}
        for table in self.declared:
            module = module_of(table.cls)
            if module not in versions and table.title in self.there:
                versions[module] = version_of(self.connection, table.schema, module)
        newer = [v for v in versions.values() if v.number > SCHEMA_VERSION]
        if newer:
            raise ConfigurationError(too_new("the tables", newer[0]))
        return versions

    def _those_there(self) -> Iterator[DeclaredTable]:
        return (table for table in self.declared if table.title in self.there)

    def _changes(self, table: DeclaredTable) -> Iterator[int]:
        """Yield the numbers of the versions that a table has yet to be brought to."""
        reached = self.result.versions[module_of(table.cls)].reached
        return (number for number in sorted(CHANGES) if number > reached)

    def _dialect(self, table: DeclaredTable) -> Dialect:
        return Dialect(self.connection.adapter, table.full_name)

    # ---------------------------------------------------------------- columns

    def _renamed(self) -> Iterator[Step]:
        for table in self._those_there():
            for number in self._changes(table):
                yield from self._renamed_by(table, CHANGES[number].renamed.get(table.title, {}))

    def _renamed_by(self, table: DeclaredTable, renamed: Mapping[str, str]) -> Iterator[Step]:
        layout = self.there[table.title]
        due = {
            old: new
            for new, old in renamed.items()
            if old in layout.columns and new not in layout.columns
        }
        if due:
            self.there[table.title] = layout.renamed(due)
            text = ", ".join(f"{old} is called {new}" for old, new in due.items())
            statements = tuple(self._dialect(table).rename(*names) for names in due.items())
            yield Step("rename", table.full_name, text, statements)

    def _added(self, table: DeclaredTable) -> Iterator[Step]:
        layout = self.there[table.title]
        new: list[tuple[Column, str | None]] = []
        previous = None
        for column in table.layout.columns.values():
            if column.name not in layout.columns:
                new.append((column, previous))
            previous = column.name
        if not new:
            return
        n_rows = self._n_rows(table)
        for column, after in new:
            nullable = "NOT NULL" not in optional(column).split("COMMENT", 1)[0]
            _place_in(layout.columns, _now(column, nullable), after)
        described = [self._described(table, column) for column, _ in new]
        yield Step(
            "add",
            table.full_name,
            "new: " + "; ".join(described),
            tuple(self._dialect(table).add(new)),
            n_rows,
        )

    def _described(self, table: DeclaredTable, column: Column) -> str:
        """Return what existing rows get in a new column."""
        fills = [
            fill
            for number in self._changes(table)
            for fill in CHANGES[number].filled
            if (fill.table, fill.column) == (table.title, column.name)
        ]
        if fills:
            return f"{column.name} ({fills[-1].why})"
        if column.nullable:
            return f"{column.name} (NULL)"
        if column.default is None:
            return f"{column.name} (no value is known for existing rows)"
        return f"{column.name} ({column.default!r})"

    def _created(self, table: DeclaredTable) -> Step:
        return Step("create", table.full_name, "new table, empty", table.creation)

    # ---------------------------------------------------------------- values

    def _filled(self) -> Iterator[Step]:
        tables = {table.title: table for table in self._those_there()}
        for number in sorted(CHANGES):
            for fill in CHANGES[number].filled:
                table = tables.get(fill.table)
                if table is not None and number in self._changes(table):
                    yield from self._filled_by(fill, table, tables)

    def _filled_by(
        self, fill: Fill, table: DeclaredTable, tables: Mapping[str, DeclaredTable]
    ) -> Iterator[Step]:
        quoted = self.connection.adapter.quote_identifier
        is_empty = f"{quoted(fill.column)} IS NULL"
        is_new = fill.column not in self.before[table.title]
        n_rows = self._n_rows(table) if is_new else self._n_rows(table, f"WHERE {is_empty}")
        if fill.rows is not None and not is_new:
            n_rows = self._n_rows(table)
        if not n_rows:
            return
        statements: tuple[str, ...] = ()
        if fill.rows is None:
            value = _with_values(fill.sql, table, tables)
            statement = f"UPDATE {table.full_name} AS own SET {quoted(fill.column)} = {value}"
            statements = (f"{statement} WHERE {is_empty}",)
        text = f"{fill.column} of existing rows: {fill.why}"
        by_function = fill if fill.rows else None
        yield Step("fill", table.full_name, text, statements, n_rows, by_function)

    def _n_rows(self, table: DeclaredTable, where: str = "") -> int:
        row = self.connection.query(f"SELECT COUNT(*) FROM {table.full_name} {where}").fetchone()
        return int(row[0])

    def _has_values(self, table: DeclaredTable, column: Column) -> bool:
        """Whether every row has a value in a column that needs one, or gets it in an earlier step."""
        is_filled = any(
            (fill.table, fill.column) == (table.title, column.name)
            for number in self._changes(table)
            for fill in CHANGES[number].filled
        )
        if is_filled or column.name not in self.before[table.title]:
            return is_filled or not self._n_rows(table)
        quoted = self.connection.adapter.quote_identifier(column.name)
        return not self._n_rows(table, f"WHERE {quoted} IS NULL")

    # ---------------------------------------------------------------- the rest

    def _finished(self, table: DeclaredTable) -> Iterator[Step]:
        there, wanted, dialect = self.there[table.title], table.layout, self._dialect(table)
        if there.primary_key != wanted.primary_key:
            raise ConfigurationError(
                f"{table.full_name} has the primary key {', '.join(there.primary_key)}, and its definition "
                f"{', '.join(wanted.primary_key)}: this package did not make it, and it is left alone"
            )
        yield from self._changed_columns(table, there, wanted, dialect)
        self.result.kept += [
            f"{table.full_name}: {name}"
            for name in there.columns
            if name not in wanted.columns and not name.startswith("_")
        ]
        if there.comment != wanted.comment:
            yield Step(
                "change",
                table.full_name,
                "comment of the table",
                (dialect.comment(wanted.comment),),
            )
        for index in wanted.indexes:
            yield from _indexed(table, index, there, dialect)
        for columns, statement in wanted.foreign_keys.items():
            if columns not in there.foreign_keys:
                text = f"foreign key {', '.join(columns)}"
                yield Step("change", table.full_name, text, (statement,))

    def _changed_columns(
        self,
        table: DeclaredTable,
        there: TableLayout,
        wanted: TableLayout,
        dialect: Dialect,
    ) -> Iterator[Step]:
        for column in wanted.columns.values():
            old = there.columns[column.name]
            if old.nullable and not column.nullable and not self._has_values(table, column):
                raise ProcessingError(
                    f"{table.full_name}: existing rows have no value for {column.name}, which needs one: "
                    "a defect of this package, whose list of changes lacks it. Nothing was changed"
                )
            if not column.is_like(old):
                changed = [
                    name
                    for name in ("nullable", "default", "comment")
                    if getattr(column, name) != getattr(old, name)
                ]
                statements = tuple(dialect.change(old, column))
                yield Step(
                    "change", table.full_name, f"{column.name}: {', '.join(changed)}", statements
                )
        if self.connection.adapter.backend == "mysql":
            known = [name for name in there.columns if name in wanted.columns]
            yield from _moved(table, known, dialect)


def _now(column: Column, nullable: bool) -> Column:
    """Return a column as it is after it was added, before rows have values."""
    return Column(column.name, nullable, column.default, column.comment)


def _place_in(columns: dict[str, Column], column: Column, after: str | None) -> None:
    """Move a column after another one of a table that is being planned."""
    names = list(columns)
    place = names.index(after) + 1 if after in columns else len(names)
    ordered = [*names[:place], column.name, *names[place:]]
    columns[column.name] = column
    for name in ordered:
        columns[name] = columns.pop(name)


def _moved(table: DeclaredTable, names: list[str], dialect: Dialect) -> Iterator[Step]:
    """Move columns into the order of the definition."""
    previous = None
    for column in table.layout.columns.values():
        place = names.index(previous) + 1 if previous else 0
        if names[place] != column.name:
            names.remove(column.name)
            place = names.index(previous) + 1 if previous else 0
            names.insert(place, column.name)
            statement = dialect.move(column, previous)
            yield Step("change", table.full_name, f"{column.name}: its place", (statement,))
        previous = column.name


def _indexed(
    table: DeclaredTable, index: Index, there: TableLayout, dialect: Dialect
) -> Iterator[Step]:
    alike = [
        old for old in there.indexes if (old.columns, old.unique) == (index.columns, index.unique)
    ]
    listed = ", ".join(index.columns)
    if not alike:
        yield Step("change", table.full_name, f"index on {listed}", (dialect.create_index(index),))
    elif not any(re.fullmatch(rf"{re.escape(index.name)}(_\d+)?", old.name) for old in alike):
        statement = dialect.rename_index(alike[0].name, index.name)
        yield Step("change", table.full_name, f"name of the index on {listed}", (statement,))


def _with_values(sql: str, table: DeclaredTable, tables: Mapping[str, DeclaredTable]) -> str:
    """Replace `{Table.column}` by subqueries."""

    def subquery(found: re.Match[str]) -> str:
        title, _, column = found.group(1).rpartition(".")
        other = tables[title]
        quoted = other.cls.connection.adapter.quote_identifier
        same = " AND ".join(
            f"other.{quoted(name)} = own.{quoted(name)}" for name in other.layout.primary_key
        )
        return f"(SELECT other.{quoted(column)} FROM {other.full_name} AS other WHERE {same})"

    return re.sub(r"\{([\w.]+)\}", subquery, sql)
