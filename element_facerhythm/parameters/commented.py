"""A parameter file for people: YAML with the reason of every value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic.fields import FieldInfo

from element_facerhythm.parameters.base import Section
from element_facerhythm.parameters.fitting import FittedValue
from element_facerhythm.parameters.open import AUTO, OpenParameters
from element_facerhythm.parameters.reading import inner_section, known_names
from element_facerhythm.parameters.tracking_methods import unused_by
from element_facerhythm.parameters.tree import Parameters

_WIDTH = 100


def commented_yaml(
    parameters: OpenParameters, fitted: Iterable[FittedValue], *, heading: Sequence[str] = ()
) -> str:
    """Write a whole parameter tree as YAML.

    Parameters
    ----------
    parameters
        What the file says; reading it returns these parameters.
    fitted
        Values that were fitted to a recording; their reasons become comments.
    heading
        Lines to begin with, as comments.

    Returns
    -------
    str
        Above each value stands why it is what it is, or for a fixed one what it means, or that the method
        of tracking does not use it.
    """
    reasons = {value.name: f"fitted: {value.reason}" for value in fitted}
    method = parameters.stand_in.PointTracker.method
    reasons |= dict.fromkeys(unused_by(method, known_names()), f"not used by method {method}")
    lines = [line for text in heading for line in _comment(text, 0)]
    lines += _section(parameters.to_tree(), Parameters, "", reasons, 0)
    return "\n".join(lines) + "\n"


def _section(
    tree: Mapping[str, Any],
    section: type[Section],
    path: str,
    reasons: Mapping[str, str],
    depth: int,
) -> Iterator[str]:
    indent = "  " * depth
    for key, info in section.model_fields.items():
        name, value = f"{path}.{key}" if path else key, tree[key]
        inner = inner_section(info)
        if inner is not None and isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _section(value, inner, name, reasons, depth + 1)
        else:
            yield from _comment(_why(name, value, info, reasons), depth)
            yield f"{indent}{key}: {_plain(value)}"


def _why(name: str, value: Any, info: FieldInfo, reasons: Mapping[str, str]) -> str:
    if name in reasons:
        return reasons[name]
    if value == AUTO:
        return f"fitted to the regions when it is run. {info.description or ''}"
    return info.description or ""


def _comment(text: str, depth: int) -> Iterator[str]:
    """Break a text into lines of comment."""
    begin, line = "  " * depth + "#", ""
    for word in text.split():
        if line and len(begin) + len(line) + len(word) + 1 > _WIDTH:
            yield begin + line
            line = ""
        line += f" {word}"
    if line:
        yield begin + line


def _plain(value: Any) -> str:
    """Spell a value as YAML reads it back: JSON, but for numbers such as 1e-09, which need a dot."""
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, float) and "e" in (text := repr(value)):
        digits, _, power = text.partition("e")
        return text if "." in digits else f"{digits}.0e{power}"
    return value if value == AUTO else json.dumps(value)
