"""Movies of results: frames drawn, encoded and written in a second, beside real time.

``python -m benchmarks.movies [--rounds 5] [--quick]``. A movie of each kind of one video, 640 by
480, in this process; planning is counted. Reading the video alone is timed beside it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import interleaved, options_of_rounds, write_result
from benchmarks.scenes import BenchVideo, face_video
from benchmarks.whole import QUICK_MIN_FREQUENCY_HZ

FRAMES, QUICK_FRAMES = 1200, 240
KINDS = ("points", "arrows", "component", "flags")
DECODING = "decoding alone"


def main() -> None:
    """Measure, print, write the result."""
    options = options_of_rounds(__doc__)
    bench = face_video(QUICK_FRAMES if options.quick else FRAMES)
    if options.quick:
        bench.parameters["VQT_Analyzer"]["params_VQT"]["F_min"] = QUICK_MIN_FREQUENCY_HZ
    result = measure(bench, 1 if options.quick else options.rounds)
    print(write_result("movies", result))


def measure(bench: BenchVideo, rounds: int) -> dict[str, Any]:
    """Time a movie of each kind; return seconds and frames in a second."""
    from element_facerhythm.io.project import Project

    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        make_project(bench, scratch / "project")
        project = Project.open(scratch / "project")
        runs: dict[str, Callable[[], None]] = {
            kind: partial(_film, project, kind, scratch / f"{kind}.mp4") for kind in KINDS
        }
        runs[DECODING] = partial(_decode, bench.video)
        timings = interleaved(runs, rounds)
        sizes = {kind: (scratch / f"{kind}.mp4").stat().st_size for kind in KINDS}
        n_points, rate_hz = len(project.point_positions), project.frame_rate_hz
    per_s = {name: bench.n_frames / timing.median_s for name, timing in timings.items()}
    for name, frames_per_s in per_s.items():
        print(
            f"  {name:16} {frames_per_s:8.1f} frames/s  {frames_per_s / rate_hz:6.2f} x real time"
        )
    return {
        "video": bench.name,
        "n_frames": bench.n_frames,
        "n_points": n_points,
        "frame_rate_hz": rate_hz,
        "timings": timings,
        "frames_per_s": per_s,
        "over_real_time": {name: value / rate_hz for name, value in per_s.items()},
        "size_bytes": sizes,
    }


def make_project(bench: BenchVideo, directory: Path) -> None:
    """Analyse the video."""
    from element_facerhythm.parameters import parameters_from_mapping
    from element_facerhythm.pipeline import RunRequest, run_project

    parameters = parameters_from_mapping(bench.parameters).parameters
    run_project(
        RunRequest(
            videos=(bench.video,),
            rois=bench.rois,
            parameters=parameters,
            project_dir=directory,
            device="cpu",
        )
    )


def _film(project: Any, kind: str, path: Path) -> None:
    from element_facerhythm.movies.movie import MovieRequest, plan_movie, write_movie
    from element_facerhythm.movies.source import frame_source

    n_frames = project.n_frames[0]
    request = MovieRequest(
        kind, component=0 if kind == "component" else None, frames=(0, n_frames), width_px=640,
        most_per_s=1e4,
    )  # fmt: skip
    write_movie(plan_movie(project, frame_source(project, 0), request), path)


def _decode(video: Path) -> None:
    from element_facerhythm.video import iterate_rgb_frames

    for _ in iterate_rgb_frames(video):
        pass


if __name__ == "__main__":
    main()
