"""Numbers that must not move unless a stage's version is raised.

The recording is closed-form and stored without loss, so that every machine analyses the same pixels.
After an intended change: raise the version of the stage in `pipeline/run/fingerprint.py`, add a line to the
changelog, and write the new numbers with `python -m tests.contract.test_golden`.
"""

import json
import tempfile
from pathlib import Path

import av
import h5py
import numpy as np
import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, run_project
from element_facerhythm.pipeline.records import PRODUCT_OF_STAGE
from element_facerhythm.pipeline.run.fingerprint import STAGE_VERSIONS

GOLDEN = Path(__file__).with_name("golden.json")
N_FRAMES, HEIGHT, WIDTH, RATE_HZ = 150, 96, 128, 100
TRACKERS = {
    "anchored": {"params_outlier_handling": {"threshold_displacement": 3.0}},
    "flow": {
        "method": "flow",
        "params_optical_flow": {"relaxation": 0.05, "kwargs_method": {"criteria": [3, 10, 0.03]}},
        "params_clahe": {"clipLimit": 4.0, "tileGridSize": [8, 8]},
        "params_outlier_handling": {
            "threshold_displacement": 3.0,
            "framesHalted_before": 4,
            "framesHalted_after": 4,
        },
    },
}
"""The default, and the flow."""
TREE = {
    "ROIs": {"make_rois": {"point_spacing": 12}},
    "VQT_Analyzer": {
        "params_VQT": {
            "Q_lowF": 2,
            "F_min": 5,
            "F_max": 40,
            "n_freq_bins": 12,
            "downsample_factor": 5,
        }
    },
    "TCA": {"fit": {"params_method": {"rank": 3, "n_iter_max": 30}}},
}


def displacement_px(home: np.ndarray) -> np.ndarray:
    """(T, P, 2) displacement of what lies at `home` (P, 2) in the first frame."""
    frame = np.arange(N_FRAMES)[:, None]
    dx = 2.0 * np.sin(2 * np.pi * 12 * frame / RATE_HZ) + 0 * home[:, 0]
    bob = np.sin(2 * np.pi * 7 * frame / RATE_HZ)
    right = 1 / (1 + np.exp((WIDTH / 2 - home[:, 0] - dx) / 8))
    dy = (bob + 4 * np.exp(-(((frame - 75) / 4) ** 2))) * right
    return np.stack([dx, dy], axis=-1)


def write_recording(path: Path) -> None:
    """A sum of waves that slides at 12 Hz; its right half bobs at 7 Hz and jerks once."""
    x, y = np.meshgrid(np.arange(WIDTH, dtype=float), np.arange(HEIGHT, dtype=float))
    rng = np.random.default_rng(0)
    waves = [(*rng.uniform(-0.9, 0.9, 2), *rng.uniform(0, 2 * np.pi, 1)) for _ in range(24)]
    right = 1 / (1 + np.exp((WIDTH / 2 - x) / 8))
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "gray"
        for frame in range(N_FRAMES):
            dx = 2.0 * np.sin(2 * np.pi * 12 * frame / RATE_HZ)
            bob = np.sin(2 * np.pi * 7 * frame / RATE_HZ)
            dy = (bob + 4 * np.exp(-(((frame - 75) / 4) ** 2))) * right
            image = sum(np.sin(kx * (x - dx) + ky * (y - dy) + phase) for kx, ky, phase in waves)
            gray = np.clip(np.rint(128 + 18 * image), 0, 255).astype(np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(gray, format="gray")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def numbers(folder: Path, method: str) -> dict[str, list[float]]:
    """A few numbers of each stage that computes."""
    write_recording(folder / "waves.mkv")
    polygon = np.array(
        [[8.0, 8.0], [WIDTH - 9.0, 8.0], [WIDTH - 9.0, HEIGHT - 9.0], [8.0, HEIGHT - 9.0]]
    )
    request = RunRequest(
        videos=(folder / "waves.mkv",),
        rois=Rois(seed_polygons=(polygon,)),
        parameters=parameters_from_mapping({**TREE, "PointTracker": TRACKERS[method]}).parameters,
        project_dir=folder / "project",
        device="cpu",
    )
    record = run_project(request)
    files = {product.name: h5py.File(product.path, "r") for product in record.products}
    try:
        tracker, spectra, tca = (files[n] for n in ("PointTracker", "VQT_Analyzer", "TCA"))
        moved = tracker["points_tracked/0"][:] - tracker["point_positions"][:]
        spectrogram = spectra["spectrograms/0"][:]
        factors = [np.sort(np.linalg.norm(f[:], axis=0)) for f in tca["factors/0"].values()]
        return {
            "rois": [float(v) for v in tracker["point_positions"][::17].ravel()],
            "point_tracking": [
                float(tracker["violations/0/row"].size),
                *np.percentile(moved, [1, 25, 50, 75, 99]).tolist(),
                *moved[::30, 5].ravel().tolist(),
            ],
            "spectral_analysis": [
                *spectrogram.mean(axis=(1, 3)).ravel().tolist(),
                float(np.linalg.norm(spectrogram)),
            ],
            "decomposition": [float(np.prod(factors, axis=0).sum()), *factors[1].tolist()],
        }
    finally:
        for file in files.values():
            file.close()


@pytest.mark.parametrize("method", TRACKERS)
def test_outputs_move_only_with_the_stage_version(tmp_path: Path, method: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert golden["stage_versions"] == STAGE_VERSIONS, (
        "a stage version was raised: write the new numbers with python -m tests.contract.test_golden"
    )
    measured = numbers(tmp_path, method)
    assert set(measured) < set(PRODUCT_OF_STAGE)
    assert measured["point_tracking"][0] > 0, "the recording must exercise violations"
    for stage, expected in golden["numbers"][method].items():
        np.testing.assert_allclose(
            measured[stage],
            expected,
            rtol=2e-3,
            atol=2e-3,
            err_msg=f"the numbers of stage {stage} moved: raise its version in STAGE_VERSIONS",
        )
    if method == "anchored":
        require_truth(tmp_path / "project")


def require_truth(project_dir: Path) -> None:
    """Points that are found are where they were planted, and those that are not are too far from home."""
    tracking, home = (
        Project.open(project_dir).tracking(0),
        Project.open(project_dir).point_positions,
    )
    planted = displacement_px(home.astype(float))
    error = np.linalg.norm(tracking.points[:] - home - planted, axis=-1)
    is_found = np.ones(error.shape, bool)
    is_found[tracking.violation_rows, tracking.violation_cols] = False
    assert np.median(error[is_found]) < 0.05
    assert np.percentile(error[is_found], 95) < 0.2
    is_near = np.linalg.norm(planted, axis=-1) < 3.0
    assert (is_near == is_found).mean() > 0.98


if __name__ == "__main__":
    measured = {}
    for method in TRACKERS:
        with tempfile.TemporaryDirectory() as name:
            measured[method] = numbers(Path(name), method)
    content = {"stage_versions": STAGE_VERSIONS, "numbers": measured}
    GOLDEN.write_text(json.dumps(content, indent=1) + "\n")
