"""Values of numpy and pandas, as plain Python has them.

Rows, keys and parameters come out of arrays and data frames. Most of what they pass through (JSON, strict
types, texts of SQL) knows Python's own numbers alone.
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from element_facerhythm.errors import RequestError

_PLAIN = frozenset((int, float, str, bool, type(None)))


def plain(value: Any) -> Any:
    """Return a value with every number and array of numpy in it as Python's own, and paths as text.

    Parameters
    ----------
    value
        Anything. Arrays become lists, arrays without dimension and numpy's numbers become numbers, tuples
        lists, data-frame columns lists; mappings and lists are gone through. What is none of these stays.
    """
    if _is_plain(value):
        return value  # what a file held, as a rule: long lists are not copied
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, PurePath) else value


def _is_plain(value: Any) -> bool:
    if type(value) is list:
        return all(type(item) in _PLAIN or _is_plain(item) for item in value)
    if type(value) is dict:
        return all(type(name) is str and _is_plain(item) for name, item in value.items())
    return type(value) in _PLAIN


def plain_row(given: Any, what: str = "key") -> dict[str, Any]:
    """Return a row as a dictionary of plain values.

    Parameters
    ----------
    given
        A mapping, a row of a data frame (`frame.iloc[0]`, or one of `frame.itertuples()`), or a numpy record.
        Times of numpy become those of Python.
    what
        Its name in messages.

    Raises
    ------
    RequestError
        It is none of these.
    """
    names = getattr(getattr(given, "dtype", None), "names", None)
    if isinstance(given, Mapping):
        row = dict(given)
    elif names and getattr(given, "ndim", None) == 0:
        row = {name: given[name] for name in names}
    elif hasattr(given, "_asdict"):
        row = given._asdict()
    elif hasattr(given, "to_dict") and getattr(given, "ndim", None) == 1:
        row = given.to_dict()
    else:
        raise RequestError(
            f"{what} is a {type(given).__name__}; expected a mapping of column names to values, or one row "
            "of a data frame"
        )
    return {
        str(name): _time(value) if _is_time(value) else plain(value) for name, value in row.items()
    }


def whole_number(name: str, value: Any) -> int:
    """Return a value that must be a whole number, of numpy and 3.0 as well (data frames make that of 3).

    Parameters
    ----------
    name
        What the message calls it.
    value
        Anything; True and False are no numbers.

    Raises
    ------
    RequestError
        It is no whole number.
    """
    number = plain(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool):
        raise RequestError(f"{name} is {value!r}; expected a whole number")
    return number


def _is_time(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") == "M" and value.ndim == 0


def _time(value: Any) -> Any:
    return value.astype("datetime64[us]").item()  # of nanoseconds, numpy itself gives a number
