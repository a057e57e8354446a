"""Ours and face-rhythm against closed-form truth, side by side on the same videos and parameters.

``python -m benchmarks.accuracy [--cells base,10Hz] [--sets relaxed,drift] [--ours-variant NAME]...``.
The truth for a track by flow is what a perfect flow gives under the same mesh and relaxation. Tracks that are
matched with references, the default, are displacements: for them the truth, of both packages, is the
displacement; how the two compare where each has its own truth is in the summary, too. face-rhythm's tracks
are kept in ``.bench/accuracy`` under a digest of their inputs, so that another variant of ours is compared
without running it again; ``--holdout`` takes scenes of other seeds, ``--field`` those of what happens to
light, camera and clock.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy_cells import (
    HOLDOUT_SEED_OFFSET,
    PARAMETER_SETS,
    component_cells,
    field_cells,
    flow_cells,
    parameters_of,
)
from benchmarks.accuracy_measures import (
    TENSOR_AXES,
    confidence_auc,
    congruences,
    endpoint_errors,
    mean_power,
    peak_bin,
    planted_components,
)
from benchmarks.common import CACHE_DIR, write_result
from benchmarks.ours_run import run_job, spectrogram
from benchmarks.peer import VERSION, ask_peer, job
from benchmarks.planted import PlantedScene, scene_files
from benchmarks.variants import DEFAULT, VARIANTS
from element_facerhythm.core.tracking import make_mesh
from element_facerhythm.parameters import parameters_from_mapping

THEIRS, THEIR_DISPLACEMENT = "theirs", "theirs, displacement"
"""face-rhythm's tracks, compared with what a perfect flow gives, and with the displacement."""
OWN_TRUTHS = "default, each with its own truth"

MEASURES = ("median_px", "p95_px", "drift_px", "frequency_percent_of_bin", "incongruence")
FLOOR = {
    "median_px": 1e-3,
    "p95_px": 1e-3,
    "drift_px": 0.05,
    "frequency_percent_of_bin": 1.0,
    "incongruence": 1e-3,
}
"""What a measure resolves: a smaller difference means nothing. Added to both sides of a ratio."""
EQUAL_WITHIN = 1.01
PEER_CASES_PER_PROCESS = 8
QUICK_CELLS = ("base", "noise 10")
QUICK_FRAMES = 320


@dataclass(frozen=True)
class Case:
    """One scene under one parameter set."""

    cell: str
    set_name: str
    scene: PlantedScene

    @property
    def has_components(self) -> bool:
        """Whether movements are to be recovered as components."""
        return len(self.scene.sources) > 1

    @property
    def steps(self) -> tuple[str, ...]:
        """Stages that both packages run."""
        if self.has_components:
            return ("track", "vqt", "tca")
        return ("track",) if self.set_name == "drift" else ("track", "vqt")

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameter tree that both packages read."""
        return parameters_of(self.set_name, with_components=self.has_components)

    @property
    def peer_path(self) -> Path:
        """Where the peer's arrays are kept."""
        inputs = [self.scene.key, self.parameters, self.steps, VERSION]
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:20]
        return CACHE_DIR / "accuracy" / f"{digest}.npz"


def main() -> None:
    """Measure, print the table, write the result."""
    options = _options()
    cases = list(_cases(options))
    for case in cases:
        scene_files(case.scene)
    run_peer(cases)
    if options.prepare:
        return
    rows = []
    for case in cases:
        row = measure(case, options.variants)
        rows.append(row)
        print(_line(row, options.variants), flush=True)
    result = {
        "variants": options.variants,
        "holdout": options.holdout,
        "peer": f"face-rhythm {VERSION}, decord, OMP_NUM_THREADS=1",
        "rows": rows,
        "summary": {name: summarise(rows, name, counterpart(name)) for name in options.variants}
        | ({OWN_TRUTHS: summarise(rows, DEFAULT, THEIRS)} if DEFAULT in options.variants else {}),
    }
    print(json.dumps(result["summary"], indent=1))
    if not options.dry:
        endings = {"_field": options.field, "_holdout": options.holdout}
        name = "accuracy" + "".join(ending for ending, asked in endings.items() if asked)
        print(write_result(name, result))


def run_peer(cases: Iterable[Case]) -> None:
    """Let the peer track what is not kept yet, some cases in each process."""
    missing = list({case.peer_path: case for case in cases if not case.peer_path.exists()}.values())
    for first in range(0, len(missing), PEER_CASES_PER_PROCESS):
        batch = missing[first : first + PEER_CASES_PER_PROCESS]
        print(f"face-rhythm {VERSION}: {first} of {len(missing)} cases done", flush=True)
        ending = f".{os.getpid()}.partial"
        partial = {case.peer_path: case.peer_path.with_suffix(ending) for case in batch}
        jobs = []
        for case in batch:
            case.peer_path.parent.mkdir(parents=True, exist_ok=True)
            video, rois = scene_files(case.scene)
            arrays = partial[case.peer_path]
            jobs.append(job([video], rois, case.parameters, steps=case.steps, arrays=arrays))
        ask_peer(jobs, setting="tuned")
        for path, written in partial.items():
            written.replace(path)


def measure(case: Case, variants: list[str]) -> dict[str, Any]:
    """Measure face-rhythm and each variant of ours on one case."""
    truth = _truth(case)
    with np.load(case.peer_path) as theirs:
        row = {
            "cell": case.cell,
            "set": case.set_name,
            THEIRS: _measures(case, dict(theirs), truth),
            THEIR_DISPLACEMENT: _measures(case, dict(theirs), truth, is_displacement=True),
        }
    video, rois = scene_files(case.scene)
    for variant in variants:
        request = job([video], rois, case.parameters, steps=case.steps)
        _, arrays = run_job(request, variant)
        row[variant] = _measures(case, arrays, truth, is_displacement=variant == DEFAULT)
    return row


def counterpart(variant: str) -> str:
    """Name under which face-rhythm's tracks are compared with the same truth as those of a variant."""
    return THEIR_DISPLACEMENT if variant == DEFAULT else THEIRS


def ratio(ours: float, theirs: float, measure_name: str) -> float:
    """Ours over theirs; below 1 is better."""
    floor = FLOOR[measure_name]
    return (ours + floor) / (theirs + floor)


def is_worse(ours: float, theirs: float, measure_name: str) -> bool:
    """Whether ours is further from the truth by more than 1 % and than the measure resolves."""
    return ours > EQUAL_WITHIN * theirs and ours - theirs > FLOOR[measure_name]


def summarise(rows: list[dict[str, Any]], variant: str, against: str) -> dict[str, Any]:
    """Overall ratio (geometric mean over cells and measures), and where ours is worse than `against`."""
    ratios: dict[str, list[float]] = {}
    worse = []
    for row in rows:
        for name in MEASURES:
            if not compared(row, name):
                continue
            value = ratio(row[variant][name], row[against][name], name)
            ratios.setdefault(name, []).append(value)
            if is_worse(row[variant][name], row[against][name], name):
                worse.append(f"{row['set']}, {row['cell']}, {name}: {value:.3f}")
    logs = {name: float(np.mean(np.log(values))) for name, values in ratios.items()}
    aucs = [row[variant]["confidence_auc"] for row in rows if "confidence_auc" in row[variant]]
    errors = [v for name in ("median_px", "p95_px", "drift_px") for v in ratios.get(name, [])]
    return {
        "overall_error_ratio": math.exp(float(np.mean(np.log(errors)))) if errors else None,
        "ratio_by_measure": {name: math.exp(value) for name, value in logs.items()},
        "confidence_auc": float(np.mean(aucs)) if aucs else None,
        "n_compared": sum(map(len, ratios.values())),
        "n_worse": len(worse),
        "worse": worse,
    }


def compared(row: Mapping[str, Any], measure_name: str) -> bool:
    """Whether a measure counts in a row: drift means something only where nothing pulls home."""
    if measure_name == "drift_px" and row["set"] != "drift":
        return False
    return measure_name in row["theirs"]


def _truth(case: Case) -> dict[str, Any]:
    scene = case.scene
    _, placed = scene.placed_rois()
    home = placed.point_positions
    flow = case.parameters["PointTracker"]["params_optical_flow"]
    mesh = make_mesh(home, n_neighbors=flow["mesh_n_neighbors"])
    motion = {"mesh_rigidity": flow["mesh_rigidity"], "relaxation": flow["relaxation"]}
    steady = replace(scene, timing="steady")  # rhythms are those of real time
    true = scene.true_positions(home)
    truth = {
        "home": home,
        "ideal": scene.ideal_track(home, mesh, **motion),
        "steady": steady.ideal_track(home, mesh, **motion) if steady != scene else None,
        "steady_true": steady.true_positions(home) if steady != scene else None,
        "true": true,
        "in_view": ~scene.hidden(true),
        "moving": np.any([s.region.weight(home) > 0.5 for s in scene.sources], axis=0),
    }
    if case.has_components:
        parameters = parameters_from_mapping(case.parameters).parameters
        alone = [replace(scene, sources=(source,)) for source in scene.sources]
        tracks = {
            "components": [s.ideal_track(home, mesh, **motion) for s in alone],
            "components_true": [s.true_positions(home) for s in alone],
        }
        for name, of_sources in tracks.items():
            spectrograms = [spectrogram(parameters, t.astype(np.float32), home) for t in of_sources]
            truth[name] = planted_components(scene, spectrograms)
    return truth


def _measures(
    case: Case, arrays: Mapping[str, Any], truth: dict[str, Any], *, is_displacement: bool = False
) -> dict[str, float]:
    points = np.asarray(arrays["points/0"], np.float64)
    expected_track = truth["true"] if is_displacement else truth["ideal"]
    measures = endpoint_errors(points, expected_track, truth["in_view"])
    apart = np.linalg.norm(points - truth["true"], axis=-1)
    measures["displacement_error_median_px"] = float(np.median(apart[truth["in_view"]]))
    if "confidence/0" in arrays:
        measures["confidence_auc"] = confidence_auc(arrays["confidence/0"], apart)
    if case.has_components:
        found = {name: arrays[f"factors/0/{name}"] for name in TENSOR_AXES}
        planted = truth["components_true" if is_displacement else "components"]
        values = congruences(planted, found)
        measures["congruence_min"] = min(values)
        measures["incongruence"] = 1 - float(np.mean(values))
    elif "spectrograms/0" in arrays:
        parameters = parameters_from_mapping(case.parameters).parameters
        steady = "steady_true" if is_displacement else "steady"
        course = expected_track if truth[steady] is None else truth[steady]
        ideal = spectrogram(parameters, course.astype(np.float32), truth["home"])
        expected = mean_power(ideal, truth["moving"])
        found = mean_power(arrays["spectrograms/0"], truth["moving"])
        near = int(np.argmax(expected))
        shift = peak_bin(found, near) - peak_bin(expected, near)
        measures["frequency_percent_of_bin"] = 100 * abs(shift)
    return measures


def _cases(options: argparse.Namespace) -> Iterable[Case]:
    offset = HOLDOUT_SEED_OFFSET if options.holdout else 0
    flow = field_cells(offset) if options.field else flow_cells(offset)
    components = {} if options.field else component_cells(offset)
    wanted = options.cells or (QUICK_CELLS if options.quick else [*flow, *components])
    unknown = set(wanted) - {*flow, *components}
    if unknown:
        raise SystemExit(f"no such cells: {sorted(unknown)}; there are {[*flow, *components]}")
    for set_name in options.sets:
        for cell in wanted:
            if cell in components and set_name == "drift":
                continue
            scene = {**flow, **components}[cell]
            yield Case(
                cell, set_name, replace(scene, n_frames=QUICK_FRAMES) if options.quick else scene
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=lambda text: text.split(";"), help="semicolons between")
    parser.add_argument(
        "--sets",
        type=lambda text: text.split(","),
        default=list(PARAMETER_SETS),
        help="commas between",
    )
    parser.add_argument(
        "--ours-variant", dest="variants", action="append", choices=list(VARIANTS), default=None
    )
    parser.add_argument("--holdout", action="store_true", help="scenes of other seeds")
    parser.add_argument("--field", action="store_true", help="light, camera and clock as they are")
    parser.add_argument("--quick", action="store_true", help="two cells of 150 frames")
    parser.add_argument(
        "--prepare", action="store_true", help="only make the videos and let face-rhythm track them"
    )
    parser.add_argument("--dry", action="store_true", help="write no result file")
    options = parser.parse_args()
    options.variants = options.variants or [DEFAULT]
    if options.quick:
        options.sets = [name for name in options.sets if name != "bare"]
    return options


def _line(row: dict[str, Any], variants: list[str]) -> str:
    parts = [f"{row['set']:8} {row['cell']:30}"]
    for name in MEASURES:
        if compared(row, name):
            shown = " ".join(
                f"{theirs:.4f} -> {row[v][name]:.4f} ({ratio(row[v][name], theirs, name):.2f})"
                for v in variants
                for theirs in [row[counterpart(v)][name]]
            )
            parts.append(f"{name.split('_')[0]} {shown}")
    return " | ".join(parts)


if __name__ == "__main__":
    main()
