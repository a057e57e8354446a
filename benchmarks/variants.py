"""Ways of running our tracker that benchmarks can compare: names, and what each changes.

A variant is a set of arguments of `core.tracking.track_points` that replace those that follow from the
parameters. Add one here to try it: ``python -m benchmarks.accuracy --ours-variant NAME``.
"""

from __future__ import annotations

from typing import Any

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "unrefined": {"refine": False},
    "exact": {"rewind": "face-rhythm", "backend": "opencv", "refine": False},
    "no-clahe": {"clahe_tile_grid": None},
    "tiles-8": {"clahe_tile_grid": (8, 8)},
    "torch": {"backend": "torch"},
}
