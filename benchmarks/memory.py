"""Memory of a whole run against the length of its video.

``python -m benchmarks.memory`` runs ``facerhythm run`` on a recording of an hour at 100 frames/s (a clip's
packets repeated) and on a tenth of it, in child processes, and samples their resident memory against time,
with the stage that was under way. Tracking is made cheap (few points, no contrast equalisation, three
iterations): what is measured is whether memory grows with the number of frames, not speed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import REPOSITORY_DIR, run_child, write_result
from benchmarks.scenes import BenchVideo, face_video
from element_facerhythm.pipeline.records import PRODUCT_OF_STAGE

N_FRAMES = (36_000, 360_000)
SIZE = {"width_px": 320, "height_px": 240, "spacing_px": 9}
GOAL_MB = 1536.0
POLLING_INTERVAL_S = 0.02
N_SAMPLES_KEPT = 2000
LABELLED_STAGES = ("point_tracking", "spectral_analysis", "decomposition")


def cheap_parameters(bench: BenchVideo) -> dict[str, Any]:
    """Parameters under which a frame takes little time."""
    parameters: dict[str, Any] = json.loads(json.dumps(bench.parameters))
    tracker = parameters["PointTracker"]
    tracker["params_clahe"] = None
    tracker["params_optical_flow"]["kwargs_method"]["criteria"] = [3, 3, 0.03]
    return parameters


class StageWatch(threading.Thread):
    """Notes when each product is begun: a product in the making has a name of its own."""

    def __init__(self, project_dir: Path) -> None:
        super().__init__(daemon=True)
        self._directory = project_dir / "analysis_files"
        self._ended = threading.Event()
        self._since = time.perf_counter()
        self.starts_s: dict[str, float] = {}

    def run(self) -> None:
        """Look until told to stop."""
        while not self._ended.wait(POLLING_INTERVAL_S):
            for stage, product in PRODUCT_OF_STAGE.items():
                begun = any(self._directory.glob(f".{product}.h5.*")) or any(
                    self._directory.glob(f"{product}.h5")
                )
                if begun and stage not in self.starts_s:
                    self.starts_s[stage] = time.perf_counter() - self._since

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self.join()


@contextmanager
def watched(project_dir: Path) -> Iterator[StageWatch]:
    """Watch a project directory for the length of a block."""
    watch = StageWatch(project_dir)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def measure(n_frames: int) -> dict[str, Any]:
    """Run the whole pipeline on a recording of about `n_frames`; return its memory curve."""
    bench = face_video(n_frames, **SIZE)
    with tempfile.TemporaryDirectory(dir=bench.video.parent) as scratch:
        project_dir = Path(scratch, "project")
        parameters = Path(scratch, "parameters.json")
        parameters.write_text(json.dumps(cheap_parameters(bench)))
        command: list[str | Path] = [
            Path(sys.executable).with_name("facerhythm"),
            "run",
            bench.video,
        ]
        command += ["--rois", bench.rois, "--params", parameters, "--output", project_dir]
        command += ["--device", "cpu", "--json"]
        with watched(project_dir) as watch:
            child = run_child(command)
        bytes_written = sum(path.stat().st_size for path in project_dir.rglob("*.h5"))
    times_s, resident_mb = np.array(child.memory_curve).T * [[1], [2**-20]]
    starts = {**watch.starts_s, "summary": times_s[-1]}
    peaks = {
        stage: float(resident_mb[(times_s >= start) & (times_s <= stop)].max(initial=0))
        for (stage, start), (_, stop) in pairwise(starts.items())
    }
    kept = slice(None, None, len(times_s) // N_SAMPLES_KEPT + 1)
    result = {
        "n_frames": bench.n_frames,
        "n_points": bench.n_points,
        "wall_s": child.wall_s,
        "peak_rss_mb": child.peak_rss_bytes / 2**20,
        "peak_rss_mb_by_stage": peaks,
        "products_mb": bytes_written / 2**20,
        "stage_starts_s": watch.starts_s,
        "times_s": np.round(times_s[kept], 2),
        "resident_mb": np.round(resident_mb[kept], 1),
    }
    print(
        f"{bench.n_frames} frames, {bench.n_points} points: peak {result['peak_rss_mb']:.0f} MB, "
        f"{result['products_mb']:.0f} MB written, {child.wall_s:.0f} s"
    )
    print("  " + ", ".join(f"{stage} {peak:.0f} MB" for stage, peak in peaks.items()))
    return result


def plot(runs: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Draw memory against time, each run from its beginning to its end, stages marked."""
    from element_facerhythm.figures.style import (
        COLOURS,
        QUIET,
        new_figure,
        save_figure,
        tidy,
        title,
    )

    figure = new_figure(8.0, 2.4 * len(runs) + 0.4)
    rows = figure.subplots(len(runs), 1, squeeze=False)[:, 0]
    for axes, run, colour in zip(rows, runs, COLOURS, strict=False):
        tidy(axes, grid=True)
        axes.plot(
            np.array(run["times_s"]), np.array(run["resident_mb"]), color=colour, linewidth=1.2
        )
        axes.axhline(GOAL_MB, color=QUIET, linestyle="--", linewidth=0.9)
        for level, stage in enumerate(LABELLED_STAGES):
            start = run["stage_starts_s"].get(stage)
            if start is not None:
                axes.axvline(start, color=QUIET, linewidth=0.8)
                label, height = f" {stage.replace('_', ' ')}", 1.02 + 0.09 * (level % 2)
                axes.text(start, height * GOAL_MB, label, fontsize=7, va="bottom", color=QUIET)
        axes.set_ylim(0, 1.25 * GOAL_MB)
        axes.set_xlim(0, run["wall_s"])
        axes.set_ylabel("resident memory (MB)")
        title(axes, f"{run['n_frames']:,} frames: peak {run['peak_rss_mb']:.0f} MB")
    rows[-1].set_xlabel("time (s)")
    return save_figure(figure, path)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run each length, write ``results/memory.json`` and ``docs/images/memory.png``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--frames", type=int, nargs="+", default=list(N_FRAMES), help="lengths of the recordings"
    )
    parser.add_argument("--quick", action="store_true", help="3,600 and 36,000 frames, no results")
    parser.add_argument("--dry", action="store_true", help="write no results")
    options = parser.parse_args(arguments)
    lengths = [3_600, 36_000] if options.quick else options.frames
    runs = [measure(n_frames) for n_frames in lengths]
    result = {
        "goal_mb": GOAL_MB,
        "reached": max(run["peak_rss_mb"] for run in runs) <= GOAL_MB,
        "longest_over_shortest": runs[-1]["peak_rss_mb"] / runs[0]["peak_rss_mb"],
        "runs": runs,
    }
    print(f"peak of the longest over that of the shortest: {result['longest_over_shortest']:.2f}")
    if not (options.quick or options.dry):
        write_result("memory", result)
        plot(runs, REPOSITORY_DIR / "docs" / "images" / "memory.png")
    return result


if __name__ == "__main__":
    main()
