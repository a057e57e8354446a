"""A whole run of two short videos: what a process costs before and after its work.

``python -m benchmarks.short [--rounds 5] [--quick]``. Two videos of 600 frames, each contestant one process
from its start to its end, as in ``benchmarks.whole``. Ours draws its figures, as ``facerhythm run`` does by
default, and once leaves them out; face-rhythm draws none. What a first run costs, whose kernels are not
compiled yet, is measured once.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import (
    REPOSITORY_DIR,
    ChildRun,
    interleaved,
    options_of_rounds,
    run_child,
    write_result,
)
from benchmarks.peer import ask_peer, job, usable_settings
from benchmarks.scenes import BenchVideo, face_video
from benchmarks.tracking import DEFAULT, INSTALLED, QUICK_FRAMES
from benchmarks.whole import COMMAND_LINE, QUICK_MIN_FREQUENCY_HZ, STEPS

SHORT_FRAMES = 600
WITHOUT_FIGURES = "ours, default, without figures"


@dataclass(frozen=True)
class ShortVideos:
    """Two videos, what they are tracked with, and where the runs write to."""

    bench: BenchVideo
    videos: tuple[Path, Path]
    scratch: Path


def main() -> None:
    """Measure, print, write the result."""
    options = options_of_rounds(__doc__)
    bench = face_video(QUICK_FRAMES if options.quick else SHORT_FRAMES)
    if options.quick:
        bench.parameters["VQT_Analyzer"]["params_VQT"]["F_min"] = QUICK_MIN_FREQUENCY_HZ
    result = measure(bench, 1 if options.quick else options.rounds)
    print(write_result("short", result))


def measure(bench: BenchVideo, rounds: int) -> dict[str, Any]:
    """Time the contestants; return seconds, memory, and the seconds of a first run."""
    facts: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        second = scratch / f"second{bench.video.suffix}"
        shutil.copyfile(bench.video, second)
        short = ShortVideos(bench, (bench.video, second), scratch)
        first_run_s = _our_process(
            short, environment={"NUMBA_CACHE_DIR": str(scratch / "none")}
        ).wall_s
        runs: dict[str, Callable[[], float]] = {}
        if "installed" in usable_settings():
            runs[INSTALLED] = partial(_theirs, short, facts)
        runs[DEFAULT] = partial(_ours, short, facts, DEFAULT)
        runs[WITHOUT_FIGURES] = partial(_ours, short, facts, WITHOUT_FIGURES, "--no-figures")
        timings = interleaved(runs, rounds, warm_up=False)
    median = {name: timing.median_s for name, timing in timings.items()}
    result = {
        "video": bench.name,
        "n_frames": 2 * bench.n_frames,
        "n_points": bench.n_points,
        "first_run_s": first_run_s,
        "timings": timings,
        "facts": facts,
        "ratios": {
            f"{ours} over {INSTALLED}": median[INSTALLED] / median[ours]
            for ours in (DEFAULT, WITHOUT_FIGURES)
            if INSTALLED in median
        },
    }
    _report(result)
    return result


def _theirs(short: ShortVideos, facts: dict[str, Any]) -> float:
    project_dir = short.scratch / "theirs"
    request = job(
        short.videos, short.bench.rois, short.bench.parameters, steps=STEPS, project_dir=project_dir
    )
    answer = ask_peer([request], setting="installed")
    (done,) = answer.jobs
    facts[INSTALLED] = {**answer.child.as_record(), "stages_s": done["seconds"]}
    shutil.rmtree(project_dir)
    return answer.child.wall_s


def _ours(short: ShortVideos, facts: dict[str, Any], name: str, *options: str) -> float:
    child = _our_process(short, *options)
    stages = {stage["name"]: stage["seconds"] for stage in json.loads(child.stdout)["stages"]}
    facts[name] = {**child.as_record(), "stages_s": stages}
    return child.wall_s


def _our_process(
    short: ShortVideos, *options: str, environment: dict[str, str] | None = None
) -> ChildRun:
    project_dir, parameters = short.scratch / "ours", short.scratch / "parameters.json"
    parameters.write_text(json.dumps(short.bench.parameters))
    command = [sys.executable, "-c", COMMAND_LINE, "run", *short.videos, "--rois", short.bench.rois]
    child = run_child(
        [
            *command,
            "--params",
            parameters,
            "-o",
            project_dir,
            "--device",
            "cpu",
            "--json",
            *options,
        ],
        environment={"PYTHONPATH": str(REPOSITORY_DIR), **(environment or {})},
    )
    shutil.rmtree(project_dir)
    return child


def _report(result: dict[str, Any]) -> None:
    print(f"{result['video']}: {result['n_frames']} frames, {result['n_points']} points")
    print(f"  a first run, kernels and all          {result['first_run_s']:8.1f} s")
    for name, timing in result["timings"].items():
        facts = result["facts"][name]
        print(
            f"  {name:36} {timing.median_s:8.1f} s  {facts['cpu_s']:6.1f} s CPU  {facts['stages_s']}"
        )
    for name, value in result["ratios"].items():
        print(f"  {name:60} {value:6.2f}")


if __name__ == "__main__":
    main()
