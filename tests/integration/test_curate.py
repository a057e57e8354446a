"""Decisions about a real project: kept apart from it, told after a fit anew, and never applied to that."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from element_facerhythm.io.rois_file import write_rois

Command = Callable[..., Any]  # the fixture `facerhythm`: arguments to code, out, err


@pytest.fixture
def run(
    recording: Any, parameters_with: Any, tmp_path: Path, facerhythm: Command
) -> Callable[..., dict[str, Any]]:
    """Run two videos, decomposed together, into a directory; gives what `--json` prints."""
    rois, parameters = tmp_path / "rois.json", tmp_path / "params.json"
    write_rois(recording.rois, rois)
    together = parameters_with(
        TCA={
            "rearrange_data": {
                "name_dim_dictElements": "trials",
                "method_handling_dictElements": "concatenate",
            }
        }
    )
    parameters.write_text(json.dumps(together.to_tree()))

    def run(directory: Path, *more: object) -> dict[str, Any]:
        done = facerhythm(
            "run", *recording.videos, "--rois", rois, "--params", parameters, "-o", directory,
            "--no-figures", "--json", *more,
        )  # fmt: skip
        assert done.code == 0, done.err
        return json.loads(done.out)

    return run


def digests(directory: Path) -> dict[str, str]:
    """SHA-256 of every file of a project but those of the curation."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and "curation" not in path.name and ".facerhythm.run" not in path.parts
    }


def test_decisions_lie_beside_the_products_and_change_nothing_else(
    run: Callable[..., dict[str, Any]], facerhythm: Command, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    run(project)
    before = digests(project)

    def curate(verb: str, *words: object, code: int = 0) -> Any:
        done = facerhythm("curate", verb, project, *words, "--curator", "anna", "--json")
        assert done.code == code, done.err
        return json.loads(done.out)

    entered = curate("set", "--component", 1, "--verdict", "keep", "--name", "whisking")
    assert entered["revision"] == 1 and entered["entered"][0]["curator"] == "anna"
    assert "curation.json" in {path.name for path in project.iterdir()}
    curate("set", "--component", 0, "--note", "what is it?")
    curate("merge", "--component", 0, "--into", 1)
    curate("exclude", "--from", 0.25, "--to", 0.5, "--video", 1)
    curate("exclude", "--points", "0,2:4")
    again = curate("exclude", "--points", "2")
    assert again["entered"] == [] and again["revision"] == 5
    curate("split", "--component", 0)
    undone = curate("undo")
    assert undone["entered"][0]["change"] == {"kind": "undo", "revision": 6}

    shown = json.loads(facerhythm("curate", "show", project, "--json").out)
    assert [
        (c["component_index"], c["verdict"], c["name"], c["note"], c["merged_into"], c["curator"])
        for c in shown["components"]
    ] == [
        (0, "undecided", "", "what is it?", 1, "anna"), (1, "keep", "whisking", "", None, "anna"),
    ]  # fmt: skip
    (span,) = shown["excluded_spans"]
    assert (span["video_index"], span["start_s"], span["end_s"]) == (1, 0.25, 0.5)
    assert [point["point_index"] for point in shown["excluded_points"]] == [0, 2, 3]
    assert [entry["counts"] for entry in shown["history"]] == [True] * 5 + [False] * 2
    text = facerhythm("curate", "show", project, "--history").out
    assert "whisking" in text and "component 0 no longer merged (undone)" in text

    assert digests(project) == before
    verified = facerhythm("verify", project)
    assert verified.code == 0, verified.out
    assert all(stage["reused"] for stage in run(project)["stages"])
    assert digests(project).keys() == before.keys()

    for words, message in (
        (("set", project, "--component", 7, "--verdict", "keep"), "no component 7; there are 2"),
        (("set", project, "--component", 0), "nothing is said"),
        (("set", project, "--component", 0, "--verdict", "good"), "keep, noise, undecided"),
        (("exclude", project, "--from", 1), "--from and --to"),
        (("exclude", project, "--from", 0.1, "--to", 0.2), "which video? say --video, from 0 to 1"),
        (("exclude", project, "--points", "1-3"), "expected numbers and ranges as 3,8,20:30"),
        (("undo", project, "--entry", 6), "was undone already"),
        (("show",), "give a project directory, or say which task"),
        (("show", project, "--subject", "m"), "and not both"),
        (("show", tmp_path), "is not a face-rhythm project"),
    ):
        refused = facerhythm("curate", *words)
        assert (refused.code, message in refused.err) == (2, True), refused.err
    assert json.loads(facerhythm("curate", "show", project, "--json").out) == shown


def test_after_a_fit_anew_it_is_told_and_not_applied(
    run: Callable[..., dict[str, Any]], facerhythm: Command, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run(first)
    for component, name in ((0, "breathing"), (1, "whisking")):
        words = ("--component", component, "--verdict", "keep", "--name", name)
        assert facerhythm("curate", "set", first, *words).code == 0
    assert facerhythm("curate", "exclude", first, "--points", "1").code == 0
    exported = tmp_path / "kept.json"
    assert facerhythm("curate", "export", first, "-o", exported).code == 0
    assert exported.read_bytes() == (first / "curation.json").read_bytes()
    refused = facerhythm("curate", "export", first, "-o", exported)
    assert refused.code == 2 and "--overwrite" in refused.err

    # the same fit in another directory, and one of more components: which are like which is a suggestion
    run(second, "--set", "rank=3")
    told = facerhythm("curate", "suggest", second, "--like", first, "--json")
    assert told.code == 0, told.err
    rows = json.loads(told.out)["suggestions"]
    assert all(row["congruence"] >= 0.8 for row in rows)
    assert {row["name"] for row in rows} <= {"breathing", "whisking"}
    assert not (second / "curation.json").exists()
    refused = facerhythm("curate", "import", exported, second)
    assert refused.code == 2 and "about this result" in refused.err
    assert not (second / "curation.json").exists()
    itself = json.loads(facerhythm("curate", "suggest", first, "--like", first, "--json").out)
    assert [(r["like"], r["component"], r["congruence"]) for r in itself["suggestions"]] == [
        (0, 0, 1.0), (1, 1, 1.0),
    ]  # fmt: skip

    # fitted anew in place: the run says so, and so does every look
    kept = (first / "curation.json").read_bytes()
    result = run(first, "--set", "rank=3", "--overwrite")
    (note,) = [note for note in result["notes"] if "curation" in note]
    assert "entries 1, 2" in note and "TCA.h5" in note
    assert (first / "curation.json").read_bytes() == kept
    shown = json.loads(facerhythm("curate", "show", first, "--json").out)
    assert [c["verdict"] for c in shown["components"]] == ["undecided"] * 3
    assert {c["name"] for c in shown["components"]} == {""}
    assert shown["notes"] == [note]
    assert [p["point_index"] for p in shown["excluded_points"]] == [1]  # the tracks are the same
    assert facerhythm("curate", "set", first, "--component", 2, "--verdict", "noise").code == 0
    shown = json.loads(facerhythm("curate", "show", first, "--json").out)
    assert [c["verdict"] for c in shown["components"]] == ["undecided", "undecided", "noise"]
    assert len(shown["history"]) == 4

    # a file that cannot be read is no reason for a run to fail
    (first / "curation.json").write_text("{")
    result = run(first, "--set", "rank=3")
    assert any("was not compared with the results" in note for note in result["notes"])
