"""Keypoints in the database: predicted by a trained network, taken in from files, compared with rhythms."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import FaceRhythmError, KeypointError, PathError
from element_facerhythm.keypoints.formats import write_predictions
from element_facerhythm.keypoints.predictions import Predictions
from tests.unit.keypoints.training import PARTS, new_network, save_weights

Key = dict[str, Any]
NAMES = tuple(PARTS)
N_FRAMES = 180


def recording_of(key: Key, fbe: ModuleType) -> Key:
    return {name: key[name] for name in fbe.VideoRecording.primary_key}


def planted(n_frames: int = N_FRAMES, seed: int = 0, parts: tuple[str, ...] = NAMES) -> Predictions:
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 1, (n_frames, 1, len(parts), 2)).cumsum(axis=0)
    likelihood = rng.uniform(0.3, 1.0, (n_frames, 1, len(parts)))
    positions = 60 + steps
    positions[5:9, 0, 0] = np.nan
    return Predictions(
        positions, likelihood, parts, source_software="DeepLabCut", frame_rate_hz=60.0
    )


def test_a_run_fills_its_columns(inferred: Key, kpi: ModuleType) -> None:
    row = (kpi.KeypointInference & inferred).fetch1()
    assert row["total_frame_count"] == N_FRAMES
    assert row["inference_run_duration"] > 0
    assert row["frames_per_s"] == pytest.approx(N_FRAMES / row["inference_run_duration"])
    assert row["inference_device"] == "cpu"
    assert row["used_bbox"] == [[10, 150, 5, 115]] * 2
    tracks = (kpi.KeypointInference.BodyPartPosition & inferred).to_dicts()
    assert {track["body_part"] for track in tracks} == set(NAMES)
    for track in tracks:
        x, y = np.asarray(track["x_pos"]), np.asarray(track["y_pos"])
        steps = np.hypot(np.diff(x), np.diff(y))
        steps = np.delete(steps, 89)  # from one video to the next
        assert track["median_speed_px_s"] == pytest.approx(float(np.median(steps)) * 60.0, rel=1e-5)
        assert track["mean_likelihood"] == pytest.approx(np.asarray(track["likelihood"]).mean())
        assert track["missing_fraction"] == 0
    libraries = (kpi.KeypointInference.Library & inferred).to_arrays("inference_library_name")
    assert {"torch", "facemap"} <= set(libraries)


def test_a_trajectory_is_element_facemaps_frame(inferred: Key, kpi: ModuleType) -> None:
    frame = kpi.KeypointInference.get_trajectory(inferred)
    assert frame.columns.names == ["scorer", "bodyparts", "coords"]
    assert len(frame) == N_FRAMES
    assert list(frame["small"].columns.levels[1]) == ["likelihood", "x", "y"]
    one = kpi.KeypointInference.get_trajectory(inferred, "nose(tip)")
    row = (kpi.KeypointInference.BodyPartPosition & inferred & {"body_part": "nose(tip)"}).fetch1()
    np.testing.assert_array_equal(one["small", "nose(tip)", "x"], np.asarray(row["x_pos"]))
    two = kpi.KeypointInference.get_trajectory(inferred, ["mouth", "eye"])
    assert list(dict.fromkeys(two.columns.get_level_values("bodyparts"))) == ["mouth", "eye"]
    dataset = kpi.KeypointInference.get_trajectory(inferred, ["eye"], as_dataset=True)
    np.testing.assert_array_equal(
        dataset.position.sel(space="y").values.ravel(), frame["small", "eye", "y"]
    )
    with pytest.raises(KeypointError, match="beak is not one of the model's"):
        kpi.KeypointInference.get_trajectory(inferred, "beak")
    with pytest.raises(KeypointError, match="leaves 0 entries"):
        kpi.KeypointInference.get_trajectory({**inferred, "model_id": 999})


def test_components_know_their_body_parts(
    processed: Key, inferred: Key, fbe: ModuleType, kpi: ModuleType
) -> None:
    pairs = (kpi.KeypointRhythm.Pair & processed & inferred).to_dicts()
    n_components = len(fbe.FacialRhythm.Component & processed)
    assert 0 < len(pairs) <= n_components * len(NAMES)
    assert (kpi.KeypointRhythm & processed & inferred).fetch1("n_pairs") == len(pairs)
    for pair in pairs:
        assert -1 <= pair["correlation"] <= 1
        assert pair["p_value"] is None or 0 < pair["p_value"] <= 1


def test_predictions_of_another_tracker_come_in(
    register: Callable[..., Key],
    fbe: ModuleType,
    kpi: ModuleType,
    workflow: ModuleType,
    root_dir: Path,
) -> None:
    from element_facerhythm.ingest.keypoints import populate_keypoints, register_predictions

    recording = recording_of(register(31), fbe)
    predictions = planted()
    (path,) = write_predictions(predictions, root_dir / "whole.h5", "dlc")
    done = register_predictions(recording, [path], "DeepLabCut", model_name="dlc")
    rows = populate_keypoints(done.key)
    assert rows["KeypointInference.BodyPartPosition"] == len(NAMES)
    found = kpi.KeypointInference.fetch_predictions(done.key)
    np.testing.assert_array_equal(found.positions, predictions.positions)
    np.testing.assert_array_equal(found.likelihood, predictions.likelihood)
    first = (kpi.KeypointInference.BodyPartPosition & done.key & {"body_part": NAMES[0]}).fetch1()
    assert first["missing_fraction"] == pytest.approx(4 / N_FRAMES)
    said = predictions.likelihood[:, 0, 0]
    assert first["confident_fraction"] == pytest.approx((said > 0.5).mean())
    row = (kpi.KeypointInference & done.key).fetch1()
    assert (row["inference_run_duration"], row["inference_software"]) == (None, "DeepLabCut")


def test_files_of_each_video_are_put_in_order(
    register: Callable[..., Key], fbe: ModuleType, kpi: ModuleType, root_dir: Path
) -> None:
    from element_facerhythm.ingest.keypoints import populate_keypoints, register_predictions

    recording = recording_of(register(32), fbe)
    halves = [planted(90, seed) for seed in (1, 2)]
    paths = [
        write_predictions(half, root_dir / f"half{i}.csv", "dlc")[0]
        for i, half in enumerate(halves)
    ]
    done = register_predictions(recording, paths, "DeepLabCut", model_name="halves")
    populate_keypoints(done.key)
    found = kpi.KeypointInference.fetch_predictions(done.key)
    expected = np.concatenate([half.positions for half in halves])
    np.testing.assert_allclose(found.positions, expected)


@pytest.mark.parametrize(
    ("session_id", "predictions", "match"),
    [
        (33, planted(181), "181 frames, the video has 180"),
        (34, planted(parts=("eye", "beak")), "beak is not entered"),
    ],
)
def test_predictions_that_do_not_fit_leave_nothing(
    register: Callable[..., Key],
    fbe: ModuleType,
    kpi: ModuleType,
    root_dir: Path,
    session_id: int,
    predictions: Predictions,
    match: str,
) -> None:
    from element_facerhythm.ingest.keypoints import populate_keypoints, register_predictions

    recording = recording_of(register(session_id), fbe)
    (path,) = write_predictions(predictions, root_dir / f"bad{session_id}.h5", "dlc")
    with pytest.raises(KeypointError, match=match):
        populate_keypoints(
            register_predictions(recording, [path], "DeepLabCut", model_name=f"bad{session_id}").key
        )
    assert not kpi.KeypointInference & recording
    assert not kpi.KeypointInferenceTask & recording
    assert not kpi.BodyPart & {"body_part": "beak"}


def test_a_box_outside_the_frame_inserts_nothing(
    register: Callable[..., Key], fbe: ModuleType, kpi: ModuleType, model_id: int
) -> None:
    recording = recording_of(register(35), fbe)
    fbe.RecordingInfo.populate(recording)
    task = kpi.KeypointInferenceTask.generate(recording, model_id, bbox=[0, 400, 0, 100])
    with pytest.raises(KeypointError, match="outside of the frame of 160 x 120 px"):
        kpi.KeypointInference.populate(task)
    assert not kpi.KeypointInference & task
    with pytest.raises(KeypointError, match="bbox is 'face'"):
        kpi.KeypointInferenceTask.generate(recording, model_id, bbox="face")


def test_weights_that_changed_are_not_used(
    register: Callable[..., Key], fbe: ModuleType, kpi: ModuleType, root_dir: Path
) -> None:
    path = save_weights(new_network(seed=2).eval(), root_dir / "changing.pt")
    model = kpi.KeypointModel.insert_new_model(None, "changing", "", path, body_parts=NAMES)
    recording = recording_of(register(36), fbe)
    fbe.RecordingInfo.populate(recording)
    task = kpi.KeypointInferenceTask.generate(recording, model)
    save_weights(new_network(seed=3).eval(), path)
    with pytest.raises(KeypointError, match="changed since it was entered"):
        kpi.KeypointInference.populate(task)
    assert not kpi.KeypointInference & task


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"body_parts": NAMES[:2]}, KeypointError, "finds 4 body parts, 2 are declared"),
        ({"body_parts": ("eye", "eye")}, KeypointError, "stands more than once"),
        ({"body_parts": (*NAMES[:3], "chin")}, KeypointError, "chin is not entered"),
        (
            {"full_model_path": "/etc/hostname"},
            FaceRhythmError,
            "outside of the root|no file of weights|damaged",
        ),
        ({"full_model_path": "none.pt"}, KeypointError, "does not exist"),
    ],
)
def test_a_model_that_is_wrong_is_not_entered(
    kpi: ModuleType, weights: Path, model_id: int, change: Key, error: type, match: str
) -> None:
    before = len(kpi.KeypointModel())
    arguments = {"full_model_path": weights, "body_parts": NAMES, **change}
    with pytest.raises((error, PathError), match=match):
        kpi.KeypointModel.insert_new_model(None, "wrong", "", **arguments)
    assert len(kpi.KeypointModel()) == before


def test_sql_answers_which_parts_are_seen_badly(
    inferred: Key, kpi: ModuleType, workflow: ModuleType
) -> None:
    schema = kpi.schema.database
    quote = "`" if workflow.dj.config.database.backend == "mysql" else '"'
    table = f"{quote}{schema}{quote}.{quote}__keypoint_inference__body_part_position{quote}"
    rows = workflow.dj.conn().query(
        f"SELECT body_part, mean_likelihood, missing_fraction FROM {table} "
        "WHERE mean_likelihood >= 0 ORDER BY mean_likelihood"
    )
    assert len(rows.fetchall()) >= len(NAMES)
