"""Values of columns, from text as people type it."""

import re
import uuid
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from element_facerhythm.errors import RequestError

_DATE = r"date$"
_TIME = r"(datetime|timestamp)"
_WHOLE = r"u?(tiny|small|medium|big)?int(eger|\d|\b)"
_BITS = {"tiny": 8, "small": 16, "medium": 24, "": 32, "big": 64}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

_READERS: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
    (r"bool", "true or false", lambda text: _TRUTH[text.lower()]),
    (r"uuid", "a UUID", uuid.UUID),
    (_DATE, "a date such as 2026-03-01", date.fromisoformat),
    (
        _TIME,
        "a time such as 2026-03-01T10:30:00",
        lambda text: _without_zone(datetime.fromisoformat(text)),
    ),
    (r"time", "a time of the day such as 10:30:00", time.fromisoformat),
    (r"(decimal|numeric)", "a number", Decimal),
    (r"(float|double|real)", "a number", float),
)
"""Pattern of a type as in a heading, what is expected, and its reader; values of other types are texts."""


def value_of_text(table: Any, name: str, text: str) -> Any:
    """Value of a column, as the table takes it.

    Parameters
    ----------
    table
        DataJoint table, activated.
    name
        Name of the column.
    text
        What the user typed.

    Raises
    ------
    RequestError
        The text is none of the column's type; the message says what is expected.
    """
    declared = declared_type(table, name)
    for pattern, expected, read in _readers_of(declared):
        if re.match(pattern, declared):
            try:
                return read(text.strip())
            except (ValueError, KeyError, ArithmeticError) as error:
                raise RequestError(
                    f"{name}={text!r}: column {name} of {table.full_table_name} is of type {declared}; "
                    f"expected {expected}"
                ) from error
    return text


def declared_type(table: Any, name: str) -> str:
    """Type of a column as it was declared, as far as the server keeps that.

    Parameters
    ----------
    table
        DataJoint table, activated.
    name
        Name of the column.
    """
    column = table.heading.attributes[name]
    return "uuid" if column.uuid else str(column.original_type or column.type)


def is_whole_number(declared: str) -> bool:
    """Whether a declared type is that of whole numbers."""
    return re.match(_WHOLE, declared) is not None


def is_time(declared: str) -> bool:
    """Whether a declared type is that of days with times."""
    return re.match(_TIME, declared) is not None


def is_date(declared: str) -> bool:
    """Whether a declared type is that of days."""
    return re.match(_DATE, declared) is not None


def _readers_of(declared: str) -> "tuple[tuple[str, str, Callable[[str], Any]], ...]":
    """Readers of all types, and of this one where it names its values or their range."""
    values = [v.replace("''", "'") for v in re.findall(r"'((?:[^']|'')*)'", declared)]
    by_name = {value.lower(): value for value in values}
    lowest, highest = _range_of(declared)

    # MySQL keeps a bool as a tiny number, which is the type of a column that inherits it
    words = {"true": 1, "yes": 1, "false": 0, "no": 0} if declared == "tinyint" else {}

    def whole_number(text: str) -> int:
        if text.lower() in words:
            return words[text.lower()]
        if not lowest <= (number := int(text)) <= highest:
            raise ValueError("out of range")
        return number

    return (
        (r"enum", f"one of {', '.join(values)}", lambda text: by_name[text.lower()]),
        (
            _WHOLE,
            f"a whole number from {lowest} to {highest}{', true or false' * bool(words)}",
            whole_number,
        ),
        *_READERS,
    )


def _range_of(declared: str) -> tuple[int, int]:
    """Lowest and highest whole number of a type."""
    size = re.match(r"u?int(\d+)", declared)
    word = re.match(r"(tiny|small|medium|big)?int", declared)
    bits = int(size[1]) if size else _BITS[word[1] or ""] if word else 64
    if declared.startswith("u") or "unsigned" in declared:
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _without_zone(given: datetime) -> datetime:
    if given.tzinfo is not None:
        raise ValueError("the column keeps no zone")
    return given
