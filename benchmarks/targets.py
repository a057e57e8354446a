"""What was promised, and how it is read from the result files: the table of ``make bench``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.common import read_result
from benchmarks.scale_report import queue_overhead_ms, slowest_query_ms, status_s
from benchmarks.tracking import DEFAULT, EXACT, INSTALLED, OURS, TUNED, WITHOUT_CLAHE

Result = Mapping[str, Any]
Relation = Literal[">=", "<=", "="]

_RELATIONS: dict[Relation, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
}
LIMIT_MB = 1536.0


@dataclass(frozen=True)
class Target:
    """A promise: the value read from a result file stands in a relation to a limit."""

    result: str
    name: str
    relation: Relation
    limit: float
    read: Callable[[Result], float | None]
    unit: str = ""


@dataclass(frozen=True)
class Outcome:
    """A promise and what was measured; `measured` and `met` are None where it was not."""

    target: Target
    measured: float | None

    @property
    def met(self) -> bool | None:
        """Whether the promise holds."""
        if self.measured is None:
            return None
        return _RELATIONS[self.target.relation](self.measured, self.target.limit)

    def cells(self) -> list[str]:
        """Name, goal, measured value and verdict, for a table."""
        target = self.target
        goal = f"{target.relation} {target.limit:g}{target.unit}"
        if self.measured is None:
            return [target.name, goal, "not measured", ""]
        digits = ".4f" if abs(self.measured) < 0.1 else ".2f"
        return [
            target.name,
            goal,
            f"{self.measured:{digits}}{target.unit}",
            "met" if self.met else "missed",
        ]


def outcomes() -> list[Outcome]:
    """Read every target from the result files that are there."""
    return [Outcome(target, _measured(target)) for target in TARGETS]


def _measured(target: Target) -> float | None:
    """Value of a target; None where the file is missing or from before the contestant had its name."""
    result = read_result(target.result)
    if result is None:
        return None
    try:
        measured = target.read(result)
    except KeyError:
        return None
    return None if measured is None else float(measured)


def _ratio(part: str, fast: str, slow: str) -> Callable[[Result], float | None]:
    return lambda result: result.get(part, {}).get("ratios", {}).get(f"{fast} over {slow}")


def _agreement(name: str, key: str) -> Callable[[Result], float | None]:
    return lambda result: result["textured"]["agreement"][name][key]


def _exact_everywhere(result: Result) -> float:
    parts = [result[part] for part in ("textured", "violating") if part in result]
    return float(all(part["agreement"][EXACT]["identical"] for part in parts))


def _overall(key: str) -> Callable[[Result], float | None]:
    return lambda result: result["summary"][result["variants"][0]][key]


def _exponent(axis: str, key: str) -> Callable[[Result], float | None]:
    return lambda result: result.get(axis, {}).get(key)


def _decomposition_ratio(result: Result) -> float | None:
    return result["comparison"]["runs"].get("tensorly_svd", {}).get("ratio")


def _decomposition_error(result: Result) -> float | None:
    return result["comparison"]["runs"].get("tensorly_svd", {}).get("our_error_over_theirs")


def _spectral(key: str, name: str) -> Callable[[Result], float | None]:
    return lambda result: result["long"][key][name]


def _largest_streaming_mb(result: Result) -> float | None:
    return max((row["peak_rss_mb"] for row in result.get("streaming", [])), default=None)


def _slowest_growth(result: Result) -> float | None:
    return max((row["exponent"] for row in result.get("growth", {}).values()), default=None)


def _resident_frames_per_s(result: Result) -> float | None:
    with_clahe = [row["frames_per_s"] for row in result["resident"] if row["clahe"]]
    return max(with_clahe, default=None)


def _over_decoding(result: Result) -> float | None:
    ways = (way for way in result["from_files"].values() if isinstance(way, Mapping))
    return min((way["over_decoding"] for way in ways), default=None)


_TIMES = " x"
TARGETS: tuple[Target, ...] = (
    Target(
        "tracking",
        "tracking, over face-rhythm as installed",
        ">=",
        6,
        _ratio("textured", OURS, INSTALLED),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking, over face-rhythm at its best",
        ">=",
        5,
        _ratio("textured", OURS, TUNED),
        _TIMES,
    ),
    Target(
        "tracking", "tracking, median difference", "<=", 0.001, _agreement(OURS, "median_px"), " px"
    ),
    Target(
        "tracking",
        "tracking, 99th percentile of the difference",
        "<=",
        0.02,
        _agreement(OURS, "p99_px"),
        " px",
    ),
    Target("tracking", "tracking, exact mode bit-identical", "=", 1, _exact_everywhere),
    Target(
        "tracking",
        "tracking as we recommend it (the default), over face-rhythm as installed",
        ">=",
        10,
        _ratio("textured", DEFAULT, INSTALLED),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking, time over the bound",
        "<=",
        1.5,
        _ratio("textured", OURS, "the bound"),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking by default, time over the bound",
        "<=",
        1.5,
        _ratio("textured", DEFAULT, "the bound"),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking by default without CLAHE, time over the bound",
        "<=",
        1.5,
        _ratio("textured", WITHOUT_CLAHE, "the bound"),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking where points violate, over face-rhythm as installed",
        ">=",
        8,
        _ratio("violating", OURS, INSTALLED),
        _TIMES,
    ),
    Target(
        "tracking",
        "tracking where points violate, by default, over face-rhythm as installed",
        ">=",
        8,
        _ratio("violating", DEFAULT, INSTALLED),
        _TIMES,
    ),
    Target("spectral", "VQT, over the vqt library", ">=", 8, _spectral("fast", "ratio"), _TIMES),
    Target("spectral", "VQT, relative RMS", "<=", 1e-3, _spectral("fast", "relative_rms")),
    Target("spectral", "VQT, exact mode", ">=", 3, _spectral("exact", "ratio"), _TIMES),
    Target(
        "spectral",
        "VQT, growth of time with frames, exponent",
        "<=",
        1.05,
        _exponent("frames", "exponent_time"),
    ),
    Target(
        "spectral",
        "VQT, growth of time with points, exponent",
        "<=",
        1.05,
        _exponent("points", "exponent_time"),
    ),
    Target(
        "decomposition", "TCA, over tensorly with svd start", ">=", 40, _decomposition_ratio, _TIMES
    ),
    Target("decomposition", "TCA, error over tensorly's", "<=", 1.0, _decomposition_error),
    Target(
        "decomposition",
        "TCA, memory for an hour at 100 frames/s",
        "<=",
        LIMIT_MB,
        _largest_streaming_mb,
        " MB",
    ),
    Target("decomposition", "TCA, growth of time, largest exponent", "<=", 1.05, _slowest_growth),
    Target(
        "whole",
        "whole run, over face-rhythm as installed",
        ">=",
        8,
        lambda r: r["ratios"].get(f"{OURS} over {INSTALLED}"),
        _TIMES,
    ),
    Target(
        "whole",
        "whole run, peak memory",
        "<=",
        LIMIT_MB,
        lambda r: r["facts"][OURS]["peak_rss_mb"],
        " MB",
    ),
    Target(
        "digests",
        "digests of contents, share of a whole run",
        "<=",
        0.03,
        lambda r: r["share"],
    ),
    Target(
        "accuracy",
        "error over face-rhythm's, all cells",
        "<=",
        0.75,
        _overall("overall_error_ratio"),
    ),
    Target("accuracy", "cells in which ours is worse", "<=", 0, _overall("n_worse")),
    Target(
        "scaling",
        "growth of time with frames, exponent",
        "<=",
        1.05,
        _exponent("frames", "exponent_time"),
    ),
    Target(
        "scaling",
        "growth of memory with frames, exponent",
        "<=",
        1.05,
        _exponent("frames", "exponent_memory"),
    ),
    Target(
        "scaling",
        "growth of time with points, exponent",
        "<=",
        1.05,
        _exponent("points", "exponent_time"),
    ),
    Target(
        "scaling",
        "growth of memory with points, exponent",
        "<=",
        1.05,
        _exponent("points", "exponent_memory"),
    ),
    Target(
        "scaling",
        "growth of time with videos, exponent",
        "<=",
        1.05,
        _exponent("videos", "exponent_time"),
    ),
    Target(
        "scaling",
        "growth of memory with videos, exponent",
        "<=",
        1.05,
        _exponent("videos", "exponent_memory"),
    ),
    Target(
        "memory",
        "an hour at 100 frames/s, peak memory",
        "<=",
        LIMIT_MB,
        lambda r: max(run["peak_rss_mb"] for run in r["runs"]),
        " MB",
    ),
    Target(
        "memory",
        "its peak over that of six minutes",
        "<=",
        1.1,
        lambda r: r["longest_over_shortest"],
    ),
    Target(
        "keypoints",
        "keypoints, over facemap's Pose, CPU",
        ">=",
        2,
        lambda r: r["ratios"]["ours"],
        _TIMES,
    ),
    Target(
        "keypoints",
        "keypoints, largest difference from facemap's Pose, CPU",
        "<=",
        0.05,
        lambda r: r["largest_difference_px"]["ours"],
        " px",
    ),
    Target(
        "keypoints",
        "keypoints, over facemap's Pose, CUDA",
        ">=",
        20,
        lambda r: r["ratios"].get("ours, CUDA"),
        _TIMES,
    ),
    Target(
        "cuda", "GPU, frames/s tracked with frames resident", ">=", 20_000, _resident_frames_per_s
    ),
    Target("cuda", "GPU, time over decoding alone", "<=", 1.5, _over_decoding, _TIMES),
    Target(
        "cuda",
        "GPU, median difference from the CPU",
        "<=",
        0.02,
        lambda r: r["agreement"]["median_px"],
        " px",
    ),
    Target(
        "scale_database",
        "slowest SQL query of the documentation, 10,000 recordings",
        "<=",
        200,
        slowest_query_ms,
        " ms",
    ),
    Target("scale_database", "`status`, 10,000 recordings", "<=", 2, status_s, " s"),
    Target(
        "scale_database",
        "what the queue adds to a job, 10,000 wait",
        "<=",
        50,
        queue_overhead_ms,
        " ms",
    ),
    Target(
        "job_queue",
        "what a worker adds to a task that does nothing, 10,000 wait",
        "<=",
        50,
        lambda r: r["overhead"]["ms_per_task"],
        " ms",
    ),
    Target(
        "job_queue",
        "tasks/hour of 8 workers, of 8 times one",
        ">=",
        0.95,
        lambda r: r["throughput"][-1]["of_n_times_one"],
    ),
)
