"""From registered videos to results, and what stands in the rows."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import ProjectError

Key = dict[str, Any]


def test_recording_info_counts_frames_and_keeps_the_rate(processed: Key, fbe: ModuleType) -> None:
    info = (fbe.RecordingInfo & processed).fetch1()
    files = (fbe.RecordingInfo.File & processed).to_dicts(order_by="file_id")
    assert (info["n_frames"], info["n_files"], info["facts_source"]) == (180, 2, "video")
    assert (info["width_px"], info["height_px"]) == (160, 120)
    assert info["frame_rate_hz"] == pytest.approx(60.0, abs=1e-9)
    assert info["duration_s"] == pytest.approx(3.0)
    assert [row["file_n_frames"] for row in files] == [90, 90]
    assert info["size_bytes"] == sum(row["file_size_bytes"] for row in files)
    assert all(len(row["file_sha256"]) == 64 for row in files)


def test_processing_records_stages_products_and_versions(processed: Key, fbe: ModuleType) -> None:
    row = (fbe.FaceRhythmProcessing & processed).fetch1()
    stages = (fbe.FaceRhythmProcessing.Stage & processed).to_dicts()
    products = (fbe.FaceRhythmProcessing.Product & processed).to_dicts()
    libraries = (fbe.FaceRhythmProcessing.Library & processed).to_arrays("library_name")
    assert {stage["stage"] for stage in stages} == {
        "dataset", "rois", "point_tracking", "spectral_analysis", "decomposition",
    }  # fmt: skip
    assert all(stage["seconds"] >= 0 and stage["stage_device"] == "cpu" for stage in stages)
    assert row["total_seconds"] == pytest.approx(sum(stage["seconds"] for stage in stages))
    assert len(products) == 5
    assert {"torch", "numpy"} <= set(libraries)


def test_rows_agree_with_the_project_directory(processed: Key, fbe: ModuleType) -> None:
    from element_facerhythm.facial_behavior_estimation.processing import project_dir
    from element_facerhythm.io.project import Project
    from element_facerhythm.pipeline import summarise_project

    directory = project_dir((fbe.FaceRhythmProcessing & processed).fetch1("project_dir"))
    project, summary = Project.open(directory), summarise_project(directory)
    tracks = np.asarray(project.tracking(1).points)
    assert np.array_equal(fbe.FacialRhythm.traces(processed, video_index=1), tracks)
    spectrogram = fbe.FacialRhythm.spectrogram(processed, video_index=1)
    assert spectrogram.shape == project.spectrogram(1).shape
    assert np.array_equal(spectrogram[0, 2], project.spectrogram(1)[0, 2])

    points = (fbe.FacialRhythm.Point & processed).to_dicts(order_by="point_index")
    expected = [point.rms_displacement_px for point in summary.points]
    assert [point["rms_displacement_px"] for point in points] == pytest.approx(expected)
    components = (fbe.FacialRhythm.Component & processed).to_dicts(order_by="component_index")
    model = summary.models[0]
    for name in ("weight", "peak_frequency_hz", "centroid_x_px", "xy_ratio", "explained_variance"):
        expected = [getattr(component, name) for component in model.components]
        assert [component[name] for component in components] == pytest.approx(expected)


def test_traces_are_fetched_as_arrays(processed: Key, fbe: ModuleType) -> None:
    rows = (fbe.FacialRhythm.PointTrace & processed & {"video_index": 0}).to_dicts(
        order_by="point_index"
    )
    tracks = np.asarray(fbe.FacialRhythm.traces(processed, video_index=0))
    assert all(isinstance(row["trace"], np.ndarray) for row in rows)
    assert np.array_equal(np.stack([row["trace"] for row in rows], axis=1), tracks)


def test_rows_are_fetched_where_the_project_is_not_mounted(processed: Key, fbe: ModuleType) -> None:
    relative = (fbe.FaceRhythmProcessing & processed).fetch1("project_dir")
    project = Path(fbe.get_facerhythm_processed_data_dir()) / relative
    project.rename(project.with_name("away"))
    try:
        row = (fbe.FacialRhythm.Video & processed & "video_index = 0").to_dicts()[0]
        assert row["points"].shape == (90, (fbe.FacialRhythm & processed).fetch1("n_points"), 2)
        with pytest.raises(ProjectError, match=r"PointTracker\.h5 does not exist"):
            row["points"][:5]
    finally:
        project.with_name("away").rename(project)
    assert row["points"][:5].shape[0] == 5


def test_factors_are_fetched_as_arrays_and_split_per_video(processed: Key, fbe: ModuleType) -> None:
    n_frequencies = (fbe.FacialRhythm & processed).fetch1("n_frequencies")
    frequency = (
        fbe.FacialRhythm.ComponentFactor & processed & {"dimension": "frequency"}
    ).to_dicts()
    assert len(frequency) == 3
    assert {row["loadings"].shape for row in frequency} == {(n_frequencies,)}
    windows = {
        row["video_index"]: row["n_windows"]
        for row in (fbe.FacialRhythm.Video & processed).to_dicts()
    }
    times = (fbe.FacialRhythm.ComponentVideoFactor & processed).to_dicts()
    assert {(row["component_index"], row["video_index"]) for row in times} == {
        (c, v) for c in range(3) for v in range(2)
    }
    assert all(row["video_loadings"].shape == (windows[row["video_index"]],) for row in times)


def test_populate_with_reserved_jobs(register: Any, fbe: ModuleType) -> None:
    key = register(2)
    for table in (fbe.RecordingInfo, fbe.FaceRhythmProcessing, fbe.FacialRhythm):
        result = table.populate(key, reserve_jobs=True)
        assert result == {"success_count": 1, "error_list": []}
        assert len(table & key) == 1
        assert table.populate(key, reserve_jobs=True)["success_count"] == 0
        assert not table.jobs.errors & {"session_id": 2}


def test_delete_cascades_and_a_second_run_reuses_the_products(
    register: Any, workflow: ModuleType, fbe: ModuleType
) -> None:
    key = register(3)
    tables = (fbe.RecordingInfo, fbe.FaceRhythmProcessing, fbe.FacialRhythm)
    for table in tables:
        table.populate(key)
    products = (fbe.FaceRhythmProcessing.Product & key).to_arrays(
        "product_sha256", order_by="product"
    )

    (workflow.Session & {"subject": "mouse1", "session_id": 3}).delete(prompt=False)
    parts = (
        fbe.FacialRhythm.PointTrace,
        fbe.FacialRhythm.ComponentFactor,
        fbe.FaceRhythmROI.Polygon,
    )
    assert not any(len(table & {"session_id": 3}) for table in (*tables, *parts))
    assert register(3) == key
    for table in tables:
        table.populate(key)
    stages = (fbe.FaceRhythmProcessing.Stage & key).to_dicts()
    again = (fbe.FaceRhythmProcessing.Product & key).to_arrays("product_sha256", order_by="product")
    assert all(stage["reused"] and stage["seconds"] is not None for stage in stages)
    assert list(again) == list(products)


def test_registering_twice_changes_nothing(register: Any, processed: Key, fbe: ModuleType) -> None:
    before = len(fbe.FaceRhythmROI()), len(fbe.FaceRhythmTask()), len(fbe.FaceRhythmParamSet())
    assert register(1) == processed
    after = len(fbe.FaceRhythmROI()), len(fbe.FaceRhythmTask()), len(fbe.FaceRhythmParamSet())
    assert before == after


def test_videos_decomposed_one_by_one_give_a_model_each(processed: Key, fbe: ModuleType) -> None:
    tree = (fbe.FaceRhythmParamSet & processed).fetch1("parameters")
    tree["TCA"]["rearrange_data"]["method_handling_dictElements"] = "separate"
    tree["TCA"]["rearrange_factors"]["undo_concat_dictElements"] = False
    paramset_id = fbe.FaceRhythmParamSet.insert_new_params(None, "one by one", tree)
    key = {**processed, "paramset_id": paramset_id}
    fbe.FaceRhythmTask.insert1({**key, "task_mode": "trigger"})
    fbe.FaceRhythmProcessing.populate(key)
    fbe.FacialRhythm.populate(key)
    results = fbe.FacialRhythm
    assert list((results.Decomposition & key).to_arrays("model_key", order_by="model_key")) == [
        "0", "1",
    ]  # fmt: skip
    assert len(results.Component & key) == 6
    times = (results.ComponentVideoFactor & key).to_dicts()
    assert {(row["model_key"], row["video_index"]) for row in times} == {("0", 0), ("1", 1)}
