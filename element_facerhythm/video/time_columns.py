"""Frame times in a table or an array that a camera's software wrote: which column, in which unit.

Recorders write seconds, milliseconds, microseconds, nanoseconds or dates, with or without a header, beside
frame numbers and whatever else. A column is taken for times where it rises from row to row and gives a
frame rate that a camera can have; of several, the one whose name says so, else the first. The unit is the
one that brings the rate nearest to that of the video.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Float64Array

_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_RATES_HZ = (0.5, 20_000.0)  # of cameras
_TYPICAL_HZ = 60.0
_FARTHEST = 3.0  # factor between the rate of a column and that of the video
_NAMES = frozenset(
    {"time", "times", "timestamp", "timestamps", "ts", "t", "seconds", "sec", "frametime"}
)
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, eq=False)
class TimeColumn:
    """Times of frames as a file gives them.

    Attributes
    ----------
    times_s
        (T,) seconds after the first one, strictly rising.
    name
        The column, for messages.
    unit
        Unit in the file: ``"s"``, ``"ms"``, ``"us"``, ``"ns"`` or ``"date"``.
    first_s
        The first time as the file counts, seconds; of dates, since 1970, in UTC where they say no zone.
    """

    times_s: Float64Array
    name: str
    unit: str
    first_s: float = 0.0


def times_in_text(text: str, rate_hz: float | None) -> TimeColumn | None:
    """Find the column of times in a text; None where it has none.

    Parameters
    ----------
    text
        Rows of one or more columns, apart by commas, semicolons, tabs or blanks; the first may hold names.
    rate_hz
        Approximate rate of the video, which decides the unit; None where it is not known.
    """
    rows = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not rows:
        return None
    separator = next((mark for mark in (";", "\t", ",") if mark in rows[-1]), None)
    cells = [[cell.strip().strip('"') for cell in row.split(separator)] for row in rows]
    names: list[str] = []
    if len(cells) > 1 and not any(_is_value(cell) for cell in cells[0]):
        names, cells = cells[0], cells[1:]
    width = len(cells[0])
    if any(len(row) != width for row in cells):
        return None
    names = names if len(names) == width else [f"column {i + 1}" for i in range(width)]
    columns = [_values([row[i] for row in cells]) for i in range(width)]
    found = (
        _as_times(values, name, dates, rate_hz, first)
        for (values, dates, first), name in zip(columns, names, strict=True)
    )
    return _best([column for column in found if column is not None])


def times_in_array(array: NDArray[np.generic], rate_hz: float | None) -> TimeColumn | None:
    """Find the column of times in an array of numbers; None where it holds none.

    Parameters
    ----------
    array
        (T,), or (T, n) with a row for each frame.
    rate_hz
        Approximate rate of the video, which decides the unit; None where it is not known.
    """
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or not array.size:
        return None
    columns = array.reshape(len(array), -1).T.astype(np.float64)
    named = ((values, f"column {i + 1}") for i, values in enumerate(columns))
    found = (_as_times(values, name, False, rate_hz) for values, name in named)
    return _best([column for column in found if column is not None])


def _best(columns: Sequence[TimeColumn]) -> TimeColumn | None:
    named = [c for c in columns if not _NAMES.isdisjoint(_WORD.findall(c.name.lower()))]
    measured = [c for c in columns if not _is_numbering(c.times_s)]
    return next(iter([*named, *measured, *columns]), None)


def _as_times(
    values: Float64Array | None,
    name: str,
    are_dates: bool,
    rate_hz: float | None,
    first: float = 0.0,
) -> TimeColumn | None:
    if values is None or len(values) < 2 or not np.isfinite(values).all():
        return None
    first += float(values[0])
    values = values - values[0]  # nanoseconds since 1970 are beyond a float once they are scaled
    if not (np.diff(values) > 0).all():
        return None
    if are_dates:
        return TimeColumn(values, name, "date", first)
    median = float(np.median(np.diff(values)))
    units = {unit: 1 / (scale * median) for unit, scale in _UNITS.items()}
    near = {u: abs(math.log(hz / (rate_hz or _TYPICAL_HZ))) for u, hz in units.items()}
    unit = min(near, key=near.__getitem__)
    low, high = _RATES_HZ
    if (rate_hz is not None and near[unit] > math.log(_FARTHEST)) or not low <= units[unit] <= high:
        return None
    return TimeColumn(values * _UNITS[unit], name, unit, first * _UNITS[unit])


def _is_numbering(times_s: Float64Array) -> bool:
    """Whether these are the numbers of frames rather than times."""
    steps = np.diff(times_s)
    return bool((steps == steps[0]).all())


def _values(cells: Sequence[str]) -> tuple[Float64Array | None, bool, float]:
    """Numbers of a column, or its dates in seconds and true; None where it has neither; and their origin."""
    try:
        if _DATE.match(cells[0]):
            dates = [datetime.fromisoformat(_short(cell)) for cell in cells]
            first = dates[0]
            since_1970 = (first if first.tzinfo else first.replace(tzinfo=UTC)).timestamp()
            seconds = np.array([(date - first).total_seconds() for date in dates])
            return seconds, True, since_1970
        if all(_WHOLE.fullmatch(cell) for cell in cells):
            first_number = int(cells[0])
            numbers = np.array([float(int(cell) - first_number) for cell in cells])
            return numbers, False, float(first_number)
        return np.array([float(cell) for cell in cells]), False, 0.0
    except (ValueError, TypeError, OverflowError):
        return None, False, 0.0


_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_WHOLE = re.compile(r"-?\d{1,25}")
_FRACTION = re.compile(r"(\.\d{6})\d+")


def _short(date: str) -> str:
    """Cut a fraction of more digits than a date can have, as Bonsai writes it."""
    return _FRACTION.sub(r"\1", date)


def _is_value(cell: str) -> bool:
    if _DATE.match(cell):
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True
