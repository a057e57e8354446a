"""The reference page of the parameters, made from the code so that it cannot differ from it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic.fields import FieldInfo

from element_facerhythm.parameters.base import Section
from element_facerhythm.parameters.open import FITTED_NAMES
from element_facerhythm.parameters.reading import UNUSED, inner_section
from element_facerhythm.parameters.tree import Parameters


def reference_tables() -> str:
    """Make Markdown tables of every parameter with its default and meaning, section by section."""
    return "\n".join([*_section(Parameters, ""), *_unused()]) + "\n"


def _section(section: type[Section], path: str) -> Iterator[str]:
    defaults = Parameters().to_tree()
    for key in path.split(".") if path else ():
        defaults = defaults[key]
    inner = {key: inner_section(info) for key, info in section.model_fields.items()}
    leaves = [key for key, kind in inner.items() if kind is None]
    if path or leaves:
        yield f"### {f'`{path}`' if path else 'Top level'}\n"
        yield (section.__doc__ or "").splitlines()[0] + "\n"
    if leaves:
        yield from ("| key | default | meaning |", "|---|---|---|")
        for key in leaves:
            name = f"{path}.{key}" if path else key
            yield _row(key, defaults[key], section.model_fields[key], name in FITTED_NAMES)
        yield ""
    for key, kind in inner.items():
        if kind is not None:
            note = section.model_fields[key].description
            if note:
                yield f"`{path}.{key}`: {note}\n"
            yield from _section(kind, f"{path}.{key}" if path else key)


def _row(key: str, default: object, info: FieldInfo, is_fitted: bool) -> str:
    fitted = " Fitted to the recording." if is_fitted else ""
    return f"| `{key}` | `{json.dumps(default)}` | {info.description}{fitted} |"


def _unused() -> Iterator[str]:
    yield "### Accepted and reported as unused\n"
    yield from ("| section | keys |", "|---|---|")
    for path, keys in UNUSED.items():
        yield f"| {f'`{path}`' if path else 'top level'} | {', '.join(f'`{k}`' for k in keys)} |"
