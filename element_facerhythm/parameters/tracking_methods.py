"""Which parameters of tracking belong to one of its methods alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_OF_METHOD = {
    "flow": (
        "PointTracker.params_optical_flow.mesh_rigidity",
        "PointTracker.params_optical_flow.relaxation",
        "PointTracker.params_optical_flow.kwargs_method",
        "PointTracker.params_optical_flow.refine",
        "PointTracker.params_clahe",
        "PointTracker.params_outlier_handling.framesHalted_before",
        "PointTracker.params_outlier_handling.framesHalted_after",
        "PointTracker.frames_per_block",
        "PointTracker.relaxation_during_freeze_frames",
    ),
    "anchored": ("PointTracker.params_anchored",),
}


def with_flow_unless_said(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree in which tracking is by flow where no method is said.

    face-rhythm tracks so, and so did this package when there was no choice to be stored.
    """
    tracker = tree.get("PointTracker", {})
    if not isinstance(tracker, Mapping):  # refused when it is checked
        return dict(tree)
    return {**tree, "PointTracker": {"method": "flow", **tracker}}


def unused_by(method: str, names: Iterable[str]) -> list[str]:
    """Return the parameters, of some, that a method of tracking does not use.

    Parameters
    ----------
    method
        `anchored` or `flow`.
    names
        Dotted names of parameters.
    """
    others = tuple(prefix for other, own in _OF_METHOD.items() if other != method for prefix in own)
    return [name for name in names if any(f"{name}.".startswith(f"{p}.") for p in others)]
