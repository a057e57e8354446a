"""A directory has one owner: a second task is refused when it is entered, and again when it runs."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import ConfigurationError, ParameterError, ProjectError

Key = dict[str, Any]


@pytest.fixture(scope="module")
def first(register: Callable[..., Key], fbe: ModuleType, processed_dir: Path) -> Key:
    """A task with a directory of its own choice, computed."""
    key = register(370)
    (fbe.FaceRhythmTask & key).delete(prompt=False)
    fbe.FaceRhythmTask.insert1({**key, "task_mode": "trigger", "output_dir": "owned/first"})
    for table in (fbe.RecordingInfo, fbe.FaceRhythmProcessing, fbe.FacialRhythm):
        table.populate(key)
    return key


def files_of(directory: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in directory.rglob("*") if p.is_file() and "run/" not in str(p)}


@pytest.mark.parametrize(
    "output_dir",
    ["owned/first", "owned//first/", "./owned/first", "owned/first/inside", "owned"],
)
@pytest.mark.parametrize("mode", ["trigger", "load"])
def test_a_second_task_is_refused_when_it_is_entered(
    first: Key, register: Callable[..., Key], fbe: ModuleType, output_dir: str, mode: str
) -> None:
    other = {**register(371), "roi_id": first["roi_id"]}
    (fbe.FaceRhythmTask & other).delete(prompt=False)
    with pytest.raises(ConfigurationError, match=r"is taken: 'owned/first' is the directory of"):
        fbe.FaceRhythmTask.insert1({**other, "task_mode": mode, "output_dir": output_dir})
    assert not fbe.FaceRhythmTask & other


def test_the_inferred_directory_of_another_task_is_taken_too(
    processed: Key, register: Callable[..., Key], fbe: ModuleType
) -> None:
    other = register(372)
    (fbe.FaceRhythmTask & other).delete(prompt=False)
    taken = fbe.FaceRhythmTask.infer_output_dir(processed).as_posix()
    with pytest.raises(ConfigurationError, match="is taken"):
        fbe.FaceRhythmTask.insert1({**other, "task_mode": "trigger", "output_dir": taken})
    rows = [
        {**other, "roi_id": i, "task_mode": "trigger", "output_dir": "one/for/two"} for i in (0, 1)
    ]
    with pytest.raises(ConfigurationError, match="is taken"):
        fbe.FaceRhythmTask.insert(rows)


def test_keypoints_and_rhythms_have_directories_of_their_own(
    first: Key, fbe: ModuleType, kpi: ModuleType, model_id: int
) -> None:
    recording = {name: first[name] for name in fbe.VideoRecording.primary_key}
    with pytest.raises(ConfigurationError, match="FaceRhythmTask"):
        kpi.KeypointInferenceTask.generate(recording, model_id, output_dir="owned/first")
    task = kpi.KeypointInferenceTask.generate(recording, model_id, output_dir="owned/keypoints")
    with pytest.raises(ConfigurationError, match="KeypointInferenceTask"):
        fbe.FaceRhythmTask.insert1(
            {**first, "roi_id": 99, "task_mode": "trigger", "output_dir": "owned/keypoints"}
        )
    (kpi.KeypointInferenceTask & task).delete(prompt=False)


def insert_past_every_check(table: Any, row: Key) -> None:
    """As somebody enters it who does not use this package."""
    super(table, table()).insert([row])


def test_a_second_task_is_refused_when_it_runs_and_nothing_changes(
    first: Key, register: Callable[..., Key], fbe: ModuleType, processed_dir: Path
) -> None:
    other = register(373)
    (fbe.FaceRhythmTask & other).delete(prompt=False)
    row = {**other, "task_mode": "trigger", "output_dir": "owned/first"}
    insert_past_every_check(fbe.FaceRhythmTask, row)
    fbe.RecordingInfo.populate(other)
    before = files_of(processed_dir / "owned" / "first")
    with pytest.raises(ProjectError, match=r"belongs to FaceRhythmTask .*\"session_id\": 370"):
        fbe.FaceRhythmProcessing.populate(other)
    assert files_of(processed_dir / "owned" / "first") == before
    assert fbe.FacialRhythm.traces(first)[:3].shape[0] == 3  # its digest still holds


def test_second_keypoints_are_refused_when_they_run(
    inferred: Key, kpi: ModuleType, fbe: ModuleType, weights: Path, processed_dir: Path
) -> None:
    from tests.unit.keypoints.training import PARTS

    place = (kpi.KeypointInference & inferred).fetch1("keypoints_path")
    other_model = kpi.KeypointModel.insert_new_model(
        None, "a second", "", weights, body_parts=tuple(PARTS)
    )
    row = {**inferred, "model_id": other_model, "inference_task_mode": "trigger"}
    insert_past_every_check(
        kpi.KeypointInferenceTask, {**row, "inference_output_dir": Path(place).parent.as_posix()}
    )
    with pytest.raises(ProjectError, match="belongs to KeypointInferenceTask"):
        kpi.KeypointInference.populate({**inferred, "model_id": other_model})
    assert kpi.KeypointInference.fetch_predictions(inferred).n_frames == 180


def test_the_directory_says_whose_it_is_and_the_command_line_keeps_out(
    first: Key,
    fbe: ModuleType,
    videos: list[Path],
    processed_dir: Path,
    tmp_path: Path,
    facerhythm: Callable[..., Any],
) -> None:
    directory = processed_dir / "owned" / "first"
    (mark,) = directory.glob(".facerhythm.owner-*")
    owner = json.loads(mark.read_text())
    assert owner["schema"] == fbe.schema.database
    assert json.loads(owner["key"])["session_id"] == 370
    assert owner["database"]
    (tmp_path / "rois.json").write_text(
        json.dumps({"points": [[[40, 40], [120, 40], [120, 90], [40, 90]]]})
    )
    outcome = facerhythm("run", *videos, "--rois", tmp_path / "rois.json", "-o", directory)
    assert outcome.code == 2
    assert "belongs to FaceRhythmTask" in outcome.err


def test_results_that_a_task_has_not_made_itself_stay(
    register: Callable[..., Key], fbe: ModuleType, videos: list[Path], processed_dir: Path
) -> None:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.parameters import parameters_from_mapping
    from element_facerhythm.pipeline import RunRequest, run_project
    from tests.db.on_server.conftest import PARAMETERS, ROIS

    key = register(374)
    (fbe.FaceRhythmTask & key).delete(prompt=False)
    tree = {**PARAMETERS, "TCA": {"fit": {"params_method": {"rank": 2, "n_iter_max": 5}}}}
    rois = Rois(seed_polygons=tuple(np.array(polygon, float) for polygon in ROIS["points"]))
    directory = processed_dir / "by" / "hand"
    run_project(
        RunRequest(tuple(videos), rois, parameters_from_mapping(tree).parameters, directory, "cpu")
    )
    before = files_of(directory)
    fbe.FaceRhythmTask.insert1({**key, "task_mode": "trigger", "output_dir": "by/hand"})
    fbe.RecordingInfo.populate(key)
    with pytest.raises(ParameterError, match=r"decomposition\.rank: 2 -> 3"):
        fbe.FaceRhythmProcessing.populate(key)
    assert files_of(directory) == before
