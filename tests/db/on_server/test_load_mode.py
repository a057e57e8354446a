"""Existing project directories, taken over without computing anything."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Key = dict[str, Any]


def load(fbe: ModuleType, directory: Path, session_id: int) -> Key:
    from element_facerhythm.ingest import SessionChoice, populate, register_project
    from element_facerhythm.io.project import Project

    registered = register_project(SessionChoice("mouse2", session_id), Project.open(directory))
    again = register_project(SessionChoice("mouse2", session_id), Project.open(directory))
    assert again.key == registered.key
    counts = populate(registered.key)
    assert counts["FacialRhythm"] == 1
    return registered.key


def test_own_project_gives_the_same_rows(
    processed: Key, fbe: ModuleType, processed_dir: Path, root_dir: Path
) -> None:
    source = (fbe.FaceRhythmProcessing & processed).fetch1("output_dir")
    shutil.copytree(processed_dir / source, root_dir / "given")
    key = load(fbe, root_dir / "given", 1)
    assert (fbe.FaceRhythmTask & key).fetch1("task_mode") == "load"
    assert (fbe.RecordingInfo & key).fetch1("source") == "video"  # the videos are still there
    names = ("weight", "peak_frequency_hz", "bandwidth_hz", "centroid_y_px", "explained_variance")
    loaded, run = (
        np.array((fbe.FacialRhythm.Component & k).to_arrays(*names), dtype=float)
        for k in (key, processed)
    )
    assert np.array_equal(loaded, run)
    traces = (np.asarray(fbe.FacialRhythm.traces(k, video_index=1)) for k in (key, processed))
    assert np.array_equal(*traces)


@pytest.mark.reference
def test_real_face_rhythm_project(
    reference_data: Path, fbe: ModuleType, root_dir: Path, workflow: ModuleType
) -> None:
    import h5py

    shutil.copytree(reference_data / "project", root_dir / "real")
    key = load(fbe, root_dir / "real", 2)
    assert (fbe.RecordingInfo & key).fetch1("source", "n_frames", "frame_rate_hz") == (
        "project", 300, 250.0,
    )  # fmt: skip
    assert (fbe.FaceRhythmProcessing & key).fetch1("layout").startswith("face-rhythm 0.3")
    with h5py.File(root_dir / "real" / "analysis_files" / "PointTracker.h5") as file:
        points = file["points_tracked/0"][()]
        n_violations = int(file["violations/0/data"][()].sum())
    assert np.array_equal(fbe.FacialRhythm.traces(key), points)
    row = (fbe.FacialRhythm & key).fetch1()
    assert (row["n_points"], row["n_violations"]) == (119, n_violations)
    assert row["violation_fraction"] == pytest.approx(n_violations / points[..., 0].size)
    steps = np.linalg.norm(np.diff(points.astype(float), axis=0), axis=2).sum(axis=0)
    lengths = (fbe.FacialRhythm.Point & key).to_arrays("path_length_px", order_by="point_index")
    assert np.allclose(lengths.astype(float), steps, rtol=1e-5)


def test_stored_regions_come_back(
    reference_free_rois: Any, processed: Key, fbe: ModuleType
) -> None:
    recording = {name: processed[name] for name in fbe.VideoRecording.primary_key}
    key = fbe.FaceRhythmROI.insert_rois({**recording, "roi_id": 7}, reference_free_rois)
    stored = fbe.FaceRhythmROI.fetch_rois(key)
    assert np.array_equal(stored.seed_polygons[0], reference_free_rois.seed_polygons[0])
    for name in ("point_positions", "seed_mask", "visible_mask"):
        expected, found = getattr(reference_free_rois, name), getattr(stored, name)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    polygon = (fbe.FaceRhythmROI.Polygon & key).fetch1()
    assert (polygon["n_vertices"], polygon["area_px2"]) == (4, pytest.approx(600.0))
    centroid = polygon["centroid_x_px"], polygon["centroid_y_px"]
    assert centroid == (pytest.approx(25.0), pytest.approx(30.0))


@pytest.fixture
def reference_free_rois() -> Any:
    """Regions as a face-rhythm file gives them: polygons, masks and positions."""
    from element_facerhythm.core.rois import Rois

    mask = np.zeros((120, 160), dtype=bool)
    mask[20:41, 10:41] = True
    return Rois(
        seed_polygons=(np.array([[10.0, 20.0], [40.0, 20.0], [40.0, 40.0], [10.0, 40.0]]),),
        point_positions=np.array([[12.0, 22.0], [30.0, 30.5]], dtype=np.float32),
        seed_mask=mask,
        visible_mask=~mask,
    )


def test_recording_made_of_masks_is_processed(
    reference_free_rois: Any, register: Callable[..., Key], fbe: ModuleType
) -> None:
    key = register(50)
    recording = {name: key[name] for name in fbe.VideoRecording.primary_key}
    positions = np.stack(np.meshgrid([20, 26, 32, 38, 50], [24, 30, 36, 50]), axis=-1).reshape(
        -1, 2
    )
    rois = type(reference_free_rois)(
        **{**vars(reference_free_rois), "point_positions": positions.astype(np.float32),
           "visible_mask": None}
    )  # fmt: skip
    roi_key = fbe.FaceRhythmROI.insert_rois({**recording, "roi_id": 1}, rois)
    task_key = {**roi_key, "paramset_id": key["paramset_id"]}
    fbe.FaceRhythmTask.insert1({**task_key, "task_mode": "trigger"})
    for table in (fbe.RecordingInfo, fbe.FaceRhythmProcessing, fbe.FacialRhythm):
        table.populate(task_key)
    x, y = (fbe.FacialRhythm.Point & task_key).to_arrays("x_px", "y_px", order_by="point_index")
    assert np.array_equal(np.stack([x, y], axis=1).astype(int), positions)
