"""Renamed columns and values of existing rows, for tables that get another version.

Differences of columns and tables are found by comparison with their definitions. This module describes what
no comparison can find: that a column has another name now, and which values existing rows get in a new
column. A new column that may be NULL, or has a default, needs no entry: existing rows get that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rows = Callable[[Any], Iterator[dict[str, Any]]]


@dataclass(frozen=True)
class Fill:
    """Values that existing rows get in a column.

    Attributes
    ----------
    table, column
        Names in the present definitions, parts as `Master.Part`.
    why
        What they get, and why, for the administrator.
    sql
        Expression of SQL; `{Table.column}` is the value in the row of another table that the row comes from.
        Rows that have a value already keep it.
    rows
        In place of `sql`: given the class of the table, yields key and new values of each row that is to
        change. It must yield the same when it is called again after some were changed.
    """

    table: str
    column: str
    why: str
    sql: str = ""
    rows: Rows | None = None


@dataclass(frozen=True)
class Changes:
    """Changes of a version that its definitions do not show.

    Attributes
    ----------
    renamed
        For each table (by its present name), earlier columns by their new names.
    filled
        In the order in which they are done.
    """

    renamed: Mapping[str, Mapping[str, str]]
    filled: Sequence[Fill]


def of_table(title: str, *fills: tuple[str, str, str]) -> Iterator[Fill]:
    """Yield fills of one table.

    Parameters
    ----------
    title
        Name of the table's class.
    fills
        Of each column: its name, the SQL of its value, and why it is filled.
    """
    for column, sql, why in fills:
        yield Fill(title, column, why, sql)
