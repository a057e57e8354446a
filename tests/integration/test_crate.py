"""A project as an RO-Crate: read by a library of the standard's makers, and true of the files."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rocrate
from rocrate.rocrate import ROCrate

from element_facerhythm.io.rois_file import write_rois
from tests.integration.conftest import SHORT


@pytest.fixture
def project(recording: Any, tmp_path: Path, facerhythm: Callable[..., Any]) -> Path:
    """A project with figures and with the files that it was made of."""
    params, rois = tmp_path / "p.json", tmp_path / "r.json"
    params.write_text(json.dumps(SHORT))
    write_rois(recording.rois, rois)
    out = tmp_path / "mouse project"
    done = facerhythm("run", recording.videos[0], "--rois", rois, "--params", params, "-o", out)
    assert done.code == 0, done.err
    return out


def test_a_crate_says_what_is_there_and_how_it_was_made(
    project: Path, recording: Any, facerhythm: Callable[..., Any]
) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    told = ("--author", "Anna Berg", "--subject-id", "mouse1", "--species", "Mus musculus",
            "--session-start", "2026-03-01T09:30:00+01:00",
            "--license", "https://creativecommons.org/licenses/by/4.0/")  # fmt: skip
    done = facerhythm("export", "crate", project, *told, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out) == {"file": str(project / "ro-crate-metadata.json")}
    assert {path: path.read_bytes() for path in before} == before

    crate = ROCrate(project)  # which refuses what is no crate
    assert (crate.metadata.id, str(crate.version)) == ("ro-crate-metadata.json", "1.1")
    files = {entity.id: entity for entity in crate.data_entities}
    on_disk = {
        str(path.relative_to(project)): path
        for path in before
        if not path.name.startswith(".facerhythm")
    }
    assert files.keys() == on_disk.keys() >= {"analysis_files/TCA.h5", "inputs/rois.json"}
    for name, path in on_disk.items():
        assert files[name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert files[name]["contentSize"] == str(path.stat().st_size)
        assert "/" in files[name]["encodingFormat"]
    run = crate.get("#run")
    assert run.type == "CreateAction"
    assert run["instrument"]["name"] == "element-facerhythm"
    assert {lib["name"] for lib in run["instrument"]["softwareRequirements"]} >= {"torch", "numpy"}
    (video,) = [e for e in run["object"] if e.type == "MediaObject"]
    assert video["sha256"] == hashlib.sha256(recording.videos[0].read_bytes()).hexdigest()
    values = {e["name"]: e["value"] for e in run["object"] if e.type == "PropertyValue"}
    assert values["TCA.fit.params_method.rank"] == 2
    assert values["VQT_Analyzer.params_VQT.F_max"] == 25
    assert {entity.id for entity in run["result"]} == {
        n for n in files if not n.startswith("inputs/")
    }
    assert run["agent"]["name"] == crate.root_dataset["author"]["name"] == "Anna Berg"
    assert crate.root_dataset["about"]["name"] == "mouse1"
    assert {p["name"]: p["value"] for p in crate.root_dataset["about"]["identifier"]} == {
        "subject_id": "mouse1", "species": "Mus musculus"
    }  # fmt: skip


def test_every_word_is_one_of_the_standard_and_nothing_dangles(
    project: Path, facerhythm: Callable[..., Any]
) -> None:
    assert facerhythm("export", "crate", project).code == 0
    crate = json.loads((project / "ro-crate-metadata.json").read_text())
    words = json.loads((Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text())
    known = {"@id", "@type", *words["@context"]}
    ids = {entity["@id"] for entity in crate["@graph"]}
    assert len(ids) == len(crate["@graph"])
    for entity in crate["@graph"]:
        assert entity.keys() <= known
        assert entity["@type"] in known
        for name, value in entity.items():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and name != "conformsTo":
                    assert one["@id"] in ids, (entity["@id"], name)


def test_a_crate_is_replaced_on_request_and_told_when_it_is_old(
    project: Path, recording: Any, facerhythm: Callable[..., Any], tmp_path: Path
) -> None:
    assert facerhythm("export", "crate", project).code == 0
    refused = facerhythm("export", "crate", project, "--name", "other")
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert facerhythm("export", "crate", project, "--name", "other", "--overwrite").code == 0
    assert ROCrate(project).name == "other"
    base = ("run", recording.videos[0], "-o", project, "--no-figures")
    assert "ro-crate" not in facerhythm(*base).out
    changed = facerhythm(*base, "--set", "rank=3", "--overwrite")
    assert changed.code == 0, changed.err
    assert "ro-crate-metadata.json describes earlier results" in " ".join(changed.out.split())
    empty = facerhythm("export", "crate", tmp_path)
    assert empty.code == 2
