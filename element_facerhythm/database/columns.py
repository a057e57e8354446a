"""What a column can hold, checked before the database truncates or refuses it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from element_facerhythm.errors import RequestError


def require_length(table: Any, attribute: str, value: str) -> None:
    """Refuse a text that is longer than its column.

    Parameters
    ----------
    table
        DataJoint table, activated.
    attribute
        Name of the column.
    value
        What is to be entered.

    Raises
    ------
    RequestError
        The message says how long it is and may be.
    """
    declared = table.heading.attributes[attribute].type
    if declared.startswith("varchar(") and len(value) > (limit := int(declared[8:-1])):
        name = getattr(table, "__name__", table.table_name)
        raise RequestError(
            f"{attribute} {value!r} has {len(value)} characters, the column of {name} takes "
            f"{limit}; shorten it"
        )


def taken_for_one(table: Any, attribute: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of different names that the server takes for one in a column.

    MySQL compares texts without regard to case and accents unless configured otherwise; PostgreSQL compares
    them as they are.

    Parameters
    ----------
    table
        DataJoint table, activated.
    attribute
        Its column.
    names
        The names.

    Returns
    -------
    Pairs, in the order of `names`.
    """
    connection = table.connection
    distinct = list(dict.fromkeys(names))
    collation = _collation(table, attribute)
    if collation is None or len(distinct) < 2:
        return []
    character_set = collation.partition("_")[0]
    text = f"CONVERT(%s USING {character_set}) COLLATE {collation}"
    rows = " UNION ALL ".join(
        f"SELECT {number} AS place, {text} AS name" for number in range(len(distinct))
    )
    query = (
        f"SELECT a.place, b.place FROM ({rows}) AS a JOIN ({rows}) AS b "
        "ON a.name = b.name AND a.place < b.place ORDER BY a.place, b.place"
    )
    found = connection.query(query, args=(*distinct, *distinct)).fetchall()
    return [(distinct[int(a)], distinct[int(b)]) for a, b in found]


def require_distinct(table: Any, attribute: str, names: Sequence[str]) -> None:
    """Refuse names that the server would take for one in a column.

    Parameters
    ----------
    table, attribute, names
        As of `taken_for_one`.

    Raises
    ------
    RequestError
        The message names two of them.
    """
    for one, other in taken_for_one(table, attribute, names):
        raise RequestError(
            f"{attribute.replace('_', ' ')} {one!r} and {other!r} are one and the same to the "
            "database server, "
            f"which compares {table.__name__} without regard to case or accents; rename one "
            f"(--rename {shlex.quote(f'{other}={other}_2')})"
        )


def stored_spelling(table: Any, attribute: str, name: str) -> str | None:
    """Name in a column that the server takes for `name`; None where there is none.

    Parameters
    ----------
    table
        DataJoint table class, activated.
    attribute
        Name of the column.
    name
        The text that is looked for; returned itself where the column holds it as it is.
    """
    found = (table() & {attribute: name}).to_arrays(attribute)
    return None if not len(found) else name if name in found else str(found[0])


def _collation(table: Any, attribute: str) -> str | None:
    """How MySQL compares a column; None on a server that compares texts as they are."""
    if table.connection.adapter.backend != "mysql":
        return None
    query = (
        "SELECT collation_name FROM information_schema.columns "
        "WHERE table_schema = %s AND table_name = %s AND column_name = %s"
    )
    row = table.connection.query(
        query, args=(table.database, table.table_name, attribute)
    ).fetchone()
    collation = None if row is None or row[0] is None else str(row[0])
    # it becomes part of a statement
    return collation if collation and re.fullmatch(r"[A-Za-z0-9_]+", collation) else None
