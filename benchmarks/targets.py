"""What was promised, and how it is read from the result files: the table of ``make bench``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.common import read_result
from benchmarks.scale_report import queue_overhead_ms, slowest_query_ms, status_s
from benchmarks.target import Outcome, Result, Target
from benchmarks.tracking import DEFAULT, INSTALLED, OURS
from benchmarks.tracking_targets import TRACKING_TARGETS

LIMIT_MB = 1536.0


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
    return max(result["resident"].values(), default=None)


def _over_decoding(result: Result) -> float | None:
    ways = (way for way in result["from_files"].values() if isinstance(way, Mapping))
    return min((way["over_decoding"] for way in ways), default=None)


def _of_all(key: str) -> Callable[[Result], float | None]:
    return lambda result: result["all"][key]


_TIMES = " x"
_OF_RHYTHMS = "rhythms in rendered scenes, noise and gaps among them: "
_BEHAVIOUR = tuple(
    Target("behaviour", _OF_RHYTHMS + what, relation, limit, _of_all(key), unit)
    for what, relation, limit, key, unit in (
        ("largest median error of phase", "<=", 5.0, "phase_error_deg", " degrees"),
        ("largest median error of frequency", "<=", 0.02, "frequency_error", ""),
        ("bouts, precision", ">=", 0.95, "precision", ""),
        ("bouts, recall", ">=", 0.95, "recall", ""),
        ("bouts, largest error of an onset", "<=", 1.0, "largest_onset_error_cycles", " cycles"),
    )
)
TARGETS: tuple[Target, ...] = (
    *TRACKING_TARGETS,
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
        "whole run by default, over face-rhythm as installed",
        ">=",
        20,
        lambda r: r["ratios"].get(f"{DEFAULT} over {INSTALLED}"),
        _TIMES,
    ),
    Target(
        "whole",
        "whole run by flow without refinement, over face-rhythm as installed",
        ">=",
        8,
        lambda r: r["ratios"].get(f"{OURS} over {INSTALLED}"),
        _TIMES,
    ),
    Target(
        "whole",
        "whole run by default, peak memory",
        "<=",
        LIMIT_MB,
        lambda r: r["facts"][DEFAULT]["peak_rss_mb"],
        " MB",
    ),
    Target(
        "short",
        "whole run of two short videos, over face-rhythm as installed",
        ">=",
        8,
        lambda r: r["ratios"].get(f"{DEFAULT} over {INSTALLED}"),
        _TIMES,
    ),
    Target(
        "digests",
        "digests of contents, share of a whole run",
        "<=",
        0.03,
        lambda r: r["share"],
    ),
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
        "signals",
        "motion and components, over facemap's process.run",
        ">=",
        8,
        lambda r: r["ratios"]["facemap over signals alone"],
        _TIMES,
    ),
    Target(
        "signals",
        "tracking with motion and components beside it, over tracking alone",
        "<=",
        1.3,
        lambda r: r["ratios"]["tracking and signals over tracking"],
        _TIMES,
    ),
    Target(
        "signals",
        "motion energy, correlation with facemap's",
        ">=",
        0.9999,
        lambda r: r["agreement"]["motion_r"],
    ),
    *_BEHAVIOUR,
    Target(
        "movies",
        "movie of 957 points at 640 x 480, drawn and encoded",
        ">=",
        60,
        lambda r: r["frames_per_s"]["points"],
        " frames/s",
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
