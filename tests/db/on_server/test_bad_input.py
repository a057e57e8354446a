"""What cannot be done leaves no row and no file, and says what is wrong."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import (
    ConfigurationError,
    ParameterError,
    PathError,
    ProjectError,
    RoiError,
    VideoError,
)

Key = dict[str, Any]


@pytest.fixture
def recording(
    workflow: ModuleType, fbe: ModuleType, processed: Key
) -> Iterator[Callable[..., Key]]:
    """Enter a recording with the given file paths, unchecked, under a session of its own."""
    entered: list[Key] = []

    def enter(session_id: int, *file_paths: str) -> Key:
        key = {"subject": "mouse1", "session_id": session_id}
        workflow.Session.insert1({**key, "session_datetime": "2026-01-01 12:00:00"})
        entered.append(dict(key))
        key["recording_id"] = 0
        device = workflow.Device.to_arrays("device")[0]
        fbe.VideoRecording.insert1({**key, "device": device})
        fbe.VideoRecording.File.insert(
            {**key, "file_id": i, "file_path": path} for i, path in enumerate(file_paths)
        )
        return key

    yield enter
    # what cannot be populated must not stay in the way of a worker in another test
    (workflow.Session & entered).delete(prompt=False)


@pytest.fixture
def outside(tmp_path: Path, root_dir: Path, videos: list[Path]) -> Iterator[str]:
    """Path below the roots that leads, through a link, to a video outside of them."""
    shutil.copy(videos[0], tmp_path / "elsewhere.mp4")
    link = root_dir / "link.mp4"
    link.symlink_to(tmp_path / "elsewhere.mp4")
    yield "link.mp4"
    link.unlink()


def test_unreadable_or_ill_fitting_videos_give_no_row(
    recording: Callable[..., Key], fbe: ModuleType, root_dir: Path, outside: str
) -> None:
    from element_facerhythm.demo.synthetic import make_scene_video

    make_scene_video(root_dir / "small.mp4", n_frames=8, width_px=128, height_px=96)
    (root_dir / "empty.mp4").write_bytes(b"")
    cases = {
        10: (("../part0.mp4",), PathError, r"climbs out"),
        11: (("/etc/passwd",), PathError, r"absolute"),
        12: ((outside,), PathError, r"symbolic link"),
        13: (("mouse/absent.mp4",), PathError, r"absent\.mp4.*does not exist"),
        14: (("mouse/part0.mp4", "small.mp4"), VideoError, r"small\.mp4"),
        15: (("empty.mp4",), VideoError, r"empty\.mp4"),
    }
    for session_id, (paths, error, message) in cases.items():
        key = recording(session_id, *paths)
        with pytest.raises(error, match=message):
            fbe.RecordingInfo.populate(key)
        assert not fbe.RecordingInfo & key
        assert not fbe.RecordingInfo.File & key


def enter_task(fbe: ModuleType, key: Key, parameters: dict[str, Any], **task: str) -> Key:
    roi_key = fbe.FaceRhythmROI.insert_rois(
        key, {"points": [[[40, 40], [120, 40], [120, 90]]], "mask": []}
    )
    paramset_id = fbe.FaceRhythmParamSet.insert_new_params(None, "bad input", parameters)
    task_key = {**roi_key, "paramset_id": paramset_id}
    fbe.FaceRhythmTask.insert1({**task_key, "task_mode": "trigger", **task})
    return task_key


def test_impossible_requests_leave_no_row_and_no_directory(
    recording: Callable[..., Key], fbe: ModuleType, processed_dir: Path, root_dir: Path
) -> None:
    filters = {"Q_lowF": 2.0, "Q_highF": 4.0, "F_min": 3.0, "F_max": 25.0}
    fitting = {"VQT_Analyzer": {"params_VQT": filters}}
    rank = {**fitting, "TCA": {"fit": {"params_method": {"rank": 10**6}}}}
    too_fast = {"VQT_Analyzer": {"params_VQT": {**filters, "F_max": 40.0}}}  # Nyquist: 30
    shutil.copy(root_dir / "mouse" / "part0.mp4", root_dir / "changing.mp4")
    cases = {
        20: ("mouse/part0.mp4", rank, {}, ParameterError, "rank"),
        21: ("mouse/part0.mp4", too_fast, {}, ParameterError, "F_max"),
        22: ("mouse/part0.mp4", fitting, {"output_dir": "../escaped"}, PathError, "climbs out"),
        23: ("changing.mp4", fitting, {}, VideoError, "changed since it was entered"),
    }
    before = set(processed_dir.rglob("*"))
    for session_id, (path, parameters, task, error, message) in cases.items():
        key = recording(session_id, path)
        fbe.RecordingInfo.populate(key)
        task_key = enter_task(fbe, key, parameters, **task)
        if path == "changing.mp4":
            with (root_dir / path).open("ab") as file:
                file.write(b"more")
        with pytest.raises(error, match=message):
            fbe.FaceRhythmProcessing.populate(task_key)
        assert not fbe.FaceRhythmProcessing & task_key
    assert set(processed_dir.rglob("*")) == before
    assert not (processed_dir.parent / "escaped").exists()


def test_tasks_name_a_known_mode(processed: Key, fbe: ModuleType) -> None:
    key = {name: processed[name] for name in fbe.FaceRhythmTask.primary_key}
    with pytest.raises(ConfigurationError, match=r"'run' is not known.*'load'.*'trigger'"):
        fbe.FaceRhythmTask.insert1({**key, "roi_id": 0, "task_mode": "run"})


def test_stored_parameters_and_regions_are_never_changed(processed: Key, fbe: ModuleType) -> None:
    params = fbe.FaceRhythmParamSet
    stored_id = params.insert_new_params(None, "twice", {"project": {"random_seed": 5}})
    assert (
        params.insert_new_params(stored_id, "twice", {"project": {"random_seed": 5}}) == stored_id
    )
    with pytest.raises(ParameterError, match=f"stored already as paramset_id {stored_id}"):
        params.insert_new_params(stored_id + 100, "again", {"project": {"random_seed": 5}})
    with pytest.raises(ParameterError, match="holds other parameters"):
        params.insert_new_params(stored_id, "other", {"project": {"random_seed": 6}})
    with pytest.raises(ParameterError, match="random_seed"):
        params.insert_new_params(None, "mistyped", {"project": {"random_sede": 6}})

    recording = {name: processed[name] for name in fbe.VideoRecording.primary_key}
    other = {"points": [[[10, 10], [50, 10], [50, 50]]], "mask": []}
    with pytest.raises(RoiError, match="holds other regions"):
        fbe.FaceRhythmROI.insert_rois({**recording, "roi_id": processed["roi_id"]}, other)


def test_incomplete_or_foreign_projects_are_not_loaded(
    recording: Callable[..., Key], processed: Key, fbe: ModuleType, processed_dir: Path
) -> None:
    source = (fbe.FaceRhythmProcessing & processed).fetch1("project_dir")
    partial = processed_dir / "partial"
    shutil.copytree(processed_dir / source, partial)
    (partial / "analysis_files" / "TCA.h5").unlink()
    shutil.copytree(processed_dir / source, processed_dir / "whole")
    cases = {
        30: ("partial", ProjectError, r"TCA\.h5 is missing"),
        31: ("whole", ProjectError, "other names: part0.mp4, part1.mp4 in the project"),
        32: ("", ProjectError, "output_dir"),
        33: ("absent", PathError, "does not exist"),
    }
    for session_id, (output_dir, error, message) in cases.items():
        key = recording(session_id, "mouse/part0.mp4")
        fbe.RecordingInfo.populate(key)
        task_key = enter_task(fbe, key, {}, task_mode="load", output_dir=output_dir)
        with pytest.raises(error, match=message):
            fbe.FaceRhythmProcessing.populate(task_key)
        assert not fbe.FaceRhythmProcessing & task_key
    shutil.rmtree(partial)
    shutil.rmtree(processed_dir / "whole")


def test_a_changed_product_is_told_and_not_read(
    register: Callable[..., Key], fbe: ModuleType, processed_dir: Path
) -> None:
    key = register(40)
    for table in (fbe.RecordingInfo, fbe.FaceRhythmProcessing, fbe.FacialRhythm):
        table.populate(key)
    path = (fbe.FaceRhythmProcessing.Product & key & {"product": "PointTracker"}).fetch1(
        "product_path"
    )
    with (processed_dir / path).open("ab") as file:
        file.write(b"x")
    with pytest.raises(ProjectError, match=r"PointTracker\.h5 has changed"):
        np.asarray(fbe.FacialRhythm.traces(key))
    (fbe.FacialRhythm & key).delete(prompt=False)
    with pytest.raises(ProjectError, match=r"PointTracker\.h5 is not what was entered"):
        fbe.FacialRhythm.populate(key)
    assert not fbe.FacialRhythm & key
    (fbe.FaceRhythmTask & key).delete(prompt=False)
