"""Rows of results as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from element_facerhythm.io.atomic import atomic_path


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows as CSV, whole or not at all, and return the path; NaN and None become empty cells.

    Parameters
    ----------
    path
        The file; its directory is made if missing, and a file there is replaced.
    columns
        Names, in their order.
    rows
        With these keys; a key that a row lacks is an empty cell.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return path


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
