"""Parameters of which some are left open until a recording is known, or are not known of old results."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters.tree import Parameters, without_unasked

UNKNOWN = "unknown"
"""Section of a stored tree that says which of its nulls stand for an unknown value."""

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
    """A parameter tree in which some values wait for the recording, or were never written down.

    Attributes
    ----------
    stand_in
        The tree with all that is known; what it holds under `open_names` and `unknown_names` means nothing.
    open_names
        Dotted names of the values that are open, in the order of `FITTED_NAMES`.
    unknown_names
        Dotted names of the values that are unknown, of results that were made elsewhere. Such parameters
        describe results, and nothing can be run with them.
    results_sha256
        Digest of those results, so that two of which different things are unknown are never the same.
    """

    stand_in: Parameters
    open_names: tuple[str, ...] = ()
    unknown_names: tuple[str, ...] = ()
    results_sha256: str | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nothing is open or unknown."""
        return not self.open_names and not self.unknown_names

    def to_tree(self) -> dict[str, Any]:
        """Nested dict of plain values with every fixed default filled in.

        Under a name that is open stands `auto`, under one that is unknown null, and the section `unknown`
        says which nulls are of that kind.
        """
        tree = self.stand_in.to_tree()
        for name in self.open_names:
            put_value(tree, name, AUTO)
        for name in self.unknown_names:
            put_value(tree, name, None)
        if self.unknown_names:
            names = list(self.unknown_names)
            tree[UNKNOWN] = {"names": names, "results_sha256": self.results_sha256}
        return tree

    def canonical_json(self) -> str:
        """Spell the tree as JSON in one way; that of `Parameters` where nothing is open."""
        return json.dumps(
            without_unasked(self.to_tree()), sort_keys=True, separators=(",", ":"), allow_nan=False
        )

    def sha256(self) -> str:
        """Digest of `canonical_json`, 64 hex digits."""
        return hashlib.sha256(self.canonical_json().encode("utf-8")).hexdigest()

    def allows(self, closed: Parameters) -> bool:
        """Whether `closed` can have come from these: every value that is not open is the same."""
        return replace(self, stand_in=closed).sha256() == self.sha256()

    def require_known(self) -> None:
        """Raise ParameterError where a value is unknown: nothing can be run with it."""
        if self.unknown_names:
            raise ParameterError(
                f"these parameters do not say {shortened_list(self.unknown_names)}: they are what is known "
                "of results that were made elsewhere, and go with task_mode 'load' alone. Give parameters "
                "that say everything, to run the analysis"
            )


AnyParameters = Parameters | OpenParameters
"""What a run may be asked for: closed, or to be fitted to its recording."""


def as_open(parameters: AnyParameters) -> OpenParameters:
    """Take closed parameters as a tree in which nothing is open; open ones as they are."""
    return parameters if isinstance(parameters, OpenParameters) else OpenParameters(parameters)


def value_at(tree: Mapping[str, Any], name: str) -> Any:
    """Value under a dotted name; KeyError where the tree holds none.

    Parameters
    ----------
    tree
        Nested mappings.
    name
        Of a section or a value, as ``TCA.fit.params_method.rank``.
    """
    node: Any = tree
    for key in name.split("."):
        if not isinstance(node, Mapping):
            raise KeyError(name)
        node = node[key]
    return node


def put_value(tree: dict[str, Any], name: str, value: Any) -> None:
    """Set the value under a dotted name, and make the sections on the way.

    Parameters
    ----------
    tree
        Nested dicts, changed in place; what lies where a section is needed is replaced.
    name
        As for `value_at`.
    value
        Stored as it is.
    """
    *sections, last = name.split(".")
    node = tree
    for key in sections:
        inner = node.get(key)
        if not isinstance(inner, dict):
            inner = node[key] = {}
        node = inner
    node[last] = value


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree with the values of another one over its own.

    Parameters
    ----------
    below, above
        Nested mappings. Where both have a section it is joined, else `above` wins; neither is changed, and
        the result shares nothing with them.
    """
    result = copy.deepcopy(dict(below))
    for key, value in above.items():
        own = result.get(key)
        both = isinstance(value, Mapping) and isinstance(own, Mapping)
        result[key] = merged(own, value) if both else copy.deepcopy(value)  # type: ignore[arg-type]
    return result


def shortened_list(names: Sequence[str], n_shown: int = 4) -> str:
    """Names as one text, the last of many left out.

    Parameters
    ----------
    names
        In the order in which they are shown.
    n_shown
        How many are; the text says how many more there are.
    """
    more = f" and {len(names) - n_shown} more" if len(names) > n_shown else ""
    return ", ".join(names[:n_shown]) + more


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names in the order of `FITTED_NAMES`, each once."""
    wanted = set(names)
    return tuple(name for name in FITTED_NAMES if name in wanted)
