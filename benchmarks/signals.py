"""Signals of the whole face: ours beside facemap 1.0.8's `process.run`, and beside our own tracking.

``python -m benchmarks.signals [--rounds 3] [--frames 6000] [--quick]``. The contestants take turns on one
video; facemap's and our signals alone measure motion and the components of motion and movie in bins of 4 px.
Beside the tracking, which is the default's, motion, its components and a pupil are measured. A rendered eye,
with reflection and blinks, tells whose pupil is where it was drawn; facemap is given the best threshold there
is, half way between pupil and iris.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import CACHE_DIR, interleaved, ratio_of_medians, run_child, write_result
from benchmarks.eye import SIZE, eye
from benchmarks.peer import ask, build_environment
from benchmarks.planted import encode
from benchmarks.scenes import face_video
from element_facerhythm.core.rois import RegionLabel, Rois
from element_facerhythm.io.rois_file import read_rois
from element_facerhythm.io.stored_signals import read_signals
from element_facerhythm.parameters import open_parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, run_project

FACEMAP_VERSION = "1.0.8"
ENVIRONMENT_DIR = CACHE_DIR / "facemap-process"
REQUIREMENTS = (
    f"facemap=={FACEMAP_VERSION}",
    "matplotlib",
    "pandas",
    "scikit-learn<1.5",
)  # it imports two of them without asking
RUNNER = Path(__file__).with_name("signals_peer.py")
PEER, ALONE, TRACKING, BESIDE = "facemap", "signals alone", "tracking alone", "tracking and signals"
BIN_PX, N_COMPARED = 4, 20
N_EYE_FRAMES = 300
EYE_PLACE = np.array([[280.0, 180.0], [360.0, 180.0], [360.0, 240.0], [280.0, 240.0]])
"""Where a pupil is looked for beside the tracking; there is none, which takes as long."""
STAGES_OF = {
    ALONE: ("facial_signal",),
    TRACKING: ("point_tracking",),
    BESIDE: ("point_tracking", "facial_signal"),
}


class _MeasuredError(Exception):
    """What was to be measured is done, and the rest of the run is not wanted."""


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=6000)
    parser.add_argument("--quick", action="store_true", help="one round of 600 frames")
    parser.add_argument("--child", nargs=4, metavar=("WHICH", "VIDEO", "ROIS", "DIR"))
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run_one(*options.child)))
        return
    n_frames, rounds = (600, 1) if options.quick else (options.frames, options.rounds)
    print(write_result("signals", measure(n_frames, rounds)))


def measure(n_frames: int, rounds: int) -> dict[str, Any]:
    """Time the contestants on one video, and compare what they find."""
    bench = face_video(n_frames)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        arrays = folder / "facemap.npz"
        peaks: dict[str, float] = {}
        runs: dict[str, Callable[[], float]] = {
            PEER: partial(_theirs, {"video": str(bench.video), "arrays": str(arrays)}, peaks),
            **{
                which: partial(_ours, which, bench.video, bench.rois, folder, peaks)
                for which in (ALONE, TRACKING, BESIDE)
            },
        }
        timings = interleaved(runs, rounds, warm_up=False)
        agreement = compared(folder / ALONE / "analysis_files" / "FacialSignal.h5", arrays)
        pupil = pupil_errors(folder)
    result = {
        "peer": f"facemap {FACEMAP_VERSION}",
        "video": bench.name,
        "n_frames": n_frames,
        "timings": timings,
        "ratios": {
            "facemap over signals alone": ratio_of_medians(timings, PEER, ALONE),
            "tracking and signals over tracking": ratio_of_medians(timings, BESIDE, TRACKING),
        },
        "peak_rss_mb": peaks,
        "agreement": agreement,
        "pupil": pupil,
    }
    for name in ("ratios", "peak_rss_mb", "agreement", "pupil"):
        print(name, result[name])
    return result


def run_one(which: str, video: str, rois: str, directory: str) -> dict[str, float]:
    """Run what is measured into a directory, and return its seconds."""
    wanted = {
        TRACKING: [],
        BESIDE: ["motion", "svd", "pupil"],
        ALONE: ["motion", "svd", "movie_svd"],
    }
    section = {"signals": wanted[which], "bin_px": BIN_PX}
    if which == ALONE and Path(rois).suffix == ".json":
        section["signals"] = ["pupil"]
    regions = read_rois(rois)
    if which == BESIDE:
        eye_region = RegionLabel("eye", "pupil")
        regions = replace(regions, signal_polygons=(EYE_PLACE,), signal_labels=(eye_region,))
    request = RunRequest(
        videos=(Path(video),),
        rois=regions,
        parameters=open_parameters_from_mapping({"FacialSignal": section}).parameters,
        project_dir=Path(directory),
        device="cpu",
    )
    seconds: dict[str, float] = {}

    def stop(stage: str) -> None:
        if stage == STAGES_OF[which][-1]:
            raise _MeasuredError

    if which == ALONE:  # the tracking goes first, by itself, and is not counted
        plain = replace(request, parameters=open_parameters_from_mapping({}).parameters)
        _until("point_tracking", plain)
    try:
        run_project(request, on_stage=stop)
    except _MeasuredError:
        from element_facerhythm.io.product_stamps import stage_record
        from element_facerhythm.pipeline.run.plan import stage_product

        for stage in STAGES_OF[which]:
            record = stage_record(stage_product(Path(directory), stage))
            seconds[stage] = float(record["seconds"])
    return seconds


def _until(stage: str, request: RunRequest) -> None:
    def stop(name: str) -> None:
        if name == stage:
            raise _MeasuredError

    try:
        run_project(request, on_stage=stop)
    except _MeasuredError:
        return


def _ours(which: str, video: Path, rois: Path, folder: Path, peaks: dict[str, float]) -> float:
    from shutil import rmtree

    directory = folder / which
    rmtree(directory, ignore_errors=True)
    child = run_child(
        [sys.executable, "-m", "benchmarks.signals", "--child", which, video, rois, directory]
    )
    peaks[which] = max(peaks.get(which, 0.0), child.peak_rss_bytes / 2**20)
    return float(sum(json.loads(child.stdout.splitlines()[-1]).values()))


def _theirs(request: dict[str, Any], peaks: dict[str, float]) -> float:
    python = build_environment(ENVIRONMENT_DIR, REQUIREMENTS)
    with tempfile.TemporaryDirectory() as home:
        child, (answer,) = ask(
            [python, RUNNER],
            {"bin_px": BIN_PX, **request},
            {"HOME": home, "QT_QPA_PLATFORM": "offscreen"},
        )
    peaks[PEER] = max(peaks.get(PEER, 0.0), child.peak_rss_bytes / 2**20)
    return float(answer["seconds"])


def compared(product: Path, arrays: Path) -> dict[str, float]:
    """Correlation of motion, cosines between spans of masks, and strengths of components.

    facemap takes the mean over pixels from each frame before it looks for masks; ours are compared together
    with a uniform picture.
    """
    whole = read_signals(product).regions[0]
    found: dict[str, float] = {}
    with np.load(arrays) as theirs:
        motion = np.asarray(whole.arrays["motion"])
        # its first 500 frames hold the motion of the frame after
        mine = np.concatenate([motion[1:500], [np.nan], motion[500:]])
        is_there = np.isfinite(mine)
        found["motion_r"] = float(np.corrcoef(mine[is_there], theirs["motion"][is_there])[0, 1])
        for name, key in (("motion_svd", "mot"), ("movie_svd", "mov")):
            svd = whole.svd[name]
            masks = np.asarray(svd.mask).reshape(len(svd.singular_values), -1).T
            span = np.linalg.qr(np.column_stack([masks, np.ones(len(masks))]))[0]
            other = theirs[f"{key}_masks"][:, :N_COMPARED]
            other = other / np.linalg.norm(other, axis=0)
            cosines = np.linalg.svd(span.T @ other, compute_uv=False)
            found[f"{key}_smallest_cosine"] = float(cosines.min())
            found[f"{key}_relative_error"] = svd.relative_error
    return found


def eye_frames() -> Iterator[tuple[NDArray[np.uint8], float, float, float]]:
    """Frames of an eye, and where its pupil is and how large; the area is NaN in blinks."""
    for i in range(N_EYE_FRAMES):
        x, y = 55 + 5 * np.sin(i / 17), 40 + 2 * np.sin(i / 11)
        long_px = 13 + 5 * np.sin(i / 40)
        short_px = long_px * 0.9
        is_blink = i % 60 in (30, 31, 32)
        opened = 0.0 if is_blink else 1.0
        picture = eye(x, y, long_px, short_px, 0.4, opened=opened, reflection=(61.0, 34.0), seed=i)
        yield picture, x, y, np.nan if is_blink else np.pi * long_px * short_px


def pupil_errors(folder: Path) -> dict[str, dict[str, float]]:
    """Errors of both in frames in which the eye is open, and the share of the others with a pupil."""
    made = list(eye_frames())
    video = folder / "eye.mkv"
    encode(video, (picture for picture, *_ in made), 60, "h264-20")
    truth = np.array([facts for _, *facts in made])
    height, width = SIZE
    corners = np.array([[3.0, 3], [width - 4, 3], [width - 4, height - 4], [3, height - 4]])
    rois = Rois(
        (corners,), signal_polygons=(corners,), signal_labels=(RegionLabel("eye", "pupil"),)
    )
    from element_facerhythm.io.rois_file import write_rois

    write_rois(rois, folder / "eye.json")
    _ours(ALONE, video, folder / "eye.json", folder, {})
    (region,) = read_signals(folder / ALONE / "analysis_files" / "FacialSignal.h5").regions
    ours = np.column_stack([np.asarray(region.arrays["centre"]), np.asarray(region.arrays["area"])])
    request = {
        "video": str(video),
        "arrays": str(folder / "pupil.npz"),
        "region": [3, 3, width - 6, height - 6],
        "saturation": 50,
    }
    _theirs(request, {})
    with np.load(folder / "pupil.npz") as found:
        theirs = np.column_stack([found["com"][:, ::-1] + 3, found["area"]])
    is_open = np.isfinite(truth[:, 2])
    return {
        name: {
            "median_distance_px": float(
                np.nanmedian(np.hypot(*(values[is_open, :2] - truth[is_open, :2]).T))
            ),
            "median_area_error": float(
                np.nanmedian(np.abs(values[is_open, 2] / truth[is_open, 2] - 1))
            ),
            "found_where_open": float(np.isfinite(values[is_open, 2]).mean()),
            "pupil_said_in_blinks": float(np.isfinite(values[~is_open, 2]).mean()),
        }
        for name, values in (("ours", ours), (PEER, theirs))
    }


if __name__ == "__main__":
    main()
