"""Requests to ours, in a process of its own: the counterpart of `peer.ask_peer`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.common import REPOSITORY_DIR, ChildRun
from benchmarks.peer import ask

N_WARM_UP_FRAMES = 20


@dataclass(frozen=True)
class OurAnswer:
    """What our process took, and what it said of each job."""

    child: ChildRun
    jobs: list[dict[str, Any]]


def ask_ours(
    jobs: Sequence[Mapping[str, Any]],
    *,
    variant: str = "default",
    environment: Mapping[str, str] | None = None,
) -> OurAnswer:
    """Run jobs (see `peer.job`) in one process, compiled kernels loaded beforehand."""
    search_path = os.pathsep.join([str(REPOSITORY_DIR), os.environ.get("PYTHONPATH", "")])
    request = {"jobs": list(jobs), "variant": variant, "n_warm_up": N_WARM_UP_FRAMES}
    child, answers = ask(
        [sys.executable, "-m", "benchmarks.ours_run"],
        request,
        {"PYTHONPATH": search_path, **(environment or {})},
    )
    return OurAnswer(child, answers)


def without_clahe(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter tree whose flow leaves local contrast as it is."""
    return _laid_over(parameters, {"PointTracker": {"params_clahe": None}})


def by_flow(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter tree that tracks by the flow, matches refined."""
    return _laid_over(parameters, {"PointTracker": {"method": "flow"}})


def without_refinement(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter tree with face-rhythm's own optical flow: its numbers, to rounding."""
    flow = {"method": "flow", "params_optical_flow": {"refine": False}}
    return _laid_over(parameters, {"PointTracker": flow})


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        inner = result.get(key)
        nested = isinstance(inner, Mapping) and isinstance(value, Mapping)
        result[key] = _laid_over(inner, value) if nested else value
    return result
