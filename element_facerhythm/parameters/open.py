"""Parameters of which some are left open until a recording is known."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from element_facerhythm.parameters.tree import Parameters

AUTO = "auto"
"""Stands in a file, or in a stored set, for a value that is fitted to the recording."""

FITTED_NAMES: tuple[str, ...] = (
    "ROIs.make_rois.point_spacing",
    "PointTracker.params_optical_flow.relaxation",
    "PointTracker.params_clahe.tileGridSize",
    "PointTracker.params_outlier_handling.threshold_displacement",
    "PointTracker.params_outlier_handling.framesHalted_before",
    "PointTracker.params_outlier_handling.framesHalted_after",
    "VQT_Analyzer.params_VQT.Fs_sample",
    "VQT_Analyzer.params_VQT.F_max",
    "VQT_Analyzer.params_VQT.F_min",
    "VQT_Analyzer.params_VQT.Q_lowF",
    "VQT_Analyzer.params_VQT.Q_highF",
    "VQT_Analyzer.params_VQT.downsample_factor",
    "TCA.fit.params_method.rank",
)
"""Parameters that depend on the camera or the recording: open where nothing is said of them.

All others have one default for every recording.
"""


@dataclass(frozen=True)
class OpenParameters:
    """A parameter tree in which some values wait for the recording.

    Attributes
    ----------
    stand_in
        The tree with all that is known; what it holds under `open_names` means nothing.
    open_names
        Dotted names of the values that are open, in the order of `FITTED_NAMES`.
    """

    stand_in: Parameters
    open_names: tuple[str, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether nothing is open."""
        return not self.open_names

    def to_tree(self) -> dict[str, Any]:
        """Nested dict of plain values with every fixed default filled in, and `auto` where one is open."""
        tree = self.stand_in.to_tree()
        for name in self.open_names:
            put_value(tree, name, AUTO)
        return tree

    def canonical_json(self) -> str:
        """Spell the tree as JSON in one way; that of `Parameters` where nothing is open."""
        return json.dumps(self.to_tree(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    def sha256(self) -> str:
        """Digest of `canonical_json`, 64 hex digits."""
        return hashlib.sha256(self.canonical_json().encode("utf-8")).hexdigest()

    def allows(self, closed: Parameters) -> bool:
        """Whether `closed` can have come from these: every value that is not open is the same."""
        return OpenParameters(closed, self.open_names).sha256() == self.sha256()


AnyParameters = Parameters | OpenParameters
"""What a run may be asked for: closed, or to be fitted to its recording."""


def as_open(parameters: AnyParameters) -> OpenParameters:
    """Take closed parameters as a tree in which nothing is open; open ones as they are."""
    return parameters if isinstance(parameters, OpenParameters) else OpenParameters(parameters)


def value_at(tree: Mapping[str, Any], name: str) -> Any:
    """Value under a dotted name; KeyError where the tree holds none."""
    node: Any = tree
    for key in name.split("."):
        if not isinstance(node, Mapping):
            raise KeyError(name)
        node = node[key]
    return node


def put_value(tree: dict[str, Any], name: str, value: Any) -> None:
    """Set the value under a dotted name, and make the sections on the way."""
    *sections, last = name.split(".")
    node = tree
    for key in sections:
        inner = node.get(key)
        if not isinstance(inner, dict):
            inner = node[key] = {}
        node = inner
    node[last] = value


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with the values of `above` in their places; sections are joined."""
    result = copy.deepcopy(dict(below))
    for key, value in above.items():
        own = result.get(key)
        both = isinstance(value, Mapping) and isinstance(own, Mapping)
        result[key] = merged(own, value) if both else copy.deepcopy(value)  # type: ignore[arg-type]
    return result


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names in the order of `FITTED_NAMES`, each once."""
    wanted = set(names)
    return tuple(name for name in FITTED_NAMES if name in wanted)
