"""Files that are entered, taken out or changed after they were read are noticed by whatever comes next."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from element_facerhythm.errors import VideoError

Key = dict[str, Any]
Change = Callable[[ModuleType, Key, Path], Any]


@pytest.fixture(scope="module")
def own_videos(videos: list[Path], root_dir: Path) -> list[Path]:
    """Copies of both videos, which tests change."""
    folder = root_dir / "changing"
    folder.mkdir()
    return [shutil.copy2(video, folder / video.name) for video in videos]


@pytest.fixture(scope="module")
def finished(
    register: Callable[..., Key], own_videos: list[Path], fbe: ModuleType
) -> Iterator[Key]:
    """A recording that was processed, and whose results are not entered yet."""
    key = register(400, own_videos)
    for table in (fbe.RecordingInfo, fbe.FaceRhythmProcessing):
        table.populate(key)
    yield key
    (fbe.VideoRecording & recording_of(fbe, key)).delete(prompt=False)


@pytest.fixture
def key(finished: Key, own_videos: list[Path], fbe: ModuleType, tmp_path: Path) -> Iterator[Key]:
    """The same, put back as it was afterwards."""
    recording = recording_of(fbe, finished)
    rows = (fbe.VideoRecording.File & recording).to_dicts()
    kept = [shutil.copy2(video, tmp_path / video.name) for video in own_videos]
    yield finished
    for video, copy in zip(own_videos, kept, strict=True):
        shutil.copy2(copy, video)
    for path in (*own_videos[0].parent.glob("*.csv"), *own_videos[0].parent.glob("other*")):
        path.unlink()
    (fbe.VideoRecording.File & recording & "file_id > 1").delete_quick()
    for row in rows:
        fbe.VideoRecording.File.update1(row)
    fbe.VideoRecording.update1({**recording, "given_frame_rate_hz": None})


def recording_of(fbe: ModuleType, key: Key) -> Key:
    return {name: key[name] for name in fbe.VideoRecording.primary_key}


def file_row(fbe: ModuleType, key: Key, **changes: Any) -> None:
    fbe.VideoRecording.File.update1({**recording_of(fbe, key), "file_id": 0, **changes})


def add_a_file(fbe: ModuleType, key: Key, folder: Path) -> None:
    row = {"file_id": 2, "file_path": "changing/part0.mp4"}
    fbe.VideoRecording.File.insert1({**recording_of(fbe, key), **row})


def give_a_rate(fbe: ModuleType, key: Key, folder: Path) -> None:
    fbe.VideoRecording.update1({**recording_of(fbe, key), "given_frame_rate_hz": 50.0})


def exchange_paths(fbe: ModuleType, key: Key, folder: Path) -> None:
    shutil.copy2(folder / "part1.mp4", folder / "other.mp4")
    file_row(fbe, key, file_path="changing/other.mp4")


ENTRIES: dict[str, tuple[Change, str]] = {
    "added": (add_a_file, r"file 2 \(changing/part0\.mp4\) was added"),
    "path": (exchange_paths, "file_path of file 0 was 'changing/part0.mp4' and is 'changing/other"),
    "times": (
        lambda fbe, key, folder: file_row(fbe, key, times_path="stamps"),
        "times_path of file 0 was '' and is 'stamps'",
    ),
    "cut off": (
        lambda fbe, key, folder: file_row(fbe, key, allow_incomplete=True),
        "allow_incomplete of file 0 was False and is",
    ),
    "rate": (give_a_rate, "a frame rate of 50 Hz was given, and was not when it was read"),
}


def same_size(fbe: ModuleType, key: Key, folder: Path) -> None:
    """Another content of equal size and modification time."""
    path = folder / "part1.mp4"
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def longer(fbe: ModuleType, key: Key, folder: Path) -> None:
    with (folder / "part0.mp4").open("ab") as file:
        file.write(b"\0" * 64)


def times_beside(fbe: ModuleType, key: Key, folder: Path) -> None:
    """A camera's file of times that is copied later."""
    times = "".join(f"{n / 55.0:.6f}\n" for n in range(90))
    (folder / "part0_timestamps.csv").write_text(times)


CONTENTS: dict[str, tuple[Change, str]] = {
    "same size": (same_size, r"part1\.mp4 changed since it was entered"),
    "longer": (longer, r"part0\.mp4 changed since it was entered"),
    "times beside": (times_beside, "came from no file and would now come from .*part0_timestamps"),
}


def verify(facerhythm: Callable[..., Any]) -> list[str]:
    done = facerhythm("verify", "--where", "session_id = 400", "--json")
    found = [fault["problem"] for fault in json.loads(done.out)["faults"]]
    assert done.code == (3 if found else 0)
    return found


@pytest.mark.parametrize("what", [*ENTRIES, *CONTENTS])
def test_every_table_notices_it(
    what: str, key: Key, own_videos: list[Path], fbe: ModuleType, kpi: ModuleType,
    waiting: dict[str, tuple[Any, Key]], facerhythm: Callable[..., Any], predictions: Path,
) -> None:  # fmt: skip
    change, message = {**ENTRIES, **CONTENTS}[what]
    recording = recording_of(fbe, key)
    assert verify(facerhythm) == []
    change(fbe, key, own_videos[0].parent)
    for table, own in waiting.values():
        with pytest.raises(VideoError, match=message) as refusal:
            table.populate(own)
        assert "delete the recording's RecordingInfo entry" in str(refusal.value)
        assert not table & own
    if what in ENTRIES:
        with pytest.raises(VideoError, match=message):
            fbe.FacialRhythm.populate(key)
        assert not fbe.FacialRhythm & key
    assert any(re.search(message, fault) for fault in verify(facerhythm))
    options = ["--subject", recording["subject"], "--session", 400, "--model-name", "late"]
    refused = facerhythm("import", "keypoints", predictions, "--from", "DeepLabCut", *options)
    assert refused.code == 2
    assert "delete the recording's RecordingInfo entry" in refused.err
    assert not kpi.KeypointModel & {"model_name": "late"}


def test_results_are_entered_once_everything_is_as_it_was(key: Key, fbe: ModuleType) -> None:
    fbe.FacialRhythm.populate(key)
    assert len(fbe.FacialRhythm & key) == 1


def test_files_that_are_added_to_the_facts_of_a_project_are_noticed(
    key: Key, own_videos: list[Path], fbe: ModuleType, processed_dir: Path, root_dir: Path
) -> None:
    from element_facerhythm.ingest import SessionChoice, populate, register_project
    from element_facerhythm.io.project import Project

    source = (fbe.FaceRhythmProcessing & key).fetch1("project_dir")
    directory = shutil.copytree(processed_dir / source, root_dir / "without-videos")
    info = json.loads((directory / "run_info.json").read_text())
    info["Dataset_videos"]["metadata"]["paths_videos"] = ["/gone/part0.mp4", "/gone/part1.mp4"]
    (directory / "run_info.json").write_text(json.dumps(info))
    own = register_project(SessionChoice.numbered("mouse4", 0), Project.open(directory)).key
    assert (fbe.RecordingInfo & own).fetch1("facts_source") == "project"
    populate(own)
    (note,) = [
        n for n in (fbe.FaceRhythmProcessing & own).fetch1("notes") if "has no video files" in n
    ]
    assert "were not compared" in note
    (fbe.FacialRhythm & own).delete(prompt=False)
    row = {"file_id": 0, "file_path": "changing/part0.mp4"}
    fbe.VideoRecording.File.insert1({**recording_of(fbe, own), **row})
    with pytest.raises(VideoError, match=r"file 0 \(changing/part0\.mp4\) was added"):
        fbe.FacialRhythm.populate(own)
    (fbe.FaceRhythmProcessing & own).delete(prompt=False)
    with pytest.raises(VideoError, match=r"file 0 \(changing/part0\.mp4\) was added"):
        fbe.FaceRhythmProcessing.populate(own)
    (fbe.RecordingInfo & own).delete(prompt=False)  # the way out of the message
    fbe.RecordingInfo.populate(own)
    assert (fbe.RecordingInfo & own).fetch1("facts_source") == "video"
    (fbe.VideoRecording & recording_of(fbe, own)).delete(prompt=False)


def test_keypoints_that_are_compared_or_given_away_are_of_the_files(
    inferred: Key, fbe: ModuleType, kpi: ModuleType, facerhythm: Callable[..., Any], tmp_path: Path
) -> None:
    options = ["--subject", inferred["subject"], "--session", inferred["session_id"], "--json"]
    export = ["export", "keypoints", "--to", "netcdf", *options, "-o"]
    recording = recording_of(fbe, inferred)
    assert json.loads(facerhythm(*export, tmp_path / "a.nc").out)["notes"] == []
    (kpi.KeypointRhythm & inferred).delete(prompt=False)
    row = {**recording, "file_id": 2, "file_path": "mouse/part0.mp4"}
    fbe.VideoRecording.File.insert1(row)
    try:
        (note,) = json.loads(facerhythm(*export, tmp_path / "b.nc").out)["notes"]
        assert "of other files: file 2 (mouse/part0.mp4) was added" in note
        with pytest.raises(VideoError, match=r"file 2 \(mouse/part0\.mp4\) was added"):
            kpi.KeypointRhythm.populate(inferred)
    finally:
        (fbe.VideoRecording.File & row).delete_quick()
    kpi.KeypointRhythm.populate(inferred)
    assert len(kpi.KeypointRhythm & inferred) == 1


def test_a_file_that_is_not_here_is_told_and_stops_no_load(
    key: Key, own_videos: list[Path], fbe: ModuleType, tmp_path: Path,
    waiting: dict[str, tuple[Any, Key]],
) -> None:  # fmt: skip
    _, loading = waiting["load"]
    away = shutil.move(own_videos[0], tmp_path / "away.mp4")
    try:
        fbe.FaceRhythmProcessing.populate(loading)
    finally:
        shutil.move(away, own_videos[0])
    notes = (fbe.FaceRhythmProcessing & loading).fetch1("notes")
    assert any("not on this machine, and not compared" in n and "part0.mp4" in n for n in notes)


@pytest.fixture(scope="module")
def waiting(
    finished: Key, fbe: ModuleType, kpi: ModuleType, model_id: int, processed_dir: Path,
    root_dir: Path,
) -> dict[str, tuple[Any, Key]]:  # fmt: skip
    """Tables, and keys of what they have not done yet: a run, a project to take over, an inference."""
    tree = (fbe.FaceRhythmParamSet & finished).fetch1("parameters")
    tree["project"]["random_seed"] = 77
    number = int(fbe.FaceRhythmParamSet.insert_new_params(None, "another seed", tree))
    own = {name: finished[name] for name in fbe.FaceRhythmTask.primary_key}
    run = {**own, "paramset_id": number}
    fbe.FaceRhythmTask.insert1({**run, "task_mode": "trigger"})
    rois = fbe.FaceRhythmROI.fetch_rois({n: own[n] for n in fbe.FaceRhythmROI.primary_key})
    loading = {**own, "roi_id": 5}
    fbe.FaceRhythmROI.insert_rois(loading, rois)
    source = (fbe.FaceRhythmProcessing & finished).fetch1("project_dir")
    shutil.copytree(processed_dir / source, root_dir / "to-load")
    task = {"task_mode": "load", "output_dir": "to-load"}
    fbe.FaceRhythmTask.insert1({**loading, **task})
    inference = kpi.KeypointInferenceTask.generate(recording_of(fbe, finished), model_id)
    return {
        "run": (fbe.FaceRhythmProcessing, run),
        "load": (fbe.FaceRhythmProcessing, loading),
        "keypoints": (kpi.KeypointInference, inference),
    }


@pytest.fixture
def predictions(root_dir: Path) -> Path:
    """Predictions of another tracker for the recording."""
    import numpy as np
    import pandas as pd

    path = root_dir / "late.csv"
    columns = pd.MultiIndex.from_product(
        [["late"], ["nose"], ["x", "y", "likelihood"]], names=["scorer", "bodyparts", "coords"]
    )
    pd.DataFrame(np.ones((180, 3)), columns=columns).to_csv(path)
    return path
