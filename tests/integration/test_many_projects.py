"""Many projects: complete or not, indexed, gathered under other names; and what a file says of itself."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

from element_facerhythm.errors import ProjectError, RequestError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.io.config import read_json
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline import STAGES, run_project, summarise_project
from element_facerhythm.pipeline.exchange.aggregate import Selection, gather, plan_gathering
from element_facerhythm.pipeline.exchange.completion import completion_of
from element_facerhythm.pipeline.exchange.index import (
    build_index,
    find_projects,
    read_index,
    write_index,
)
from element_facerhythm.pipeline.exchange.metadata import metadata_of
from element_facerhythm.pipeline.run.lock import project_lock

Command = Callable[..., Any]


@pytest.fixture
def command(facerhythm: Command) -> Command:
    """The command line; it must leave with the code that is expected, 0 unless another one is said."""

    def run(*words: object, expect: int = 0) -> Any:
        done = facerhythm(*words)
        assert done.code == expect, done.err
        return done

    return run


@pytest.fixture(scope="module")
def lab(recording: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished projects and one that lacks its last product, by subject and session."""
    top = tmp_path_factory.mktemp("lab")
    run_project(recording.request(top / "mouse1" / "1" / "face"))
    run_project(recording.request(top / "mouse2" / "1" / "face", videos=recording.videos[1:]))
    unfinished = Path(shutil.copytree(top / "mouse1" / "1" / "face", top / "mouse1" / "2" / "face"))
    (unfinished / "analysis_files" / "TCA.h5").unlink()
    return top


@pytest.fixture(scope="module")
def named(lab: Path) -> list[tuple[Path, dict[str, str]]]:
    projects = find_projects(lab)
    return [(p, dict(zip(("subject", "session"), p.parts[-3:-1], strict=True))) for p in projects]


def test_a_project_is_complete_unfinished_damaged_or_being_written(
    lab: Path, tmp_path: Path
) -> None:
    whole = Path(shutil.copytree(lab / "mouse1" / "1" / "face", tmp_path / "face"))
    found = completion_of(whole)
    assert found.is_complete and tuple(found.stages) == STAGES and all(found.stages.values())
    unfinished = completion_of(lab / "mouse1" / "2" / "face")
    assert unfinished.state == "unfinished" and unfinished.reasons == ("TCA.h5 is missing",)
    assert [name for name, there in unfinished.stages.items() if not there] == ["decomposition"]
    with project_lock(whole):
        assert completion_of(whole).state == "running"
    with h5py.File(whole / "analysis_files" / "PointTracker.h5", "r+") as file:
        file["points_tracked/0"][0, 0] += 1
    assert completion_of(whole).state == "damaged"
    with pytest.raises(ProjectError, match="not a face-rhythm project"):
        completion_of(tmp_path)


def test_the_exit_code_says_whether_all_are_complete(lab: Path, command: Command) -> None:
    command("check", lab / "mouse1" / "1" / "face", lab / "mouse2" / "1" / "face")
    done = command(
        "check", lab / "mouse1" / "1" / "face", lab / "mouse1" / "2" / "face", "--json", expect=3
    )
    states = [one["state"] for one in json.loads(done.out)["projects"]]
    assert states == ["complete", "unfinished"]
    command("check", lab, expect=2)


def test_groups_that_a_user_wrote_stay(named: Any, tmp_path: Path) -> None:
    path = tmp_path / "facerhythm-index.yaml"
    write_index(path, build_index(named))
    tree = yaml.safe_load(path.read_text())
    for row in tree["projects"]:
        row["group"] = "saline" if row["names"]["subject"] == "mouse1" else "drug"
    path.write_text(yaml.safe_dump(tree))
    again = build_index(named, read_index(path))
    write_index(path, again)
    read = read_index(path)
    assert read.entries == again.entries
    groups = {(e.names["subject"], e.names["session"]): e.group for e in read.entries}
    assert groups == {("mouse1", "1"): "saline", ("mouse1", "2"): "saline", ("mouse2", "1"): "drug"}
    summary = summarise_project(read.entries[0].path)
    assert read.entries[0].facts["n_frames"] == sum(video.n_frames for video in summary.videos)
    assert read.entries[1].state == "unfinished" and read.entries[1].facts == {}


def test_a_uuid_is_of_what_was_analysed_and_how(
    lab: Path, recording: Any, parameters_with: Any, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(lab / "mouse1" / "1" / "face", tmp_path / "copy"))
    other = tmp_path / "other"
    run_project(
        recording.request(
            other, parameters=parameters_with(TCA={"fit": {"params_method": {"rank": 3}}})
        )
    )
    index = build_index([(path, {}) for path in (lab / "mouse1" / "1" / "face", copy, other)])
    first, same, different = (entry.uuid for entry in index.entries)
    assert first == same != different
    assert any("stands 2 times" in note for note in index.notes)


def test_what_is_gathered_is_projects_again(named: Any, tmp_path: Path) -> None:
    planned = plan_gathering(build_index(named), Selection("{subject}_{session}"))
    assert [one.name for one in planned if not one.left_out] == ["mouse1_1", "mouse2_1"]
    assert [one.left_out for one in planned if one.left_out] == ["unfinished: TCA.h5 is missing"]
    target = tmp_path / "gathered"
    manifest = gather(planned, target)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*.h5")}
    assert gather(planned, target)["results"] == manifest["results"]
    assert before == {path: path.stat().st_mtime_ns for path in target.rglob("*.h5")}
    rows = list(csv.DictReader((target / "components.csv").read_text().splitlines()))
    for result in yaml.safe_load((target / "manifest.yaml").read_text())["results"]:
        directory = target / result["name"]
        assert completion_of(directory).is_complete
        for name, file in result["files"].items():
            assert file_sha256(directory / name) == file["sha256"]
            assert (directory / name).read_bytes() == (Path(result["source"]) / name).read_bytes()
        components = [c for model in summarise_project(directory).models for c in model.components]
        told = [row for row in rows if row["name"] == result["name"]]
        assert [float(row["peak_frequency_hz"]) for row in told] == [
            component.peak_frequency_hz for component in components
        ]
    assert [entry.path for entry in read_index(target / "facerhythm-index.yaml").entries] == [
        target / "mouse1_1", target / "mouse2_1"
    ]  # fmt: skip


def test_links_take_no_room_and_outlive_a_new_run(
    named: Any, tmp_path: Path, recording: Any
) -> None:
    source = Path(shutil.copytree(named[0][0], tmp_path / "source"))
    planned = plan_gathering(build_index([(source, {})]), Selection("mouse"))
    gather(planned, tmp_path / "gathered", link=True)
    linked = tmp_path / "gathered" / "mouse" / "analysis_files" / "TCA.h5"
    original = source / "analysis_files" / "TCA.h5"
    assert linked.samefile(original)
    kept = linked.read_bytes()
    run_project(recording.request(source, videos=recording.videos[1:], overwrite=True))
    assert linked.read_bytes() == kept != original.read_bytes()


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("{session}", "would be called '1'"),
        ("{animal}", "no 'animal'; the fields of --name are"),
        ("{subject", "is no format"),
        ("../{subject}", "no name of a directory"),
        ("", "no name of a directory"),
    ],
)
def test_names_that_cannot_be_are_refused(named: Any, pattern: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        plan_gathering(build_index(named), Selection(pattern))


def test_a_name_that_is_taken_is_refused_before_anything_is_written(
    lab: Path, tmp_path: Path, command: Command
) -> None:
    target = tmp_path / "gathered"
    (target / "mouse2_1").mkdir(parents=True)
    (target / "mouse2_1" / "notes.txt").write_text("mine")
    words = (
        "aggregate", lab, "-o", target, "--pattern", "{subject}/{session}/*", "--name",
        "{subject}_{session}",
    )  # fmt: skip
    refused = command(*words, expect=2)
    assert "is there and is not" in refused.err
    assert sorted(path.name for path in target.rglob("*")) == ["mouse2_1", "notes.txt"]
    shutil.rmtree(target)
    command(*words, "--dry-run")
    assert not target.exists()
    done = json.loads(command(*words, "--max-violations", "0", "--json").out)
    violations = {
        f"{path.parts[-3]}_{path.parts[-2]}": sum(
            v.n_violations for v in summarise_project(path).videos
        )
        for path in (lab / "mouse1" / "1" / "face", lab / "mouse2" / "1" / "face")
    }
    assert {one["name"] for one in done["gathered"]} == {
        n for n, count in violations.items() if not count
    }


def test_an_index_that_is_none_is_refused(tmp_path: Path, command: Command) -> None:
    path = tmp_path / "index.yaml"
    for text in ("[]", "format_version: 2\nprojects: []", "format_version: 1\nprojects: [{}]"):
        path.write_text(text)
        with pytest.raises(ProjectError):
            read_index(path)
        command("index", "show", path, expect=2)
    command("index", "build", tmp_path, "-o", tmp_path / "new.yaml", expect=2)
    assert not (tmp_path / "new.yaml").exists()


def test_metadata_of_a_product_is_what_was_written(lab: Path, command: Command) -> None:
    directory = lab / "mouse1" / "1" / "face"
    project = Project.open(directory)
    told = yaml.safe_load(command("inspect", directory / "analysis_files" / "TCA.h5", "--yaml").out)
    chain = told["@facerhythm_fingerprint"]["inputs"]["spectral_analysis"]["parameters"]
    assert chain["frame_rate_hz"] == project.frame_rate_hz
    stored = read_json(directory / "run.json")
    assert told["@facerhythm_fingerprint"] == stored["stages"]["decomposition"]["fingerprint"]
    tracks = metadata_of(directory / "analysis_files" / "PointTracker.h5")["points_tracked"]["0"]
    with h5py.File(directory / "analysis_files" / "PointTracker.h5") as file:
        points = file["points_tracked/0"]
        assert tracks == {
            "shape": list(points.shape), "dtype": str(points.dtype), "bytes": points.nbytes
        }  # fmt: skip
    whole = json.loads(command("inspect", directory, "--json").out)
    assert whole["run.json"] == stored and set(whole) >= {"TCA.h5", "config.yaml", "layout"}
    assert "frame_rate_hz" in command("inspect", directory).out


def test_metadata_of_an_extraction_by_another_program(tmp_path: Path, command: Command) -> None:
    path = tmp_path / "results_00.h5"
    with h5py.File(path, "w") as file:
        file["frames"] = np.zeros((40, 8, 8), np.uint8)
        file["frames"].attrs["description"] = "depth"
        file["metadata/acquisition/SubjectName"] = "mouse1"
        file["metadata/acquisition/ColorResolution"] = np.array([512, 424])
        file["metadata/acquisition/IsLittleEndian"] = True
        file["metadata/extraction/flips"] = np.zeros(40, bool)
        file["metadata"].attrs["reference"] = file["frames"].ref
        file["metadata"].attrs["words"] = ["one", "two"]
    told = metadata_of(path, "/metadata/acquisition")
    assert {k: v for k, v in told.items() if k != "bytes"} == {
        "SubjectName": "mouse1", "ColorResolution": [512, 424], "IsLittleEndian": True
    }  # fmt: skip
    whole = metadata_of(path)
    assert whole["metadata"]["@words"] == ["one", "two"]
    assert whole["frames"]["shape"] == [40, 8, 8]
    command("inspect", path, "--path", "/metadata/none", expect=2)
    command("inspect", tmp_path / "absent.h5", expect=2)
    (tmp_path / "video.mp4").write_bytes(b"")
    assert "video" in command("inspect", tmp_path / "video.mp4", expect=2).err


@pytest.mark.reference
def test_a_project_of_face_rhythm_is_taken(reference_data: Path, tmp_path: Path) -> None:
    index = build_index([(reference_data / "project", {"subject": "mirror"})])
    (entry,) = index.entries
    assert entry.state == "complete" and entry.program.startswith("face-rhythm")
    gather(plan_gathering(index, Selection("{subject}")), tmp_path / "gathered")
    copied = build_index([(tmp_path / "gathered" / "mirror", {})])
    assert copied.entries[0].uuid == entry.uuid
