"""Entries that results rest on stay as they were: the next reader and `facerhythm verify` notice a change."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from element_facerhythm.errors import ProjectError, RoiError, VideoError

Key = dict[str, Any]
Verify = Callable[[], list[str]]


@pytest.fixture(scope="module")
def own_videos(videos: list[Path], root_dir: Path) -> list[Path]:
    """Copies that tests may exchange."""
    (root_dir / "verified").mkdir()
    return [Path(shutil.copy2(path, root_dir / "verified" / path.name)) for path in videos]


@pytest.fixture
def key(
    register: Callable[..., Key], own_videos: list[Path], fbe: ModuleType, request: Any
) -> Iterator[Key]:
    """A recording with all results, deleted afterwards."""
    key = register(380, own_videos)
    for table in (fbe.RecordingInfo, fbe.FaceRhythmProcessing, fbe.FacialRhythm):
        table.populate(key)
    yield key
    (fbe.VideoRecording & key).delete(prompt=False)


@pytest.fixture
def verify(facerhythm: Callable[..., Any], key: Key) -> Verify:
    """Run the command on this recording; gives what it found, as "where: problem"."""

    def run() -> list[str]:
        where = f"session_id = {key['session_id']}"
        outcome = facerhythm("verify", "--where", where, "--json")
        result = json.loads(outcome.out)
        assert outcome.code == (3 if result["faults"] else 0), outcome.err
        assert result["n_checks"] >= 5
        return [f"{fault['where']}: {fault['problem']}" for fault in result["faults"]]

    return run


def test_everything_in_order_and_a_block_computed_again(
    facerhythm: Callable[..., Any], key: Key, fbe: ModuleType, kpi: ModuleType, model_id: int
) -> None:
    recording = {name: key[name] for name in fbe.VideoRecording.primary_key}
    task = kpi.KeypointInferenceTask.generate(recording, model_id)
    kpi.KeypointInference.populate(task)
    kpi.KeypointRhythm.populate({**key, **task})
    where = f"session_id = {key['session_id']}"
    outcome = facerhythm("verify", "--where", where, "--recompute", "--json")
    result = json.loads(outcome.out)
    assert (outcome.code, result["faults"]) == (0, []), result["faults"]
    assert result["n_checks"] > 30
    assert any("computed again" in note for note in result["notes"])

    (kpi.KeypointInference.BodyPartPosition & task & {"body_part": "mouth"}).delete_quick()
    outcome = facerhythm("verify", "--where", where, "--json")
    assert outcome.code == 3
    (fault,) = json.loads(outcome.out)["faults"]
    assert "mouth" in fault["problem"]


def test_a_condition_that_is_none_is_refused(facerhythm: Callable[..., Any], workflow: Any) -> None:
    outcome = facerhythm("verify", "--where", "no_such_column = 1")
    assert outcome.code == 2
    assert "no_such_column" in outcome.err
    assert "Traceback" not in outcome.err


def test_an_exchanged_polygon_is_noticed(key: Key, fbe: ModuleType, verify: Verify) -> None:
    polygon = (fbe.FaceRhythmROI.Polygon & key).fetch1()
    (fbe.FaceRhythmROI.Polygon & key).delete_quick()
    moved = [[x + 1, y] for x, y in polygon["vertices"]]
    fbe.FaceRhythmROI.Polygon.insert1({**polygon, "vertices": moved})
    assert any("FaceRhythmROI" in found and "rois_sha256" in found for found in verify())
    with pytest.raises(RoiError, match="not those that were entered"):
        fbe.FaceRhythmROI.fetch_rois(key)
    (fbe.FacialRhythm & key).delete(prompt=False)
    (fbe.FaceRhythmProcessing & key).delete(prompt=False)
    with pytest.raises(RoiError, match="not those that were entered"):
        fbe.FaceRhythmProcessing.populate(key)


def test_a_deleted_component_and_a_changed_number_are_noticed(
    key: Key, fbe: ModuleType, verify: Verify
) -> None:
    component = fbe.FacialRhythm.Component & key & "component_index = 1"
    component.delete(prompt=False, part_integrity="ignore")
    found = verify()
    assert any(
        "FacialRhythm.Component subject=mouse1" in f and "component_index 1 is missing" in f
        for f in found
    )
    row = (fbe.FacialRhythm.Point & key & "point_index = 2").fetch1()
    fbe.FacialRhythm.Point.update1({**row, "rms_displacement_px": row["rms_displacement_px"] * 2})
    found = verify()
    assert any("point_index 2 has another rms_displacement_px" in f for f in found)


def test_a_deleted_product_row_is_noticed_by_verify_and_by_the_next_table(
    key: Key, fbe: ModuleType, verify: Verify
) -> None:
    (fbe.FaceRhythmProcessing.Product & key & {"product": "TCA"}).delete_quick()
    assert any("FaceRhythmProcessing.Product" in found for found in verify())
    (fbe.FacialRhythm & key).delete(prompt=False)
    with pytest.raises(ProjectError, match="expected Dataset_videos, ROIs, PointTracker"):
        fbe.FacialRhythm.populate(key)


def test_a_changed_size_of_a_product_is_noticed(key: Key, fbe: ModuleType, verify: Verify) -> None:
    row = (fbe.FaceRhythmProcessing.Product & key & {"product": "ROIs"}).fetch1()
    size = row["product_size_bytes"]
    fbe.FaceRhythmProcessing.Product.update1({**row, "product_size_bytes": size + 1})
    try:
        assert any(f"it has {size} bytes, and had {size + 1}" in found for found in verify())
    finally:
        fbe.FaceRhythmProcessing.Product.update1(row)
    assert verify() == []


def test_changed_parameters_are_noticed(key: Key, fbe: ModuleType, verify: Verify) -> None:
    row = (fbe.FaceRhythmParamSet & key).fetch1()
    tree = json.loads(json.dumps(row["parameters"]))
    tree["TCA"]["fit"]["params_method"]["rank"] = 2
    fbe.FaceRhythmParamSet.update1({**row, "parameters": tree})
    try:
        assert any("FaceRhythmParamSet" in found for found in verify())
    finally:
        fbe.FaceRhythmParamSet.update1(row)
    assert verify() == []


def test_an_exchanged_video_of_equal_size_and_time_is_noticed(
    key: Key, fbe: ModuleType, own_videos: list[Path], verify: Verify, tmp_path: Path
) -> None:
    video = own_videos[0]
    kept, before = shutil.copy2(video, tmp_path / "kept"), video.stat()
    content = bytearray(video.read_bytes())
    content[len(content) // 2] ^= 1
    try:
        video.write_bytes(content)
        os.utime(video, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert any("RecordingInfo" in found for found in verify())
        (fbe.FacialRhythm & key).delete(prompt=False)
        (fbe.FaceRhythmProcessing & key).delete(prompt=False)
        with pytest.raises(VideoError, match="changed since it was entered"):
            fbe.FaceRhythmProcessing.populate(key)
    finally:
        shutil.copy2(kept, video)


def test_a_file_added_after_the_facts_were_read_is_noticed(
    key: Key, fbe: ModuleType, own_videos: list[Path], verify: Verify
) -> None:
    recording = {name: key[name] for name in fbe.VideoRecording.primary_key}
    row = {**recording, "file_id": 2, "file_path": "verified/part0.mp4"}
    fbe.VideoRecording.File.insert1(row)
    assert any("file 2 (verified/part0.mp4) was added" in found for found in verify())
    (fbe.FaceRhythmProcessing & key).delete(prompt=False)
    with pytest.raises(VideoError, match="was added, after RecordingInfo read it"):
        fbe.FaceRhythmProcessing.populate(key)


def test_damage_is_never_made_official(
    key: Key, fbe: ModuleType, processed_dir: Path, verify: Verify
) -> None:
    """The advice of the error, followed: what is damaged is computed again, not entered."""
    import h5py

    relative = (fbe.FaceRhythmProcessing & key).fetch1("project_dir")
    path = processed_dir / relative / "analysis_files" / "PointTracker.h5"
    good = fbe.FacialRhythm.traces(key)[:]
    with h5py.File(path) as file:
        offset = file["points_tracked/0"].id.get_offset()
    with path.open("r+b") as file:
        file.seek(offset + 4000)
        file.write(b"\0\0\x1c\x46" * 200)
    assert any("PointTracker" in found for found in verify())
    (fbe.FacialRhythm & key).delete(prompt=False)
    with pytest.raises(ProjectError, match="is not what was entered") as refused:
        fbe.FacialRhythm.populate(key)
    assert "Restore it from a backup" in str(refused.value)
    (fbe.FaceRhythmProcessing & key).delete(prompt=False)
    fbe.FaceRhythmProcessing.populate(key)
    fbe.FacialRhythm.populate(key)
    assert (fbe.FacialRhythm.traces(key)[:] == good).all()
    notes = (fbe.FaceRhythmProcessing & key).fetch1("notes")
    assert any("PointTracker.h5 is damaged" in note for note in notes)
    assert verify() == []
