"""Existing project directories, taken over without computing anything."""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.contract.test_load_mode import write_project

pytestmark = pytest.mark.slow

Key = dict[str, Any]


def load(fbe: ModuleType, directory: Path, session_id: int) -> Key:
    from element_facerhythm.ingest import SessionChoice, populate, register_project
    from element_facerhythm.io.project import Project

    registered = register_project(
        SessionChoice.numbered("mouse2", session_id), Project.open(directory)
    )
    again = register_project(SessionChoice.numbered("mouse2", session_id), Project.open(directory))
    assert again.key == registered.key
    counts = populate(registered.key)
    assert counts["FacialRhythm"] == 1
    return registered.key


def test_own_project_gives_the_same_rows(
    processed: Key, fbe: ModuleType, processed_dir: Path, root_dir: Path
) -> None:
    source = (fbe.FaceRhythmProcessing & processed).fetch1("project_dir")
    shutil.copytree(processed_dir / source, root_dir / "given")
    key = load(fbe, root_dir / "given", 1)
    assert (fbe.FaceRhythmTask & key).fetch1("task_mode") == "load"
    assert (fbe.RecordingInfo & key).fetch1("facts_source") == "video"  # the videos are still there
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
    assert (fbe.RecordingInfo & key).fetch1("facts_source", "n_frames", "frame_rate_hz") == (
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


FIT = {"model_explained_variance", "r_squared", "relative_error"}
OF_ALL = {"explained_variance"}
OF_ONE = {
    "weight",
    "peak_frequency_hz",
    "centroid_frequency_hz",
    "bandwidth_hz",
    "squared_correlation",
}
FLOW = {"point_mean_confidence"}  # which only references give
MOVED = {"rms_displacement_px", "max_displacement_px", "path_length_px", "mean_speed_px_s"}


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_what_is_not_finite_is_null_with_a_note(
    value: float, fbe: ModuleType, workflow: ModuleType, root_dir: Path
) -> None:
    """A relative error of 0 was entered, and MySQL refused the rest."""
    import h5py

    project = write_project(root_dir / f"not finite {value}")
    files = project / "analysis_files"
    with h5py.File(files / "TCA.h5", "r+") as file:
        file["factors/0/frequency"][1, 0] = value
    with h5py.File(files / "PointTracker.h5", "r+") as file:
        file["points_tracked/0"][3, 2] = value
    key = load(fbe, project, 60 + int(np.isinf(value)))
    every = (fbe.FaceRhythmProcessing & key).fetch1("notes")
    notes = [note for note in every if "that are not finite" in note]
    assert [notes[0].count("of point 2"), notes[1].count("factors/0/frequency")] == [1, 1]
    nulls = {
        part.__name__: [
            {name for name, stored in row.items() if stored is None}
            for row in (part & key).to_dicts(order_by="KEY")
        ]
        for part in (
            fbe.FacialRhythm, fbe.FacialRhythm.Decomposition, fbe.FacialRhythm.Component,
            fbe.FacialRhythm.Point,
        )
    }  # fmt: skip
    not_stored = {"stability"}  # of a project of face-rhythm's
    assert nulls == {
        "FacialRhythm": [set()],
        "Decomposition": [FIT | {"n_iterations", "model_stability"}],
        "Component": [OF_ALL | OF_ONE | not_stored, OF_ALL | not_stored],
        "Point": [FLOW, FLOW, MOVED | FLOW, FLOW],
    }
    verdicts = {
        row["quality_name"]: (row["value"], row["verdict"])
        for row in (fbe.FacialRhythm.Quality & key).to_dicts()
    }
    assert verdicts["r_squared"] == verdicts["drift"] == (None, "unknown")
    assert verdicts["components_alike"] == (None, "unknown")


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
    centroid = polygon["polygon_centroid_x_px"], polygon["polygon_centroid_y_px"]
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


# ------------------------------------------------------------------ nobody is trusted


@pytest.fixture
def given(processed: Key, fbe: ModuleType, processed_dir: Path, root_dir: Path) -> Iterator[Path]:
    """A copy of a run of ours, in the root directory."""
    source = (fbe.FaceRhythmProcessing & processed).fetch1("project_dir")
    place = root_dir / f"taken-{secrets.token_hex(4)}"
    shutil.copytree(processed_dir / source, place)
    yield place
    shutil.rmtree(place)


def enter(fbe: ModuleType, key: Key, directory: Path, **task: Any) -> Key:
    """Enter a task that takes over a directory, with the parameters and regions of `key`."""
    task_key = {name: key[name] for name in fbe.FaceRhythmTask.primary_key}
    row = {**task_key, "task_mode": "load", "output_dir": directory.name, **task}
    (fbe.FaceRhythmTask & task_key).delete(prompt=False)
    fbe.FaceRhythmTask.insert1(row)
    return task_key


def register_task(
    fbe: ModuleType, register: Callable[..., Key], session_id: int, **how: Any
) -> Key:
    key = register(session_id, **how)
    fbe.RecordingInfo.populate(key)
    return key


def test_another_recording_regions_or_parameters_are_refused(
    given: Path, register: Callable[..., Key], videos: list[Path], fbe: ModuleType
) -> None:
    from element_facerhythm.errors import ProjectError

    key = register_task(fbe, register, 60)
    recording = {name: key[name] for name in fbe.VideoRecording.primary_key}
    moved = {"points": [[[44, 40], [124, 40], [124, 90], [44, 90]]], "mask": []}
    roi_key = fbe.FaceRhythmROI.insert_rois({**recording, "roi_id": 1}, moved)
    tree = (fbe.FaceRhythmParamSet & key).fetch1("parameters")
    tree["TCA"]["fit"]["params_method"]["rank"] = 4
    other_set = fbe.FaceRhythmParamSet.insert_new_params(None, "another rank", tree)
    turned = register_task(fbe, register, 98, chosen=videos[::-1])
    slower = register_task(fbe, register, 197, frame_rate_hz=50.0)
    refused = [
        ({**key, "paramset_id": other_set}, {}, "TCA.fit.params_method.rank: 4 -> 3"),
        ({**key, **roi_key}, {}, "not made in the task's regions"),
        (key, {"frames": "0:90"}, "the task asks for 90"),
        (turned, {}, "is another video than the one that was analysed"),
        (slower, {}, "60.0 Hz, the recording's 50 Hz"),
    ]
    for own, task, message in refused:
        task_key = enter(fbe, own, given, **task)
        with pytest.raises(ProjectError, match=message):
            fbe.FaceRhythmProcessing.populate(task_key)
        assert not fbe.FaceRhythmProcessing & task_key
    fbe.FaceRhythmProcessing.populate(enter(fbe, key, given))
    assert len(fbe.FaceRhythmProcessing & key) == 1
    for own in (key, turned, slower):
        name = {name: own[name] for name in fbe.VideoRecording.primary_key}
        (fbe.VideoRecording & name).delete(prompt=False)


def test_a_video_that_was_exchanged_is_not_entered_with_its_project(
    given: Path, fbe: ModuleType, root_dir: Path
) -> None:
    from element_facerhythm.demo.synthetic import make_scene_video
    from element_facerhythm.errors import ProjectError
    from element_facerhythm.ingest import SessionChoice, register_project
    from element_facerhythm.io.project import Project

    other = root_dir / "exchanged.mp4"
    make_scene_video(other, n_frames=90, width_px=160, height_px=120, frame_rate_hz=60.0, seed=9)
    info = json.loads((given / "run_info.json").read_text())
    paths = info["Dataset_videos"]["metadata"]["paths_videos"]
    paths[1] = str(other)
    (given / "run_info.json").write_text(json.dumps(info))
    with pytest.raises(ProjectError, match=r"exchanged\.mp4 is another video"):
        register_project(SessionChoice.numbered("mouse2", 63), Project.open(given))
    assert not fbe.VideoRecording & {"subject": "mouse2", "session_id": 63}


def test_a_part_of_a_recording_and_a_compatible_run_come_back_as_they_were(
    register: Callable[..., Key], fbe: ModuleType, processed_dir: Path, root_dir: Path
) -> None:
    """With frozen frames, blocks and `compat`, all of which were lost once."""
    from element_facerhythm.ingest import SessionChoice, populate, register_project
    from element_facerhythm.io.project import Project

    key = register_task(fbe, register, 64)
    tree = (fbe.FaceRhythmParamSet & key).fetch1("parameters")
    tree["compat"] = "face-rhythm"
    tree["VQT_Analyzer"]["params_VQT"]["Fs_sample"] = 60.0
    tree["PointTracker"] |= {"frames_freeze": [3, 100], "frames_per_block": 60}
    tree["PointTracker"]["params_optical_flow"]["relaxation"] = 0.1
    own_set = fbe.FaceRhythmParamSet.insert_new_params(None, "theirs", tree)
    run_key = {name: key[name] for name in fbe.FaceRhythmTask.primary_key}
    run_key["paramset_id"] = own_set
    fbe.FaceRhythmTask.insert1({**run_key, "task_mode": "trigger", "frames": "20:150"})
    populate(run_key)
    source = (fbe.FaceRhythmProcessing & run_key).fetch1("project_dir")
    shutil.copytree(processed_dir / source, root_dir / "part")
    project = Project.open(root_dir / "part")
    loaded = register_project(SessionChoice.numbered("mouse2", 64), project).key
    populate(loaded)
    names = ("run_parameters", "run_parameter_sha256", "layout", "parameters_fitted")
    rows = [(fbe.FaceRhythmProcessing & k).fetch1(*names) for k in (run_key, loaded)]
    assert rows[0] == rows[1]
    assert rows[1][0]["compat"] == "face-rhythm"
    assert rows[1][0]["PointTracker"]["frames_freeze"] == [3, 100]
    assert loaded["paramset_id"] == own_set
    assert (fbe.FaceRhythmTask & loaded).fetch1("frames") == "20:150"
    assert fbe.FaceRhythmParamSet.insert_from_project(root_dir / "part") == own_set
    stages = (fbe.FaceRhythmProcessing.Stage & loaded).to_dicts()
    assert all(row["stage_version"] and row["stage_device"] == "cpu" for row in stages)
    for k in (run_key, loaded):
        recording = {name: k[name] for name in fbe.VideoRecording.primary_key}
        (fbe.VideoRecording & recording).delete(prompt=False)


def test_parameters_that_nobody_knows_are_null_and_start_no_run(
    fbe: ModuleType, root_dir: Path, facerhythm: Callable[..., Any], tmp_path: Path
) -> None:
    from element_facerhythm.errors import ConfigurationError, ParameterError
    from element_facerhythm.parameters import open_parameters_from_mapping
    from tests.contract.test_load_mode import write_project

    directory = write_project(root_dir / "foreign", n_videos=2)
    arguments = ["ingest", "--project", directory, "--subject", "mouse2", "--json", "--session"]
    done = json.loads(facerhythm(*arguments, 65).out)
    key = done["key"]
    row = (fbe.FaceRhythmProcessing & key).fetch1()
    assert row["layout"] == "face-rhythm 0.3"
    assert set((fbe.FaceRhythmProcessing.Product & key).to_arrays("product_layout")) == {
        "face-rhythm 0.3"
    }
    tree = row["run_parameters"]
    assert row["run_parameter_sha256"] is None
    assert tree["compat"] == "face-rhythm"
    assert tree["TCA"]["rearrange_data"]["method_handling_dictElements"] == "concatenate"
    assert tree["PointTracker"]["params_clahe"] is None
    assert "PointTracker.params_clahe" in tree["unknown"]["names"]
    assert any("parameters that nothing records" in note for note in row["notes"])
    stored = (fbe.FaceRhythmParamSet & key).fetch1()
    assert stored["parameters"] == tree
    defaults = fbe.FaceRhythmParamSet.insert_new_params(None, "d", {"compat": "face-rhythm"})
    assert defaults != key["paramset_id"]

    task = {name: key[name] for name in fbe.FaceRhythmTask.primary_key}
    (fbe.FaceRhythmTask & task).delete(prompt=False)
    with pytest.raises(ConfigurationError, match="goes with task_mode 'load' alone"):
        fbe.FaceRhythmTask.insert1({**task, "task_mode": "trigger"})
    fbe.FaceRhythmTask.insert1({**task, "task_mode": "load", "output_dir": "foreign"})
    fbe.FaceRhythmProcessing.populate(task)
    with pytest.raises(ConfigurationError, match="not known, or not all"):
        fbe.FaceRhythmTask.insert_repetition(task)
    (fbe.FaceRhythmTask & task).delete(prompt=False)
    unknown = open_parameters_from_mapping(tree).parameters
    with pytest.raises(ParameterError, match="say everything"):
        unknown.require_known()
    assert fbe.FaceRhythmParamSet.insert_from_project(root_dir / "foreign") == key["paramset_id"]

    # what a person says of the unknown is taken, and nothing that contradicts the project
    (tmp_path / "p.json").write_text(json.dumps({"project": {"random_seed": 3}}))
    said = json.loads(facerhythm(*arguments, 66, "--params", tmp_path / "p.json").out)["key"]
    stored = (fbe.FaceRhythmParamSet & said).fetch1("parameters")
    assert stored["project"]["random_seed"] == 3
    assert "project.random_seed" not in stored["unknown"]["names"]
    (tmp_path / "p.json").write_text(json.dumps({"compat": None}))
    refused = facerhythm(*arguments, 67, "--params", tmp_path / "p.json")
    assert refused.code == 2
    assert "made with other parameters than given" in refused.err
    assert facerhythm(*arguments, 67, "--preset", "face-rhythm").code == 2
    assert not fbe.VideoRecording & {"subject": "mouse2", "session_id": 67}
    (fbe.VideoRecording & {"subject": "mouse2"} & "session_id >= 65").delete(prompt=False)


def test_a_project_partly_redone_says_so_in_its_rows(given: Path, fbe: ModuleType) -> None:
    from element_facerhythm.ingest import SessionChoice, populate, register_project
    from element_facerhythm.io.project import Project
    from tests.integration.test_load_mode import redone_by_face_rhythm

    redone_by_face_rhythm(given)
    key = register_project(SessionChoice.numbered("mouse2", 68), Project.open(given)).key
    populate(key)
    layouts = (fbe.FaceRhythmProcessing.Product & key).to_arrays("product", "product_layout")
    told = dict(zip(*map(list, layouts), strict=True))
    assert told["TCA"] == "face-rhythm"
    assert told["PointTracker"] == "element-facerhythm 1"
    row = (fbe.FaceRhythmProcessing & key).fetch1()
    assert row["layout"] == "element-facerhythm 1, face-rhythm"
    assert row["run_parameter_sha256"] is None
    assert "compat" in row["run_parameters"]["unknown"]["names"]
    assert any("several programs wrote it" in note for note in row["notes"])
    (fbe.VideoRecording & {"subject": "mouse2", "session_id": 68}).delete(prompt=False)
