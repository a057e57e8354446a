"""The layout of tables: their columns, indexes and foreign keys, as they are in a schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_COLUMNS = {
    "mysql": (
        "SELECT table_name, column_name, is_nullable, column_default, column_comment "
        "FROM information_schema.columns WHERE table_schema = %s ORDER BY table_name, ordinal_position"
    ),
    "postgresql": (
        "SELECT c.table_name, c.column_name, c.is_nullable, c.column_default, "
        "col_description(format('%%I.%%I', c.table_schema, c.table_name)::regclass, c.ordinal_position) "
        "FROM information_schema.columns c WHERE c.table_schema = %s "
        "ORDER BY c.table_name, c.ordinal_position"
    ),
}
_COMMENTS = {
    "mysql": (
        "SELECT table_name, table_comment FROM information_schema.tables WHERE table_schema = %s "
        "AND table_type = 'BASE TABLE'"
    ),
    "postgresql": (
        "SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'"
    ),
}
_INDEXES = {
    "mysql": (
        "SELECT table_name, index_name, non_unique = 0, column_name FROM information_schema.statistics "
        "WHERE table_schema = %s ORDER BY table_name, index_name, seq_in_index"
    ),
    "postgresql": (
        "SELECT t.relname, CASE WHEN x.indisprimary THEN 'PRIMARY' ELSE i.relname END, x.indisunique, "
        "a.attname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid "
        "JOIN pg_class t ON t.oid = x.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace "
        "CROSS JOIN LATERAL unnest(x.indkey::int[]) WITH ORDINALITY AS k (number, place) "
        "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number "
        "WHERE n.nspname = %s ORDER BY 1, 2, k.place"
    ),
}
_FOREIGN_KEYS = {
    "mysql": (
        "SELECT table_name, constraint_name, column_name FROM information_schema.key_column_usage "
        "WHERE table_schema = %s AND referenced_table_name IS NOT NULL "
        "ORDER BY table_name, constraint_name, ordinal_position"
    ),
    "postgresql": (
        "SELECT t.relname, c.conname, a.attname FROM pg_constraint c "
        "JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace "
        "CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS k (number, place) "
        "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number "
        "WHERE n.nspname = %s AND c.contype = 'f' ORDER BY 1, 2, k.place"
    ),
}
_PRIMARY = "PRIMARY"


@dataclass(frozen=True)
class Column:
    """A column, as far as two of them can be compared on any server.

    Attributes
    ----------
    name
        Of the column.
    nullable
        Whether it may hold NULL.
    default
        Value of a row without one, as text; None where there is none or it is NULL.
    comment
        With DataJoint's marker, which states the type.
    sql
        Definition as `CREATE TABLE` takes it; empty for a column that is there.
    """

    name: str
    nullable: bool
    default: str | None
    comment: str
    sql: str = ""

    def is_like(self, other: Column) -> bool:
        """Whether both are the same but for the way in which they are written."""
        return (self.name, self.nullable, self.default, self.comment) == (
            other.name,
            other.nullable,
            other.default,
            other.comment,
        )


@dataclass(frozen=True)
class Index:
    """An index that is not the primary key's."""

    name: str
    columns: tuple[str, ...]
    unique: bool


@dataclass
class TableLayout:
    """A table: columns in their order by name, and so on.

    Attributes
    ----------
    foreign_keys
        Statement that adds each, by its columns; empty text for one that is there.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    indexes: list[Index] = field(default_factory=list)
    foreign_keys: dict[tuple[str, ...], str] = field(default_factory=dict)
    comment: str = ""

    def renamed(self, names: Mapping[str, str]) -> TableLayout:
        """Return the layout after columns got other names, from old to new."""

        def new(columns: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(names.get(name, name) for name in columns)

        columns = (
            Column(names.get(c.name, c.name), c.nullable, c.default, c.comment)
            for c in self.columns.values()
        )
        return TableLayout(
            {column.name: column for column in columns},
            new(self.primary_key),
            [Index(index.name, new(index.columns), index.unique) for index in self.indexes],
            {new(key): sql for key, sql in self.foreign_keys.items()},
            self.comment,
        )


def layouts_there(connection: Any, schema_name: str) -> dict[str, TableLayout]:
    """Read the layout of each table of a schema.

    Parameters
    ----------
    connection
        DataJoint connection.
    schema_name
        Name on the database server.
    """
    backend = connection.adapter.backend

    def rows(queries: Mapping[str, str]) -> list[tuple[Any, ...]]:
        found = connection.query(queries[backend], args=(schema_name,)).fetchall()
        return [tuple(row) for row in found]

    tables = {str(name): TableLayout(comment=comment or "") for name, comment in rows(_COMMENTS)}
    for table, name, nullable, default, comment in rows(_COLUMNS):
        if table in tables:
            tables[table].columns[name] = Column(
                name, nullable == "YES", plain_default(default), comment or ""
            )
    several: dict[tuple[str, str, bool], list[str]] = {}
    for table, name, unique, column in rows(_INDEXES):
        several.setdefault((table, name, bool(unique)), []).append(column)
    for (table, name, unique), columns in several.items():
        if name == _PRIMARY:
            tables[table].primary_key = tuple(columns)
        else:
            tables[table].indexes.append(Index(name, tuple(columns), unique))
    keys: dict[tuple[str, str], list[str]] = {}
    for table, name, column in rows(_FOREIGN_KEYS):
        keys.setdefault((table, name), []).append(column)
    for (table, _), columns in keys.items():
        tables[table].foreign_keys[tuple(columns)] = ""
    return tables


def plain_default(text: str | None) -> str | None:
    """Return the value of a default without the syntax of a server: quotes, casts, words for yes and no."""
    if text is None:
        return None
    cast = re.fullmatch(r"(.+?)::[a-z ]+(\(\d+\))?(\[\])?", text)
    text = cast.group(1) if cast else text
    if text.upper() == "NULL":
        return None
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].replace(text[0] * 2, text[0])
    return {"true": "1", "false": "0"}.get(text, text)
