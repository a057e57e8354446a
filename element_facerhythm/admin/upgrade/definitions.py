"""The layout of tables that their definitions declare, without declaring anything.

DataJoint's own functions turn definitions into SQL. They take the columns of a foreign key from the heading
of the table that it leads to; so each class gets the heading that its definition declares, and the next ones
use that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from element_facerhythm.admin.upgrade.layout import Column, Index, TableLayout, plain_default
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.table_creation import parts_of

_COLUMN = re.compile(
    r"""^[`"](?P<name>\w+)[`"]\ (?P<type>.+?)(?P<not_null>\ NOT\ NULL)?(\ DEFAULT\ (?P<default>.+?))?"""
    r"""(\ COMMENT\ "(?P<comment>.*)")?$""",
    re.VERBOSE | re.DOTALL,
)
_LONGEST_NAME = 63
_INDEX = re.compile(r"(?P<unique>unique\s+)?index\s*\((?P<columns>[^)]+)\)", re.IGNORECASE)


@dataclass(frozen=True)
class DeclaredTable:
    """A table as its definition declares it.

    Attributes
    ----------
    cls
        Class of the table, bound to its schema.
    layout
        Its columns, indexes and foreign keys.
    creation
        Statements that create it.
    parents
        Table and column that each column of a foreign key leads to.
    """

    cls: Any
    layout: TableLayout
    creation: tuple[str, ...]
    parents: Mapping[str, tuple[str, str]]

    @property
    def schema(self) -> str:
        """Name of its schema on the server."""
        return str(self.cls.database)

    @property
    def name(self) -> str:
        """Name of the table on the server."""
        return str(self.cls.table_name)

    @property
    def full_name(self) -> str:
        """Quoted name of schema and table."""
        return str(self.cls.full_table_name)

    @property
    def title(self) -> str:
        """Name of the class, with its master's where it is a part."""
        return title_of(self.cls)


def title_of(cls: Any) -> str:
    """Name of a table's class, with its master's where it is a part."""
    return str(cls.__qualname__)


def declared_tables(schemas: Sequence[Any]) -> list[DeclaredTable]:
    """Work out every table of activated schemas, upstream first.

    Parameters
    ----------
    schemas
        DataJoint schemas whose classes are bound; what they refer to elsewhere must be in the database.
    """
    with _headings_put_back(schemas):
        return [_declared(cls) for schema in schemas for cls in classes_of(schema)]


def classes_of(schema: Any) -> Iterator[Any]:
    """Yield each class of a schema, with its parts after it in the order in which DataJoint declares them."""
    for cls, _ in schema.declare_list:
        yield cls
        yield from parts_of(cls)


@contextmanager
def _headings_put_back(schemas: Sequence[Any]) -> Iterator[None]:
    headings = [(cls, cls._heading) for schema in schemas for cls in classes_of(schema)]
    try:
        yield
    finally:
        for cls, heading in headings:
            cls._heading = heading


def _declared(cls: Any) -> DeclaredTable:
    from datajoint.declare import declare, prepare_declare

    adapter, context = cls.connection.adapter, cls.declaration_context
    comment, primary_key, columns, foreign_keys, indexes, _, parents, comments = prepare_declare(
        cls.definition, context, adapter
    )
    layout = TableLayout(primary_key=tuple(primary_key), comment=comment)
    types = {}
    for sql in columns:
        column, types[column.name] = _column(sql, comments)
        layout.columns[column.name] = column
    layout.indexes = [_index(cls, text) for text in indexes]
    for text in foreign_keys:
        own = re.search(r"FOREIGN KEY \((.+?)\)", text)
        assert own is not None, text
        layout.foreign_keys[_names(own.group(1))] = f"ALTER TABLE {cls.full_table_name} ADD {text}"
    creation, _, _, _, before, after = declare(
        cls.full_table_name, cls.definition, context, adapter, config=cls.connection._config
    )
    _set_heading(cls, layout, types)
    return DeclaredTable(cls, layout, (*before, creation, *after), parents)


def _column(sql: str, comments: dict[str, str]) -> tuple[Column, str]:
    """Read a column off its SQL; with its type on the server."""
    found = _COLUMN.match(sql)
    assert found is not None, sql
    name = found["name"]
    comment = found["comment"]
    comment = comments.get(name, "") if comment is None else comment.replace('\\"', '"')
    column = Column(name, found["not_null"] is None, plain_default(found["default"]), comment, sql)
    return column, found["type"]


def _index(cls: Any, text: str) -> Index:
    """Read an index off its SQL, with the name that the server or DataJoint gives it."""
    found = _INDEX.match(text)
    assert found is not None, text
    columns, unique = _names(found["columns"]), found["unique"] is not None
    adapter = cls.connection.adapter
    if adapter.backend == "mysql":
        return Index(columns[0], columns, unique)
    statement = adapter.create_index_ddl(cls.full_table_name, list(columns), unique=unique)
    named = re.search(r'INDEX "(.+?)" ON', statement)
    assert named is not None, statement
    return Index(named.group(1)[:_LONGEST_NAME], columns, unique)  # the server cuts it off


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip().strip('`"') for name in text.split(","))


def _set_heading(cls: Any, layout: TableLayout, types: dict[str, str]) -> None:
    """Set the heading of a class from its definition, as DataJoint would read it from the server."""
    dj = import_datajoint()
    from datajoint.heading import default_attribute_properties

    marker = re.compile(r":[^:]+:")
    cls._heading = dj.heading.Heading(
        {
            **default_attribute_properties,
            "name": name,
            "type": types[name],
            "in_key": name in layout.primary_key,
            "nullable": column.nullable,
            "comment": marker.sub("", column.comment, count=1)
            if marker.match(column.comment)
            else column.comment,
        }
        for name, column in layout.columns.items()
    )
