"""Keys as callers have them: mappings, with numbers of numpy, or rows of a data frame."""

import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from element_facerhythm.errors import RequestError
from element_facerhythm.files.plain import plain_row, whole_number


def key_of(table: Any, given: Any) -> dict[str, Any]:
    """Return the primary key of a table, out of what a caller gave.

    Parameters
    ----------
    table
        DataJoint table, activated.
    given
        A mapping, a row of a data frame or a numpy record, with the primary key; the rest is left out.

    Raises
    ------
    RequestError
        A column of the primary key is missing or empty in it, or is no whole number where one is needed.
    """
    row = plain_row(given, f"the key of {table.__name__}")
    missing = [name for name in table.primary_key if _is_empty(row.get(name))]
    if missing:
        raise RequestError(
            f"key {key_text(row)} lacks {', '.join(missing)}; the primary key of {table.__name__} is "
            f"{', '.join(table.primary_key)}"
        )
    types = table.heading.attributes
    return {
        name: whole_number(name, row[name])
        if _is_fraction_of(types[name], row[name])
        else row[name]
        for name in table.primary_key
    }


def restriction_of(table: Any, given: Any) -> dict[str, Any]:
    """Return what a caller gave as a restriction of a table; never an empty one, which would select all rows.

    Parameters
    ----------
    table
        DataJoint table, activated.
    given
        A mapping, a row of a data frame or a numpy record, with at least one column of the primary key;
        further columns stay in it.

    Raises
    ------
    RequestError
        It is no row, or has no column of the primary key.
    """
    row = plain_row(given, f"the key of {table.__name__}")
    if not any(name in row for name in table.primary_key):
        raise RequestError(
            f"key {key_text(row)} has no column of the primary key of {table.__name__} "
            f"({', '.join(table.primary_key)})"
        )
    return row


def key_text(key: Mapping[str, Any]) -> str:
    """Return a key as it is typed behind `--key`: `subject=m1 session_id=3`, times in ISO 8601."""
    return " ".join(f"{name}={shlex.quote(_text(value))}" for name, value in key.items())


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_empty(value: Any) -> bool:
    return value is None or value != value  # NaN, NaT


def _is_fraction_of(attribute: Any, value: Any) -> bool:
    """Whether a fractional number stands where a column takes whole ones."""
    return isinstance(value, float) and "int" in attribute.type
