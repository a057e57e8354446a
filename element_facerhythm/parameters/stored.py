"""Whether parameters that were stored are those that were written, by this version or an earlier one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from element_facerhythm.parameters.open import AnyParameters


def give_digest(parameters: AnyParameters, stored: Mapping[str, Any], sha256: str) -> bool:
    """Return whether parameters are those that a digest was made of.

    An earlier version, whose tree lacked names that have been added since, made its digest without them.

    Parameters
    ----------
    parameters
        As read from `stored`.
    stored
        The tree as it was kept.
    sha256
        Digest that was kept with it.
    """
    if parameters.sha256() == sha256:
        return True
    known = _part_of(json.loads(parameters.canonical_json()), stored)
    text = json.dumps(known, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest() == sha256


def _part_of(tree: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Those values of a tree whose names are in another one, within sections, too."""
    return {
        key: _part_of(value, stored[key])
        if isinstance(value, Mapping) and isinstance(stored[key], Mapping)
        else value
        for key, value in tree.items()
        if key in stored
    }
