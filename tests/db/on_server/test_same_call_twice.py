"""Helpers that enter rows: Element Facemap's own calls, the same call twice, and weights in the database."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import (
    ConfigurationError,
    KeypointError,
    PathError,
    ProcessingError,
    RoiError,
)
from element_facerhythm.linking import active_link, set_active_link
from tests.unit.keypoints.training import PARTS, new_network, save_weights

Key = dict[str, Any]
NAMES = tuple(PARTS)


def recording_of(key: Key, fbe: ModuleType) -> Key:
    return {name: key[name] for name in fbe.VideoRecording.primary_key}


def test_a_task_without_a_mode_can_be_populated(
    register: Callable[..., Key], processed: Key, fbe: ModuleType
) -> None:
    key = register(160)
    recording = recording_of(key, fbe)
    (fbe.FaceRhythmTask & key).delete(prompt=False)
    assert fbe.FaceRhythmTask.generate({**recording, "paramset_id": key["paramset_id"]}) == key
    assert fbe.FaceRhythmTask.generate(recording, paramset_id=key["paramset_id"], roi_id=0) == key
    row = (fbe.FaceRhythmTask & key).fetch1()
    assert (row["task_mode"], row["output_dir"]) == ("trigger", "")
    with pytest.raises(ConfigurationError, match=r"frames '', not '0:60'"):
        fbe.FaceRhythmTask.generate(key, frames="0:60")
    with pytest.raises(ConfigurationError, match="has roi_id 0, and roi_id=3"):
        fbe.FaceRhythmTask.generate(key, roi_id=3)
    (fbe.FaceRhythmTask & key).delete(prompt=False)
    fbe.FaceRhythmTask.insert1({**key, "output_dir": "somewhere/else"})
    assert (fbe.FaceRhythmTask & key).fetch1("task_mode") == "load"
    (fbe.FaceRhythmTask & key).delete(prompt=False)
    fbe.FaceRhythmTask.insert1(key)
    fbe.RecordingInfo.populate(key)
    fbe.FaceRhythmProcessing.populate(key)
    assert fbe.FaceRhythmProcessing & key


def test_regions_keep_their_names(processed: Key, fbe: ModuleType) -> None:
    recording = {**recording_of(processed, fbe), "roi_id": 70}
    square = [[40, 40], [80, 40], [80, 90], [40, 90]]
    rois = {"points": [square, [[x + 45, y] for x, y in square]], "mask": [square]}
    named = {
        **rois,
        "names": ["whisker pad", "pupil left"],
        "kinds": {"points": ["motion SVD", "Pupil"]},
    }
    key = fbe.FaceRhythmROI.insert_rois(recording, named)
    rows = (fbe.FaceRhythmROI.Polygon & key).to_dicts(order_by="role DESC, polygon_index")
    assert [(row["roi_name"], row["region_kind"]) for row in rows] == [
        ("whisker pad", "motion"),
        ("pupil left", "pupil"),
        ("mask_0", "mask"),
    ]
    assert [x.name for x in fbe.FaceRhythmROI.fetch_rois(key).seed_labels] == named["names"]
    for same in (named, rois, {**rois, "names": ["whisker pad", None]}):
        assert fbe.FaceRhythmROI.insert_rois(recording, same) == key
        assert fbe.FaceRhythmROI.find_roi_id(recording, same) == 70
    renamed = {**rois, "names": ["nose", "eye", "face"]}
    with pytest.raises(RoiError, match="the same regions of interest under other names"):
        fbe.FaceRhythmROI.insert_rois(recording, renamed)
    assert fbe.FaceRhythmROI.find_roi_id(recording, renamed) == 71


def test_what_is_excluded_is_kept_with_its_name(processed: Key, fbe: ModuleType) -> None:
    recording = {**recording_of(processed, fbe), "roi_id": 80}
    square, eye = [[40, 40], [80, 40], [80, 90], [40, 90]], [[50, 50], [60, 50], [60, 60]]
    rois = {"points": [square], "exclude": [eye, square], "names": {"exclude": ["eye", None]}}
    key = fbe.FaceRhythmROI.insert_rois(recording, rois)
    rows = (fbe.FaceRhythmROI.Polygon & key & "role = 'exclude'").to_dicts(order_by="polygon_index")
    assert [(row["roi_name"], row["region_kind"]) for row in rows] == [
        ("eye", "exclude"),
        ("exclude_1", "exclude"),
    ]
    found = fbe.FaceRhythmROI.fetch_rois(key)
    assert [polygon.tolist() for polygon in found.exclude_polygons] == [eye, square]
    assert [label.name for label in found.exclude_labels] == ["eye", "exclude_1"]
    assert fbe.FaceRhythmROI.find_roi_id(recording, {**rois, "exclude": []} | {"names": None}) == 81


def test_a_model_is_entered_once(kpi: ModuleType, tmp_path: Path) -> None:
    path = save_weights(new_network(n_outputs=15, seed=5).eval(), tmp_path / "facemap_state.pt")
    call = {
        "model_name": "facemap_state.pt",
        "model_id": 700,
        "model_description": "as Element Facemap's tutorial enters it",
        "full_model_path": str(path),
    }
    for _ in range(2):
        assert kpi.KeypointModel.insert_new_model(**call) == 700
    assert kpi.KeypointModel.insert_new_model(**{**call, "model_id": None}) == 700
    assert len(kpi.KeypointModel & {"model_name": "facemap_state.pt"}) == 1
    file = (kpi.KeypointModel.File & {"model_id": 700}).fetch1()
    assert (file["model_file_name"], file["model_file_path"]) == ("facemap_state.pt", "")
    save_weights(new_network(n_outputs=15, seed=6).eval(), path)
    with pytest.raises(KeypointError, match=r"model 700 is entered already .* with other weights"):
        kpi.KeypointModel.insert_new_model(**call)
    with pytest.raises(KeypointError, match="with other model_description, weights"):
        kpi.KeypointModel.insert_new_model(**{**call, "model_description": "another"})


def test_weights_larger_than_a_packet_come_back_as_they_were(
    kpi: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = np.random.default_rng(0).bytes(20_000_001)
    path = tmp_path / "snapshot.bin"
    path.write_bytes(content)
    number = kpi.KeypointModel.insert_new_model(
        None, "large", "", path, body_parts=NAMES, source_software="DeepLabCut", add_body_parts=True
    )
    path.unlink()
    monkeypatch.setenv("FACERHYTHM_CACHE_DIR", str(tmp_path / "cache"))
    restored = kpi.KeypointModel.weights_file({"model_id": number})
    assert restored.parent == tmp_path / "cache"
    assert restored.read_bytes() == content
    (kpi.KeypointModel & {"model_id": number}).delete(prompt=False)


def test_a_worker_without_the_file_of_weights_predicts(
    register: Callable[..., Key],
    fbe: ModuleType,
    kpi: ModuleType,
    root_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = save_weights(new_network(seed=7).eval(), root_dir / "mounted.pt")
    model = kpi.KeypointModel.insert_new_model(
        None, "mounted", "", path, body_parts=NAMES, add_body_parts=True
    )
    recording = recording_of(register(161), fbe)
    fbe.RecordingInfo.populate(recording)
    task = kpi.KeypointInferenceTask.generate({**recording, "model_id": model})
    path.unlink()  # the mount is gone
    monkeypatch.setenv("FACERHYTHM_CACHE_DIR", str(tmp_path / "cache"))
    kpi.KeypointInference.populate(task)
    assert (kpi.KeypointInference & task).fetch1("total_frame_count") == 180
    assert [place.suffix for place in (tmp_path / "cache").iterdir()] == [".pt"]

    # what is damaged in the database is noticed where it is read, and by verify
    from element_facerhythm.keypoint_inference.verification import verify_keypoints
    from element_facerhythm.pipeline.results.verify import Findings

    findings = Findings()
    verify_keypoints(recording, findings)
    assert not findings.faults
    piece = (kpi.KeypointModel.Weights & {"model_id": model, "weights_piece": 0}).fetch1()
    damaged = bytes(piece["weights_bytes"])[:-1] + b"?"
    kpi.KeypointModel.Weights.update1({**piece, "weights_bytes": damaged})
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(ProcessingError, match="damaged in the database"):
        kpi.KeypointModel.weights_file({"model_id": model})
    findings = Findings()
    verify_keypoints(recording, findings)
    assert any("KeypointModel.Weights" in fault.where for fault in findings.faults)


def test_keypoint_tasks_are_entered_by_element_facemaps_calls(
    register: Callable[..., Key], fbe: ModuleType, kpi: ModuleType, model_id: int
) -> None:
    recording = recording_of(register(162), fbe)
    key = {**recording, "model_id": model_id}
    for call in (kpi.KeypointInferenceTask.generate,) * 2:
        assert call(key, "a remark", "trigger", []) == key
    assert kpi.KeypointInferenceTask.insert_facemap_inference_task(key, "a remark") == key
    row = (kpi.KeypointInferenceTask & key).fetch1()
    assert (row["inference_task_mode"], row["bbox"]) == ("trigger", None)
    assert row["inference_task_description"] == "a remark"
    with pytest.raises(ConfigurationError, match=r"bbox None, not \[10, 150, 5, 115\]"):
        kpi.KeypointInferenceTask.generate(key, "a remark", "trigger", [10, 150, 5, 115])
    with pytest.raises(KeypointError, match=r"nothing to load .*_FacemapPose.h5"):
        kpi.KeypointInferenceTask.generate(key, task_mode="load")
    with pytest.raises(KeypointError, match="names no model_id"):
        kpi.KeypointInferenceTask.generate(recording)


def test_facemaps_result_is_loaded_from_the_directory_that_a_task_names(
    register: Callable[..., Key],
    inferred: Key,
    fbe: ModuleType,
    kpi: ModuleType,
    root_dir: Path,
    processed_dir: Path,
) -> None:
    model = kpi.KeypointModel.insert_new_model(None, "loaded", body_parts=NAMES)
    source = processed_dir / (kpi.KeypointInference & inferred).fetch1("keypoints_path")
    by_insert, by_call = (recording_of(register(number), fbe) for number in (163, 164))
    for recording, folder in ((by_insert, root_dir / "outbox"), (by_call, root_dir / "mouse")):
        fbe.RecordingInfo.populate(recording)
        place = folder / f"facemap_recordingid0_model{model}"
        place.mkdir(parents=True)
        shutil.copy(source, place / "part0_FacemapPose.h5")
        shutil.copy(source, place / "another_FacemapPose.h5")
    row = {
        **by_insert,
        "model_id": model,
        "facemap_inference_output_dir": f"outbox/facemap_recordingid0_model{model}",
        "task_mode": "load",
        "task_description": "",
    }
    kpi.KeypointInferenceTask.insert1(row)
    task = kpi.KeypointInferenceTask.generate({**by_call, "model_id": model}, task_mode="load")
    files = (kpi.KeypointInferenceTask.File & task).to_arrays("prediction_file_path")
    assert list(files) == [f"mouse/facemap_recordingid0_model{model}/part0_FacemapPose.h5"]
    assert kpi.KeypointInferenceTask.generate({**by_call, "model_id": model}) == task
    expected = kpi.KeypointInference.get_trajectory(inferred).to_numpy()
    for recording in (by_insert, by_call):
        kpi.KeypointInference.populate(recording)
        loaded = kpi.KeypointInference.get_trajectory({**recording, "model_id": model})
        np.testing.assert_array_equal(loaded.to_numpy(), expected)


def test_files_that_the_linking_module_names_are_entered_once(
    workflow: ModuleType, processed: Key, fbe: ModuleType, root_dir: Path
) -> None:
    recording = {**recording_of(processed, fbe), "recording_id": 90}
    device = (fbe.VideoRecording & processed).fetch1("device")
    own = active_link()
    answer: list[Any] = ["mouse/part1.mp4", root_dir / "mouse" / "part0.mp4"]
    set_active_link(replace(own, get_video_files=lambda key: answer if key == recording else []))
    try:
        rows = fbe.linked_file_rows(recording)
        assert [row["file_path"] for row in rows] == ["mouse/part1.mp4", "mouse/part0.mp4"]
        with pytest.raises(ConfigurationError, match="is not entered"):
            fbe.insert_linked_files(recording)
        fbe.VideoRecording.insert1({**recording, "device": device})
        assert [fbe.insert_linked_files(recording) for _ in range(2)] == [2, 0]
        answer.reverse()
        with pytest.raises(ConfigurationError, match="has other files than"):
            fbe.insert_linked_files(recording)
        answer.append("mouse/part0.mp4")
        with pytest.raises(ConfigurationError, match=r"gave mouse/part0\.mp4 twice"):
            fbe.linked_file_rows(recording)
        answer[:] = [root_dir.parent / "elsewhere.mp4"]
        answer[0].touch()
        with pytest.raises(PathError, match="outside of the root directories"):
            fbe.linked_file_rows(recording)
    finally:
        set_active_link(own)
    stored = (fbe.VideoRecording.File & recording).to_dicts(order_by="file_id")
    assert [row["file_path"] for row in stored] == ["mouse/part1.mp4", "mouse/part0.mp4"]


def test_regions_of_signals_are_kept_with_their_kinds(processed: Key, fbe: ModuleType) -> None:
    recording = {name: processed[name] for name in fbe.VideoRecording.primary_key}
    square = [[40.0, 40.0], [60.0, 40.0], [60.0, 60.0], [40.0, 60.0]]
    eye = [[50.0, 50.0], [58.0, 50.0], [58.0, 58.0]]
    rois = {
        "points": [square],
        "signals": [eye, square],
        "kinds": {"points": [None], "signals": ["pupil", None]},
    }
    key = fbe.FaceRhythmROI.insert_rois({**recording, "roi_id": 84}, rois)
    rows = (fbe.FaceRhythmROI.Polygon & key & "role = 'signals'").to_dicts(order_by="polygon_index")
    assert [(row["roi_name"], row["region_kind"]) for row in rows] == [
        ("signals_0", "pupil"),
        ("signals_1", "motion"),
    ]
    found = fbe.FaceRhythmROI.fetch_rois(key)
    assert [polygon.tolist() for polygon in found.signal_polygons] == [eye, square]
    assert [label.kind for label in found.signal_labels] == ["pupil", "motion"]
    assert fbe.FaceRhythmROI.find_roi_id(recording, rois) == 84
    assert fbe.FaceRhythmROI.find_roi_id(recording, {"points": [square]}) != 84
