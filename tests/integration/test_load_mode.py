"""A project of ours that is taken over: it is of this recording and these parameters, or it is refused."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import ParameterError, ProjectError
from element_facerhythm.io.config import read_config, write_config
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import OpenParameters, Parameters, parameters_from_mapping
from element_facerhythm.parameters.open import put_value, value_at
from element_facerhythm.parameters.recorded import leaf_names, leaves
from element_facerhythm.pipeline import load_project, run_project
from element_facerhythm.pipeline.results.load import load_project_of
from element_facerhythm.pipeline.results.recorded_parameters import (
    executed_parameters,
    parameters_of_project,
    require_parameters,
)
from element_facerhythm.pipeline.results.recording_match import (
    EnteredRecording,
    EnteredVideo,
    require_recording,
)
from element_facerhythm.pipeline.run.fingerprint import stage_parameters
from element_facerhythm.pipeline.run.plan import plan_run
from element_facerhythm.pipeline.run.roi_match import require_rois
from element_facerhythm.video import probe_video
from tests.integration.conftest import Recording

RATE_HZ = 60.0


@pytest.fixture(scope="module")
def parameters(parameters_with: Callable[..., Parameters]) -> Parameters:
    """Parameters that have everything that was lost or misread once."""
    tracker = {
        "method": "flow", "params_clahe": None, "frames_freeze": [95, 96], "frames_per_block": 80,
    }  # fmt: skip
    return parameters_with(
        PointTracker=tracker,
        TCA={
            "rearrange_data": {"method_handling_dictElements": "concatenate"},
            "fit": {"params_method": {"rank": 2, "n_iter_max": 5}},
        },
    )


@pytest.fixture(scope="module")
def directory(
    recording: Recording, parameters: Parameters, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run on both videos; tests copy what they change."""
    place = tmp_path_factory.mktemp("load") / "project"
    run_project(recording.request(place, videos=recording.videos, parameters=parameters))
    return place


@pytest.fixture
def copy(directory: Path, tmp_path: Path) -> Path:
    return shutil.copytree(directory, tmp_path / "project")


@pytest.fixture(scope="module")
def entered(recording: Recording) -> EnteredRecording:
    videos = [probe_video(path) for path in recording.videos]
    return EnteredRecording(
        width_px=128,
        height_px=96,
        frame_rate_hz=RATE_HZ,
        header_frame_rate_hz=RATE_HZ,
        rate_source=videos[0].clock.source,
        n_frames=160,
        videos=tuple(
            EnteredVideo(v.path.name, v.n_frames, v.sha256, v.clock.times_s) for v in videos
        ),
    )


def test_its_own_recording_regions_and_parameters_are_accepted(
    directory: Path, entered: EnteredRecording, recording: Recording, parameters: Parameters
) -> None:
    asked = OpenParameters(parameters)
    record = load_project_of(
        directory, (), recording=entered, rois=recording.rois, parameters=asked
    )
    assert record.parameters == asked  # frames_freeze and frames_per_block included
    assert record.notes == load_project(directory).notes
    assert {product.layout for product in record.products} == {"element-facerhythm 1"}
    assert all(stage.version and stage.device == "cpu" for stage in record.stages)
    own = Project.open(directory).rois()
    load_project_of(directory, (), recording=entered, rois=own, parameters=asked)


def first(entered: EnteredRecording, **changes: Any) -> EnteredRecording:
    return replace(entered, videos=(replace(entered.videos[0], **changes), *entered.videos[1:]))


ALTERED: dict[str, tuple[Callable[[EnteredRecording], EnteredRecording], str]] = {
    "width": (lambda e: replace(e, width_px=130), "128 x 96 px, the recording 130 x 96"),
    "height": (lambda e: replace(e, height_px=98), "128 x 96 px, the recording 128 x 98"),
    "turned": (lambda e: replace(e, width_px=96, height_px=128), "the recording 96 x 128"),
    "rate": (
        lambda e: replace(e, frame_rate_hz=61.0),
        "60.0 Hz, the recording's 61 Hz",
    ),
    "content": (lambda e: first(e, sha256="0" * 64), "first.mp4 is another video"),
    "length": (lambda e: first(e, n_frames=91), "had 90 frames when it was analysed, and 91 now"),
    "order": (lambda e: replace(e, videos=e.videos[::-1]), "another video"),
    "one video": (lambda e: replace(e, videos=e.videos[:1], n_frames=90), "made from 2 videos, 1"),
    "a third": (
        lambda e: replace(e, videos=(*e.videos, e.videos[0]), n_frames=250),
        "made from 2 videos, 3",
    ),
    "other split": (
        lambda e: replace(
            e,
            videos=tuple(
                replace(v, n_frames=n) for v, n in zip(e.videos, (70, 90), strict=True)
            ),
        ),
        "90, 70 tracked frames, the recording has 70, 90",
    ),
    "part": (lambda e: replace(e, frames=(0, 100)), "the task asks for 90, 10"),
    "same number, other frames": (lambda e: replace(e, frames=(1, 160)), "task asks for \\[1, 90\\]"),
    "source of times": (lambda e: replace(e, rate_source="given"), "those of the recording from"),
    "times": (
        lambda e: first(e, times_s=e.videos[0].times_s + 1e-3 * np.arange(90)),
        "first.mp4 were taken at other times",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ALTERED)
def test_each_fact_of_another_recording_is_refused(
    what: str, directory: Path, entered: EnteredRecording
) -> None:
    alter, message = ALTERED[what]
    with pytest.raises(ProjectError, match=message) as refusal:
        require_recording(Project.open(directory), alter(entered))
    assert str(directory) in str(refusal.value)
    assert "Give the right output_dir" in str(refusal.value)


def test_what_cannot_be_compared_is_told(directory: Path, entered: EnteredRecording) -> None:
    project = Project.open(directory)
    (renamed,) = require_recording(project, first(entered, name="mouse.mp4"))
    assert "were renamed since" in renamed
    assert "mouse.mp4" in renamed
    (without,) = require_recording(project, replace(entered, videos=()))
    assert "no video files" in without


def change_info(directory: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = directory / "run_info.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


SAID: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "rate": (lambda i: i["Dataset_videos"].update(frame_rate=30.0), "30.0 Hz, the recording's 60"),
    "size": (
        lambda i: i["Dataset_videos"].update(frame_height_width=[96, 96]),
        r"run_info.json \(Dataset_videos\) has frames of 96 x 96",
    ),
    "size of regions": (
        lambda i: i["ROIs"].update(img_hw=[90, 128]), r"run_info.json \(ROIs\) has frames of 128 x 90",
    ),
    "size of a video": (
        lambda i: i["Dataset_videos"]["metadata"].update(frame_height_width=[[96, 128], [96, 64]]),
        r"run_info.json \(video 1\) has frames of 64 x 96",
    ),
    "frames": (
        lambda i: i["Dataset_videos"]["metadata"].update(num_frames=[80, 80]),
        "its videos have 80, 80 frames, the recording has 90, 70",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SAID)
def test_each_fact_that_a_project_says_is_compared(
    what: str, copy: Path, entered: EnteredRecording
) -> None:
    change, message = SAID[what]
    change_info(copy, change)
    with pytest.raises(ProjectError, match=message):
        require_recording(Project.open(copy), entered)


def test_another_name_in_the_project_is_told(copy: Path, entered: EnteredRecording) -> None:
    paths = ["/elsewhere/first.mp4", "C:\\lab\\other.mp4"]
    change_info(copy, lambda i: i["Dataset_videos"]["metadata"].update(paths_videos=paths))
    (note,) = require_recording(Project.open(copy), entered)
    assert "first.mp4, other.mp4 in the project" in note


def moved(rois: Rois, offset: float) -> Rois:
    return Rois(seed_polygons=tuple(polygon + offset for polygon in rois.seed_polygons))


def test_other_regions_and_points_are_refused(directory: Path, recording: Recording) -> None:
    project = Project.open(directory)
    known = parameters_of_project(project)
    points = project.point_positions
    assert require_rois(project, recording.rois, known) == ()
    assert require_rois(project, replace(recording.rois, point_positions=points), known) == ()
    hidden = np.ones((96, 128), bool)
    hidden[:4] = False
    refused = {
        "points": moved(recording.rois, 3.0),
        "its points lie up to 1 px": replace(recording.rois, point_positions=points + 1),
        "the task's regions": replace(recording.rois, point_positions=points[:-1]),
        "visible to the tracker": replace(recording.rois, visible_mask=hidden),
        "the video 128 x 96": replace(recording.rois, visible_mask=np.ones((50, 50), bool)),
    }
    for message, rois in refused.items():
        with pytest.raises(ProjectError, match=message) as refusal:
            require_rois(project, rois, known)
        assert "was not made in the task's regions" in str(refusal.value)


# ------------------------------------------------------------------ parameters


def altered(tree: dict[str, Any], name: str) -> Parameters | None:
    """Parameters with another value under one name; None where none of a few tries is possible."""
    value = value_at(tree, name)
    tries: list[Any] = [
        None,
        "face-rhythm",
        "exact",
        "svd",
        "same",
        "hamming",
        "left",
        "sessions",
        "anchored",
    ]
    if isinstance(value, bool):
        tries = [not value]
    elif isinstance(value, (int, float)):
        tries = [value + 1, value / 2, value - 1]
    elif isinstance(value, list):
        tries = [[13, 13], [3, 5, 0.01], [["points", "xy"]], [93, 94], [0], *tries]
    elif value is None:
        tries = [1, [0], [[0, 1], [0, 1]], {"clipLimit": 2.0, "tileGridSize": [4, 4]}, *tries]
    for other in tries:
        changed = json.loads(json.dumps(tree))
        put_value(changed, name, other)
        try:
            found = parameters_from_mapping(changed).parameters
        except ParameterError:
            continue
        if other != value:
            return found
    return None


def write_run(directory: Path, parameters: Parameters) -> None:
    """Make ``run.json`` say other parameters, with the digest that goes with them."""
    path = directory / "run.json"
    index = json.loads(path.read_text())
    index |= {"parameters": parameters.to_tree(), "parameters_sha256": parameters.sha256()}
    path.write_text(json.dumps(index))


def test_parameters_that_did_not_make_the_products_are_never_believed(
    copy: Path, parameters: Parameters
) -> None:
    """One by one, each with a digest that fits: the fingerprints of the products say otherwise."""
    project, before = Project.open(copy), stage_parameters(parameters, RATE_HZ)
    n_noticed = 0
    for name in leaf_names():
        other = altered(parameters.to_tree(), name)
        moves_numbers = other is not None and stage_parameters(other, RATE_HZ) != before
        if other is None or not moves_numbers:
            continue
        n_noticed += 1
        write_run(copy, other)
        executed = executed_parameters(project)
        assert executed.all_known is None, name
        assert any("was made with other parameters than run.json says" in n for n in executed.notes)
        assert executed.parameters is not None
        known = leaves(executed.parameters.to_tree())
        assert name in executed.parameters.unknown_names or name not in known, name
        with pytest.raises(ProjectError, match="was made with other parameters than the task's"):
            require_parameters(project, OpenParameters(other), OpenParameters(parameters))
    assert n_noticed > 45


def test_a_run_file_that_is_gone_leaves_nulls_and_the_fingerprints(
    copy: Path, parameters: Parameters
) -> None:
    (copy / "run.json").unlink()
    project = Project.open(copy)
    executed = executed_parameters(project)
    assert executed.parameters is None
    assert "run.json does not say with what parameters" in executed.notes[0]
    unknown = set(parameters_of_project(project).unknown_names)
    assert unknown == {name for name in leaf_names() if not name.startswith("FacialSignal.")}
    assert require_parameters(project, OpenParameters(parameters), None) == ()
    other = altered(parameters.to_tree(), "TCA.fit.params_method.rank")
    assert other is not None
    with pytest.raises(ProjectError, match="rank: 3 -> 2"):
        require_parameters(project, OpenParameters(other), None)
    is_open = OpenParameters(other, ("TCA.fit.params_method.rank",))
    assert require_parameters(project, is_open, None) == ()


def test_a_compatible_run_says_so_when_it_is_loaded(
    recording: Recording, parameters_with: Callable[..., Parameters], tmp_path: Path
) -> None:
    given = parameters_with(compat="face-rhythm")
    run_project(recording.request(tmp_path / "project", parameters=given))
    project = Project.open(tmp_path / "project")
    known = executed_parameters(project).parameters
    assert known is not None
    assert known.is_closed
    assert known.sha256() == given.sha256()
    assert known.to_tree()["PointTracker"]["params_optical_flow"]["refine"] is False
    assert known.to_tree()["TCA"]["fit"]["params_method"]["n_restarts"] == 1
    tracker = project.config["PointTracker"]["params_optical_flow"]
    assert "refine" not in tracker  # what was computed with is face-rhythm's way


# ------------------------------------------------------------------ partly another program's


def redone_by_face_rhythm(directory: Path) -> None:
    """Leave TCA.h5 and its section of config.yaml as face-rhythm writes them: without a word of ours."""
    with h5py.File(directory / "analysis_files" / "TCA.h5", "r+") as file:
        for name in list(file.attrs):
            del file.attrs[name]
        for group in ("fit", "weights"):
            del file[group]
    config = read_config(directory / "config.yaml")
    config["TCA"]["params_method"] |= {"n_iter_max": 77, "random_state": None}
    write_config(directory / "config.yaml", config)


def test_a_project_partly_redone_says_so_product_by_product(
    copy: Path, recording: Recording, parameters: Parameters
) -> None:
    redone_by_face_rhythm(copy)
    project = Project.open(copy)
    assert project.layouts["PointTracker"] == "element-facerhythm 1"
    assert project.layouts["TCA"] == "face-rhythm"
    assert project.layout == "element-facerhythm 1, face-rhythm"
    record = load_project(copy)
    assert [p.layout for p in record.products] == list(project.layouts.values())
    assert [s.version is None for s in record.stages] == [False] * 4 + [True]
    assert any("TCA by face-rhythm" in note for note in record.notes)
    assert isinstance(record.parameters, OpenParameters)
    tree, unknown = record.parameters.to_tree(), record.parameters.unknown_names
    assert tree["PointTracker"] == parameters.to_tree()["PointTracker"]
    assert tree["TCA"]["fit"]["params_method"]["n_iter_max"] == 77
    assert tree["TCA"]["fit"]["params_method"]["n_restarts"] == 1
    assert tree["TCA"]["rearrange_data"]["method_handling_dictElements"] == "concatenate"
    assert tree["TCA"]["rearrange_data"]["name_dim_dictElements"] == "session"
    assert {"compat", "project.random_seed"} <= set(unknown)
    with pytest.raises(ParameterError, match="task_mode 'load' alone"):
        plan_run(recording.request(copy, parameters=record.parameters))


def test_what_another_program_wrote_is_replaced_only_when_told(
    copy: Path, recording: Recording, parameters: Parameters
) -> None:
    redone_by_face_rhythm(copy)
    before = hashlib.sha256((copy / "analysis_files" / "TCA.h5").read_bytes()).hexdigest()
    request = recording.request(
        copy, videos=recording.videos, parameters=parameters, overwrite=False
    )
    with pytest.raises(ParameterError, match=r"TCA\.h5 was written by another program"):
        run_project(request)
    after = hashlib.sha256((copy / "analysis_files" / "TCA.h5").read_bytes()).hexdigest()
    assert after == before
