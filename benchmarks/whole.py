"""The whole run, video file to saved components: ``facerhythm run`` beside face-rhythm's pipeline.

``python -m benchmarks.whole [--rounds 5] [--frames 6000] [--quick]``. Each contestant is one process from
its start to its end, imports and writing of products included; figures are left out on both sides.
face-rhythm runs as installed: what makes its tracking faster makes its decomposition slower. Peak memory is
that of the process and its children.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.accuracy_measures import TENSOR_AXES
from benchmarks.common import (
    REPOSITORY_DIR,
    interleaved,
    options_of_rounds,
    run_child,
    write_result,
)
from benchmarks.ours import by_flow, without_refinement
from benchmarks.peer import ask_peer, job, usable_settings
from benchmarks.scenes import BenchVideo, face_video
from benchmarks.tracking import DEFAULT, FLOW, INSTALLED, OURS, QUICK_FRAMES

QUICK_MIN_FREQUENCY_HZ = 2.0
COMMAND_LINE = "from element_facerhythm.cli import main; main()"
STEPS = ("track", "vqt", "tca")


def main() -> None:
    """Measure, print, write the result."""
    options = options_of_rounds(__doc__)
    bench = face_video(QUICK_FRAMES if options.quick else options.frames)
    if options.quick:
        bench.parameters["VQT_Analyzer"]["params_VQT"]["F_min"] = QUICK_MIN_FREQUENCY_HZ
    result = measure(bench, 1 if options.quick else options.rounds)
    print(write_result("whole", result))


def measure(bench: BenchVideo, rounds: int) -> dict[str, Any]:
    """Time the contestants; return seconds, seconds by stage, memory and the models' errors."""
    facts: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        into = (Path(scratch), facts)
        runs: dict[str, Callable[[], float]] = {}
        if "installed" in usable_settings():
            runs[INSTALLED] = partial(_theirs, bench, *into)
        same = replace(bench, parameters=without_refinement(bench.parameters))
        runs[FLOW] = partial(
            _ours, replace(bench, parameters=by_flow(bench.parameters)), *into, FLOW
        )
        runs[OURS] = partial(_ours, same, *into, OURS)
        runs[DEFAULT] = partial(_ours, bench, *into, DEFAULT)
        timings = interleaved(runs, rounds, warm_up=False)
    median = {name: timing.median_s for name, timing in timings.items()}
    result = {
        "video": bench.name,
        "n_frames": bench.n_frames,
        "n_points": bench.n_points,
        "timings": timings,
        "facts": facts,
        "ratios": {
            f"{ours} over {INSTALLED}": median[INSTALLED] / median[ours]
            for ours in (DEFAULT, OURS, FLOW)
            if INSTALLED in median
        },
    }
    _report(result)
    return result


def _theirs(bench: BenchVideo, scratch: Path, facts: dict[str, Any]) -> float:
    project_dir = scratch / "theirs"
    request = job([bench.video], bench.rois, bench.parameters, steps=STEPS, project_dir=project_dir)
    answer = ask_peer([request], setting="installed")
    (done,) = answer.jobs
    model = _model(project_dir)
    facts[INSTALLED] = {**answer.child.as_record(), **model, "stages_s": done["seconds"]}
    shutil.rmtree(project_dir)
    return answer.child.wall_s


def _ours(bench: BenchVideo, scratch: Path, facts: dict[str, Any], name: str) -> float:
    project_dir, parameters = scratch / "ours", scratch / "parameters.json"
    parameters.write_text(json.dumps(bench.parameters))
    command = [sys.executable, "-c", COMMAND_LINE, "run", bench.video]
    options = ["--rois", bench.rois, "--params", parameters, "-o", project_dir, "--device", "cpu"]
    child = run_child(
        [*command, *options, "--no-figures", "--json"],
        environment={"PYTHONPATH": str(REPOSITORY_DIR)},
    )
    said = json.loads(child.stdout)
    stages = {stage["name"]: stage.get("seconds") for stage in said.get("stages", [])}
    facts[name] = {**child.as_record(), **_model(project_dir), "stages_s": stages}
    shutil.rmtree(project_dir)
    return child.wall_s


def _model(project_dir: Path) -> dict[str, float]:
    """Relative error of the components that a run saved, computed here from its own spectrograms."""
    files = project_dir / "analysis_files"
    with h5py.File(files / "TCA.h5") as tca, h5py.File(files / "VQT_Analyzer.h5") as vqt:
        factors = {name: f[()] for name, f in next(iter(tca["factors"].values())).items()}
        by_axis = [np.asarray(factors[name], np.float64) for name in TENSOR_AXES]
        spectrogram = np.abs(vqt["spectrograms/0"][()])
    return {"relative_error": relative_error(spectrogram, by_axis)}


def relative_error(spectrogram: Any, factors: list[Any]) -> float:
    """``||X - model|| / ||X||``, summed row by row in double precision.

    Parameters
    ----------
    spectrogram
        (2, P, F, W) magnitudes; x and y are put below each other.
    factors
        (2 P, R), (F, R) and (W, R) loadings.
    """
    missed, whole = 0.0, 0.0
    rows = spectrogram.reshape(-1, *spectrogram.shape[2:])
    for row, loadings in zip(rows, factors[0], strict=True):
        model = (factors[1] * loadings) @ factors[2].T
        missed += float(((row - model) ** 2).sum())
        whole += float((row.astype(np.float64) ** 2).sum())
    return (missed / whole) ** 0.5


def _report(result: dict[str, Any]) -> None:
    print(f"{result['video']}: {result['n_frames']} frames, {result['n_points']} points")
    for name, timing in result["timings"].items():
        facts = result["facts"][name]
        print(
            f"  {name:28} {timing.median_s:8.1f} s  {facts['peak_rss_mb']:7.0f} MB  relative error "
            f"{facts['relative_error']:.6f}  {facts['stages_s']}"
        )
    for name, value in result["ratios"].items():
        print(f"  {name:50} {value:6.2f}")


if __name__ == "__main__":
    main()
