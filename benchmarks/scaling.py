"""How time and memory of point tracking grow with frames, points and videos.

``python -m benchmarks.scaling [--rounds 3] [--quick]``. Every measurement is a process of its own; time is
that of the tracking stage, memory the peak of the process. The exponent is the slope of a straight line
through the logarithms: 1 grows in proportion, 0 not at all.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import growth_exponent, write_result
from benchmarks.ours import ask_ours
from benchmarks.peer import job
from benchmarks.scenes import BenchVideo, face_video

N_FRAMES = (1_000, 3_000, 10_000, 30_000, 100_000)
SPACINGS_PX = (21, 12, 7, 4, 2)
"""At 640 x 480 these place about 100 to 10,800 points."""
N_VIDEOS = (1, 2, 4, 8)
TARGET_EXPONENT = 1.05


@dataclass(frozen=True)
class Case:
    """One size, and what is tracked at it."""

    size: int
    bench: BenchVideo
    n_videos: int = 1


def main() -> None:
    """Measure along each axis, write the result."""
    options = _options()
    axes: dict[str, Callable[[bool], list[Case]]] = {
        "frames": along_frames,
        "points": along_points,
        "videos": along_videos,
    }
    rounds = 1 if options.quick else options.rounds
    result: dict[str, Any] = {"target_exponent": TARGET_EXPONENT}
    for name in options.axes:
        result[name] = measure(name, axes[name](options.quick), rounds)
    print(write_result("scaling", result))


def along_frames(quick: bool) -> list[Case]:
    """Repeat a small video, so that 100,000 frames fit into minutes."""
    sizes = N_FRAMES[:2] if quick else N_FRAMES
    benches = [face_video(n, width_px=320, height_px=240, spacing_px=8) for n in sizes]
    return [Case(bench.n_frames, bench) for bench in benches]


def along_points(quick: bool) -> list[Case]:
    """Make the grid denser in the same region."""
    spacings = SPACINGS_PX[:2] if quick else SPACINGS_PX
    benches = [face_video(120 if quick else 600, spacing_px=spacing) for spacing in spacings]
    return [Case(bench.n_points, bench) for bench in benches]


def along_videos(quick: bool) -> list[Case]:
    """Take the same video several times over, as one recording."""
    bench = face_video(120 if quick else 1_200, width_px=320, height_px=240, spacing_px=8)
    return [Case(n, bench, n) for n in (N_VIDEOS[:2] if quick else N_VIDEOS)]


def measure(axis: str, cases: list[Case], rounds: int) -> dict[str, Any]:
    """Measure all cases ``rounds`` times, alternately, and fit exponents to the medians."""
    seconds: dict[int, list[float]] = {case.size: [] for case in cases}
    memory_mb: dict[int, list[float]] = {case.size: [] for case in cases}
    for i_round in range(rounds):
        for case in cases if i_round % 2 == 0 else reversed(cases):
            videos = [case.bench.video] * case.n_videos
            request = job(videos, case.bench.rois, case.bench.parameters)
            answer = ask_ours([request])
            seconds[case.size].append(answer.jobs[0]["seconds"]["track"])
            memory_mb[case.size].append(answer.child.peak_rss_bytes / 2**20)
            print(
                f"{axis} {case.size}: {seconds[case.size][-1]:.2f} s, {memory_mb[case.size][-1]:.0f} MB"
            )
    median_s = {size: statistics.median(values) for size, values in seconds.items()}
    median_mb = {size: statistics.median(values) for size, values in memory_mb.items()}
    result = {
        "sizes": list(median_s),
        "seconds": list(median_s.values()),
        "peak_rss_mb": list(median_mb.values()),
        "rounds": rounds,
        "exponent_time": growth_exponent(list(median_s), list(median_s.values())),
        "exponent_memory": growth_exponent(list(median_mb), list(median_mb.values())),
    }
    print(f"{axis}: time {result['exponent_time']:.2f}, memory {result['exponent_memory']:.2f}")
    return result


def plot(result: Mapping[str, Any], path: Path) -> Path:
    """Draw time and memory along each axis, with the fitted exponents."""
    from element_facerhythm.figures.style import (
        COLOURS,
        QUIET,
        new_figure,
        save_figure,
        tidy,
        title,
    )

    axes_names = [name for name in ("frames", "points", "videos") if name in result]
    figure = new_figure(3.1 * len(axes_names), 4.6)
    grid = figure.subplots(2, len(axes_names), squeeze=False)
    rows = (
        ("seconds", "exponent_time", "time (s)"),
        ("peak_rss_mb", "exponent_memory", "memory (MB)"),
    )
    for column, name in enumerate(axes_names):
        measured = result[name]
        for row, (key, exponent_key, label) in enumerate(rows):
            axes = grid[row, column]
            tidy(axes, grid=True)
            sizes, values = np.array(measured["sizes"]), np.array(measured[key])
            axes.loglog(sizes, values, "o-", color=COLOURS[row], markersize=4, linewidth=1.4)
            proportional = values[-1] * sizes / sizes[-1]
            axes.loglog(sizes, proportional, "--", color=QUIET, linewidth=0.9)
            axes.set_ylim(values.min() / 3, values.max() * 3)
            plain_ticks(axes.xaxis)
            plain_ticks(axes.yaxis)
            axes.set_xlabel(f"number of {name}" if row else "")
            axes.set_ylabel("" if column else label)
            title(axes, f"exponent {measured[exponent_key]:.2f}")
    return save_figure(figure, path)


def plain_ticks(axis: Any) -> None:
    """Label a logarithmic axis with few plain numbers."""
    from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

    axis.set_major_locator(FixedLocator([m * 10.0**e for e in range(-4, 7) for m in (1, 3)]))
    axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axis.set_minor_formatter(NullFormatter())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--axes", type=lambda text: text.split(","), default=["frames", "points", "videos"]
    )
    parser.add_argument("--quick", action="store_true", help="the two smallest sizes, once")
    return parser.parse_args()


if __name__ == "__main__":
    main()
