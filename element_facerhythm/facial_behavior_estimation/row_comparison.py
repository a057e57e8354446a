"""Whether the rows of a table are those that follow from its files."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from element_facerhythm.facial_behavior_estimation.array_codec import ArrayCodec
from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.fleet.claims import as_key

RELATIVE_TOLERANCE = 1e-6
"""Difference of two numbers that another machine's arithmetic explains."""


def compare_rows(
    table: Any,
    key: Key,
    expected: Iterable[Mapping[str, Any]],
    *,
    unknown: set[str] | None = None,
) -> str | None:
    """Compare what a table holds below a key with what it should hold.

    Parameters
    ----------
    table
        A DataJoint table class.
    key
        Key of the entry that the rows belong to; it is part of each of them.
    expected
        The rows, without `key`.
    unknown
        Given for rows of an earlier version of the tables: a NULL is no difference then, and its column is
        added here.

    Returns
    -------
    str or None
        What differs first, and how many rows differ; None where nothing does.
    """
    own = [name for name in table.primary_key if name not in key]
    stored = {_identity(row, own): row for row in _stored_rows(table, key, own)}
    faults = []
    for row in expected:
        other = stored.pop(_identity(row, own), None)
        where = ", ".join(f"{name} {row[name]}" for name in own) or "the row"
        if other is None:
            faults.append(f"{where} is missing")
        else:
            different = [name for name in row if not _same(other[name], row[name])]
            if unknown is not None:
                unknown.update(name for name in different if other[name] is None)
                different = [name for name in different if other[name] is not None]
            faults += [f"{where} has another {different[0]}"] if different else []
    faults += [f"{', '.join(f'{n} {row[n]}' for n in own)} was added" for row in stored.values()]
    if not faults:
        return None
    return faults[0] + (f" (and {len(faults) - 1} rows more differ)" if len(faults) > 1 else "")


def _stored_rows(table: Any, key: Key, own: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as they are stored: references to arrays as the JSON objects that they are."""
    query = table() & key
    attributes = query.heading.attributes
    references = [n for n, attr in attributes.items() if isinstance(attr.codec, ArrayCodec)]
    others = [n for n in query.heading.secondary_attributes if n not in references]
    rows = list(query.proj(*others).to_dicts())
    if references:
        raw = query.proj(*references).cursor(as_dict=True).fetchall()
        by_key = {_identity(row, own): row for row in raw}
        for row in rows:
            texts = by_key[_identity(row, own)]
            row |= {n: None if texts[n] is None else as_key(texts[n]) for n in references}
    return rows


def _identity(row: Mapping[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in names)


def _same(stored: Any, expected: Any) -> bool:
    if stored is None or expected is None:
        return stored is None and expected is None
    if hasattr(expected, "dataset"):  # a reference to an array
        return bool(ArrayCodec().encode(expected) == stored)
    if isinstance(expected, np.ndarray):
        return np.shape(stored) == expected.shape and np.allclose(
            stored, expected, rtol=RELATIVE_TOLERANCE, equal_nan=True
        )
    if isinstance(expected, float):
        return bool(np.isclose(float(stored), expected, rtol=RELATIVE_TOLERANCE, equal_nan=True))
    return bool(stored == expected)
