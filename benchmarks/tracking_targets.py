"""What was promised of tracks: their speed, and how far they are from the truth."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.target import Result, Target
from benchmarks.tracking import DEFAULT, EXACT, FLOW, INSTALLED, OURS, TUNED, WITHOUT_CLAHE


def _ratio(part: str, fast: str, slow: str) -> Callable[[Result], float | None]:
    return lambda result: result.get(part, {}).get("ratios", {}).get(f"{fast} over {slow}")


def _agreement(name: str, key: str) -> Callable[[Result], float | None]:
    return lambda result: result["textured"]["agreement"][name][key]


def _exact_everywhere(result: Result) -> float:
    parts = [result[part] for part in ("textured", "violating") if part in result]
    return float(all(part["agreement"][EXACT]["identical"] for part in parts))


def _overall(key: str) -> Callable[[Result], float | None]:
    return lambda result: result["summary"][result["variants"][0]][key]


def _largest_drift_px(result: Result) -> float | None:
    ours = result["variants"][0]
    return max(
        (row[ours]["drift_px"] for row in result["rows"] if row["set"] == "drift"), default=None
    )


def _of_pictures(key: str) -> Callable[[Result], float | None]:
    return lambda result: result["summary"]["default"][key]


_TIMES = " x"
TRACKING_TARGETS: tuple[Target, ...] = (
    Target(
        "tracking",
        "tracking by flow without refinement, over face-rhythm as installed",
        ">=",
        6,
        _ratio("textured", OURS, INSTALLED),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking by flow without refinement, over face-rhythm at its best",
        ">=",
        5,
        _ratio("textured", OURS, TUNED),
        _TIMES,
    ),
    Target(
        "tracking",
        "the same, median difference",
        "<=",
        0.001,
        _agreement(OURS, "median_px"),
        " px",
    ),
    Target(
        "tracking",
        "the same, 99th percentile of the difference",
        "<=",
        0.02,
        _agreement(OURS, "p99_px"),
        " px",
    ),
    Target("tracking", "tracking, exact mode bit-identical", "=", 1, _exact_everywhere),
    Target(
        "tracking",
        "tracking by default, over face-rhythm as installed",
        ">=",
        25,
        _ratio("textured", DEFAULT, INSTALLED),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking by default, time over the bound",
        "<=",
        1.3,
        _ratio("textured", DEFAULT, "the bound"),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking where points violate, by default, over face-rhythm as installed",
        ">=",
        40,
        _ratio("violating", DEFAULT, INSTALLED),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking by flow, over face-rhythm as installed",
        ">=",
        10,
        _ratio("textured", FLOW, INSTALLED),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking by flow without refinement, time over the bound",
        "<=",
        1.5,
        _ratio("textured", OURS, "the bound"),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking by flow, time over the bound",
        "<=",
        1.5,
        _ratio("textured", FLOW, "the bound"),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking by flow without CLAHE, time over the bound",
        "<=",
        1.5,
        _ratio("textured", WITHOUT_CLAHE, "the bound"),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking where points violate, by flow without refinement, over face-rhythm as installed",
        ">=",
        8,
        _ratio("violating", OURS, INSTALLED),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking where points violate, by flow, over face-rhythm as installed",
        ">=",
        8,
        _ratio("violating", FLOW, INSTALLED),
        _TIMES,
    ),
    Target(
        "accuracy",
        "error over face-rhythm's, all cells",
        "<=",
        0.25,
        _overall("overall_error_ratio"),
    ),
    Target(
        "accuracy",
        "largest drift in 1,000 frames, of points in view",
        "<=",
        0.05,
        _largest_drift_px,
        " px",
    ),
    Target(
        "accuracy",
        "confidence tells the worst 5 % of point-frames (area under ROC), mean of scenes",
        ">=",
        0.9,
        _overall("confidence_auc"),
    ),
    Target(
        "real_pictures",
        "moved pictures of animals, median error over face-rhythm's",
        "<=",
        0.12,
        _of_pictures("median_px"),
    ),
    Target(
        "real_pictures",
        "the same, 95th percentile",
        "<=",
        0.12,
        _of_pictures("p95_px"),
    ),
    Target(
        "real_pictures",
        "the same, the largest of both in any cell",
        "<=",
        0.3,
        _of_pictures("worst"),
    ),
    Target(
        "real_pictures",
        "the same, largest drift in 1,000 frames",
        "<=",
        0.05,
        _of_pictures("worst_drift_px"),
        " px",
    ),
    Target(
        "real_pictures",
        "the same, confidence tells the worst 5 % of point-frames, mean of cells",
        ">=",
        0.9,
        _of_pictures("confidence_auc"),
    ),
    Target("accuracy", "cells in which ours is worse", "<=", 0, _overall("n_worse")),
    Target(
        "dic",
        "anchored tracking, median error over a DIC package's (affine), no noise",
        "<=",
        1.0,
        lambda r: r["ours_over_affine"],
    ),
)
