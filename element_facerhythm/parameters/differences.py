"""How two nested trees differ, one readable line per leaf."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from element_facerhythm.parameters.tree import Parameters

_ABSENT = object()
_SHOWN_CHARACTERS = 80


def describe_difference(
    before: Parameters | Mapping[str, Any], after: Parameters | Mapping[str, Any]
) -> tuple[str, ...]:
    """Lines such as ``PointTracker.relaxation: 0.5 -> 0.1``, one for each value that differs.

    Parameters
    ----------
    before, after
        Parameters, or nested mappings of plain values (fingerprints). Lines are in the order of `after`, then
        come names that only `before` has; where the two are equal, there is none.
    """
    old, new = (t.to_tree() if isinstance(t, Parameters) else t for t in (before, after))
    return tuple(_differences(old, new, ""))


def _differences(before: Any, after: Any, path: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in (*after, *(key for key in before if key not in after)):
            name = f"{path}.{key}" if path else str(key)
            yield from _differences(before.get(key, _ABSENT), after.get(key, _ABSENT), name)
    elif before is _ABSENT or after is _ABSENT or before != after:
        yield f"{path}: {_show(before)} -> {_show(after)}"


def _show(value: Any) -> str:
    if value is _ABSENT:
        return "(absent)"
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."
