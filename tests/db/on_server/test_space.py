"""Keypoints in space in the database: cameras of a session, populated once all of them have keypoints."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import ConfigurationError, FaceRhythmError, KeypointError
from element_facerhythm.keypoints.formats import write_predictions
from tests.rendered_rig import PARTS, SIZE_PX, Rig, as_predictions, film, moving_points

Key = dict[str, Any]
RIG = Rig()
TIMES = np.arange(50) / 50
POSITIONS = moving_points(TIMES)
SESSION = 976


@pytest.fixture(scope="module")
def rig(
    workflow: ModuleType,
    fbe: ModuleType,
    kpi: ModuleType,
    register: Callable[..., Key],
    root_dir: Path,
) -> Key:
    """Key of a session with a recording of each of three cameras; keypoints of two, none of the third yet."""
    from element_facerhythm.ingest.keypoints import populate_keypoints, register_predictions

    (root_dir / "calibration.toml").write_text(RIG.anipose())
    for view in range(3):
        path = film(RIG, view, POSITIONS, root_dir / f"{RIG.names[view]}.mp4")
        key = register(SESSION, [path], recording_id=view)
    session = {name: key[name] for name in fbe.VideoRecording.primary_key if name != "recording_id"}
    fbe.RecordingInfo.populate(session)
    for view in range(3):
        seen = RIG.seen(view, POSITIONS)
        if view == 2:
            seen[4, 0] += 60  # a view that is wrong
        if view > 0:
            seen[10, 1] = np.nan  # one view left
        (file,) = write_predictions(as_predictions(seen), root_dir / f"{RIG.names[view]}.h5", "dlc")
        done = register_predictions(
            {**session, "recording_id": view},
            [file],
            "DeepLabCut",
            model_name="rig",
            add_body_parts=True,
        )
        if view < 2:
            populate_keypoints(done.key)
    return session


CAMERAS = {"left": 0, "right": 1, "top": 2}


def test_positions_are_found_once_all_cameras_have_keypoints(
    rig: Key, fbe: ModuleType, kpi: ModuleType, root_dir: Path
) -> None:
    path = root_dir / "calibration.toml"
    keys = kpi.Camera.insert_calibration(rig, path, CAMERAS)
    assert (
        kpi.Camera.insert_calibration(rig, path, CAMERAS) == keys
    )  # the same call changes nothing
    row = (kpi.Camera & keys[1]).fetch1()
    np.testing.assert_allclose(row["camera_rotation"], RIG.rotation(1))
    assert (row["calibrated_width_px"], row["calibrated_height_px"]) == SIZE_PX
    with pytest.raises(ConfigurationError, match="entered already with another content"):
        kpi.Camera.insert_calibration(rig, path, CAMERAS, max_error_px=5)
    kpi.Keypoint3D.populate(rig)
    assert len(kpi.Keypoint3D & rig) == 0  # the third camera has none yet
    kpi.KeypointInference.populate(rig)
    kpi.Keypoint3D.populate(rig)
    result = (kpi.Keypoint3D & rig).fetch1()
    assert (result["recording_id"], result["n_cameras"], result["n_ambiguous_points"]) == (0, 3, 0)
    assert any("are taken to be of one moment" in note for note in result["space_notes"])

    expected = POSITIONS.copy()
    expected[10, 1] = np.nan
    for k, part in enumerate(PARTS):
        row = (kpi.Keypoint3D.Position & rig & {"body_part": part}).fetch1()
        found = np.stack([np.asarray(row[f"{axis}_space"]) for axis in "xyz"], axis=1)
        np.testing.assert_allclose(found, expected[:, k], atol=1e-3)
        n_views = np.asarray(row["n_views"])
        np.testing.assert_array_equal(n_views == 0, np.isnan(expected[:, k, 0]))
        error = np.asarray(row["reprojection_px"])
        assert row["mean_reprojection_px"] == pytest.approx(
            np.nansum(error * n_views) / n_views.sum(), rel=1e-6
        )
        assert row["found_fraction"] == (1 if k != 1 else 0.98)
        assert row["median_likelihood"] == pytest.approx(0.9)
        assert n_views[4] == (2 if k == 0 else 3)
    views = (kpi.Keypoint3D.View & rig).to_dicts(order_by="view_recording_id")
    assert [view["n_matched_frames"] for view in views] == [50, 50, 50]
    assert views[2]["used_fraction"] == pytest.approx(1 - 1 / (50 * 4 - 1))
    predictions = kpi.Keypoint3D.fetch_predictions(rig)
    np.testing.assert_allclose(
        predictions.positions[:, 0], expected[:, order(predictions)], atol=1e-3
    )


def order(predictions: Any) -> list[int]:
    return [PARTS.index(part) for part in predictions.body_parts]


def test_the_files_are_verified_and_kept(rig: Key, kpi: ModuleType, processed_dir: Path) -> None:
    from element_facerhythm.admin.garbage.references import read_references
    from element_facerhythm.keypoint_inference.verification import verify_keypoints
    from element_facerhythm.pipeline.results.verify import Findings

    key = {**rig, "recording_id": 0}
    findings = Findings()
    verify_keypoints(key, findings)
    assert not findings.faults
    path = processed_dir / (kpi.Keypoint3D & rig).fetch1("space_path")
    assert path.resolve() in {place.resolve() for place in read_references().places}
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    try:
        findings = Findings()
        verify_keypoints(key, findings)
        assert any("Keypoint3D" in str(fault) for fault in findings.faults)
        with pytest.raises(FaceRhythmError):
            kpi.Keypoint3D.fetch_predictions(rig)
    finally:
        path.write_bytes(content)


def test_positions_go_with_the_keypoints_of_any_camera(rig: Key, kpi: ModuleType) -> None:
    from element_facerhythm.ingest.keypoints import remove_predictions

    removed = remove_predictions({**rig, "recording_id": 1})
    assert removed["KeypointInferenceTask"] == 1
    assert len(kpi.Keypoint3D & rig) == len(kpi.Keypoint3D.Position & rig) == 0
    assert len(kpi.KeypointInference & rig) == 2
    kpi.Keypoint3D.populate(rig)
    assert len(kpi.Keypoint3D & rig) == 0


def test_what_is_no_calibration_of_the_session_is_refused(
    rig: Key, kpi: ModuleType, root_dir: Path
) -> None:
    path = root_dir / "calibration.toml"
    for cameras, message in (
        ({"left": 0, "behind": 1}, "has no camera behind; its cameras are left, right, top"),
        ({"left": 0, "right": 0}, "expected two recordings or more, each once"),
        ({"left": 0}, "expected two recordings or more"),
    ):
        with pytest.raises(KeypointError, match=message):
            kpi.Camera.insert_calibration(rig, path, cameras, calibration_id=5)
    with pytest.raises(KeypointError, match="the threshold is -1; expected pixels above 0"):
        kpi.Camera.insert_calibration(rig, path, CAMERAS, calibration_id=5, max_error_px=-1)
    assert len(kpi.Camera & {"calibration_id": 5}) == 0
