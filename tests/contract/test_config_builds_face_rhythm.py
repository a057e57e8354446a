"""config.yaml of a run of ours builds face-rhythm's classes: what they take, written down as facts."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorly.decomposition
import yaml

from element_facerhythm.core.rois import Rois
from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, check_request
from element_facerhythm.pipeline.run.face_rhythm_files import CONFIG_OF

RATE_HZ = 60.0
# Arguments of the classes of face-rhythm 0.3.3, and of `VQT` of vqt 0.1.3.
ARGUMENTS = {
    "Dataset_videos": "bufferedVideoReader paths_videos contiguous frame_rate_clamp verbose",
    "PointTracker": "buffered_video_reader point_positions rois_masks contiguous params_optical_flow "
    "params_clahe params_outlier_handling frames_freeze relaxation_during_freeze_frames idx_start "
    "visualize_video params_visualization verbose",
    "VQT_Analyzer": "params_VQT batch_size device normalization_factor spectrogram_exponent "
    "one_over_f_exponent verbose",
    "VQT": "Fs_sample Q_lowF Q_highF F_min F_max n_freq_bins win_size window_type symmetry "
    "taper_asymmetric downsample_factor padding fft_conv fast_length take_abs filters verbose plot_pref",
}
OPTICAL_FLOW = "method mesh_rigidity mesh_n_neighbors relaxation kwargs_method"
LUCAS_KANADE = "winSize maxLevel criteria"  # of cv2.calcOpticalFlowPyrLK
CLAHE = "clipLimit tileGridSize"  # of cv2.createCLAHE
OUTLIERS = "threshold_displacement framesHalted_before framesHalted_after"
# What its own config.yaml holds, of which no class is built whole.
WRITTEN = {
    "ROIs": "select_mode exampleImage path_file roi_points point_positions mask_images verbose "
    "point_spacing",
    "TCA": "verbose mean_subtract std_divide method backend params_method device",
}


def names(text: str) -> set[str]:
    return set(text.split())


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "mouse.mp4"
    make_scene_video(
        path, n_frames=200, width_px=96, height_px=64, frame_rate_hz=RATE_HZ, with_paw=False
    )
    return path


def fit(method: str, **options: Any) -> dict[str, Any]:
    return {"TCA": {"fit": {"method": method, "params_method": {"rank": 2, **options}}}}


CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "face-rhythm": {"compat": "face-rhythm"},
    "all of ours": {
        "PointTracker": {
            "params_optical_flow": {"refine": False}, "params_clahe": None, "frames_freeze": [3, 4],
            "frames_per_block": 64,
        },
        "Dataset_videos": {"frame_rate_clamp": 90.0},
        "VQT_Analyzer": {"params_VQT": {"averaging": "exact"}},
    },
    "HALS": fit("CP_NN_HALS", n_restarts=3, nn_modes=[0, 1]),
    "CP": fit("CP", n_restarts=3),
    "RandomizedCP": fit("RandomizedCP", n_samples=40),
    "complex": {
        "VQT_Analyzer": {"params_VQT": {"take_abs": False}},
        "TCA": {"rearrange_data": {"concat_complexDim": True}, "fit": {"method": "CP"}},
    },
}  # fmt: skip


@pytest.fixture(params=CASES)
def sections(request: pytest.FixtureRequest, video: Path, tmp_path: Path) -> dict[str, Any]:
    """Sections as they lie in the file."""
    tree = {**CASES[request.param]}
    vqt = tree.get("VQT_Analyzer", {}).get("params_VQT", {})
    short = {"F_min": 6.0, "F_max": 25.0, "Q_lowF": 2.0, "downsample_factor": 4, "Fs_sample": 55.0}
    tree["VQT_Analyzer"] = {"params_VQT": {**short, **vqt}}
    square = np.array([[20.0, 20.0], [70.0, 20.0], [70.0, 50.0], [20.0, 50.0]])
    checked = check_request(
        RunRequest(
            (video,),
            Rois(seed_polygons=(square,)),
            parameters_from_mapping(tree).parameters,
            tmp_path / "not-written",
            "cpu",
        )
    )
    written = {name: make(checked) for name, make in CONFIG_OF.items()}
    text = yaml.safe_dump({key: _plain(value) for key, value in written.items()})
    return yaml.safe_load(text)  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def test_every_class_takes_its_section(sections: dict[str, Any]) -> None:
    for name in ("Dataset_videos", "PointTracker", "VQT_Analyzer"):
        assert set(sections[name]) <= names(ARGUMENTS[name]), name
    assert set(sections["VQT_Analyzer"]["params_VQT"]) <= names(ARGUMENTS["VQT"])
    tracker = sections["PointTracker"]
    assert set(tracker["params_optical_flow"]) == names(OPTICAL_FLOW)
    assert set(tracker["params_optical_flow"]["kwargs_method"]) == names(LUCAS_KANADE)
    assert set(tracker["params_clahe"] or {}) in (set(), names(CLAHE))
    assert set(tracker["params_outlier_handling"]) == names(OUTLIERS)  # it fails on a part of them
    assert tracker["frames_freeze"] in (None, True)  # false is refused by the class
    for name, written in WRITTEN.items():
        assert set(sections[name]) == names(written), name


def test_the_method_takes_its_options(sections: dict[str, Any]) -> None:
    section = sections["TCA"]
    method = getattr(tensorly.decomposition, section["method"])
    inspect.signature(method).bind(**section["params_method"])
    assert section["backend"] in ("numpy", "pytorch")


def test_values_are_those_that_are_computed_with(
    sections: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    case = request.node.callspec.params["sections"]
    rate = sections["VQT_Analyzer"]["params_VQT"]["Fs_sample"]
    # as typed with compat, clamped, or the video's own
    assert rate == {"face-rhythm": 55.0, "all of ours": 90.0}.get(case, RATE_HZ)
    assert sections["PointTracker"]["frames_freeze"] == (True if case == "all of ours" else None)
    assert sections["TCA"]["params_method"]["random_state"] == 0
