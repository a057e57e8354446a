"""Decisions are rows: only ever added, apart from results, and not applied to those of another fit."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from element_facerhythm.errors import CurationConflictError, ProjectError, RequestError

Key = dict[str, Any]
WRITER = """
import sys
from element_facerhythm.workflow import facial_behavior_estimation as fbe
from element_facerhythm.curation import JudgeComponent
from element_facerhythm.errors import CurationConflictError

key, name, n_changes = eval(sys.argv[1]), sys.argv[2], int(sys.argv[3])
n_conflicts = 0
for number in range(n_changes):
    while True:
        try:
            fbe.ComponentCuration.change(key, JudgeComponent("0", 0, name=f"{name} {number}"), name)
            break
        except CurationConflictError:
            n_conflicts += 1
print(n_conflicts)
"""


@pytest.fixture
def curated(register: Callable[..., Key], fbe: ModuleType) -> Iterator[Key]:
    """Key of a task with results, whose recording is deleted afterwards."""
    key = register(640)
    for table in (fbe.RecordingInfo, fbe.FaceRhythmProcessing, fbe.FacialRhythm):
        table.populate(key)
    yield key
    recording = {name: key[name] for name in fbe.VideoRecording.primary_key}
    (fbe.VideoRecording & recording).delete(prompt=False)


def states(fbe: ModuleType, key: Key) -> list[tuple[Any, ...]]:
    names = ("component_verdict", "component_name", "component_note", "merged_into", "curator")
    return [tuple(row[n] for n in names) for row in fbe.FacialRhythm.curated_components(key)]


def project_of(fbe: ModuleType, key: Key) -> Path:
    relative = (fbe.FaceRhythmProcessing & key).fetch1("project_dir")
    return Path(fbe.get_facerhythm_processed_data_dir()) / relative


def decide(fbe: ModuleType, key: Key) -> None:
    """Make some decisions of each kind about a result of two videos and three components."""
    from element_facerhythm.curation import (
        ExcludePoints,
        ExcludeSpan,
        JudgeComponent,
        MergeComponents,
        Undo,
    )

    for change, curator in (
        (JudgeComponent("0", 1, "keep", "whisking", "both sides, é"), "anna"),
        (MergeComponents("0", (2,), 1), "anna"),
        (ExcludeSpan(1, 0.1, 0.5), "ben"),
        (ExcludeSpan(1, 0.2, 0.3, excluded=False), "ben"),
        (ExcludePoints((3, 0)), "ben"),
        (JudgeComponent("0", 0, "noise"), "ben"),
        (Undo(6), "anna"),
    ):
        fbe.ComponentCuration.change(key, change, curator)


def test_decisions_are_rows_that_say_who_and_when(curated: Key, fbe: ModuleType) -> None:
    from element_facerhythm.curation import JudgeComponent, replay
    from element_facerhythm.curation.state import SpanItem

    nobody = ("undecided", "", "", None, None)
    assert states(fbe, curated) == [nobody] * 3
    decide(fbe, curated)
    assert states(fbe, curated) == [
        ("undecided", "", "", None, "anna"),  # undone by her
        ("keep", "whisking", "both sides, é", None, "anna"),
        ("undecided", "", "", 1, "anna"),
    ]
    rows = (fbe.ComponentCuration & curated).to_dicts(order_by="curation_revision")
    assert [row["curation_kind"] for row in rows] == [
        "component", "merge", "span", "span", "points", "component", "undo",
    ]  # fmt: skip
    products = {name: sha for name, _, sha in fbe.FaceRhythmProcessing.product_files(curated)}
    assert {row["curated_sha256"] for row in rows} == {products["TCA"], products["PointTracker"]}
    assert all(row["curated_time"].microsecond == 0 for row in rows)
    parts = (fbe.ComponentCuration.Component & curated).to_dicts(order_by="curation_revision")
    assert [(r["curation_revision"], r["curated_component"], r["component_verdict"]) for r in parts] == [
        (1, 1, "keep"), (2, 2, "undecided"), (6, 0, "noise"), (7, 0, "undecided"),
    ]  # fmt: skip
    state = replay(fbe.ComponentCuration.fetch_curation(curated).entries)
    tracks = products["PointTracker"]
    assert state.spans == {SpanItem(tracks, 1, 0.1, 0.2), SpanItem(tracks, 1, 0.3, 0.5)}
    assert sorted(point.point_index for point in state.points) == [0, 3]

    before = len(fbe.ComponentCuration())
    same = JudgeComponent("0", 1, "keep")
    assert fbe.ComponentCuration.change(curated, same, "ben").revision == 7
    for change, message in (
        (JudgeComponent("0", 3, "keep"), "no component 3; there are 3"),
        (JudgeComponent("1", 0, "keep"), "no decomposition '1'"),
    ):
        with pytest.raises(RequestError, match=message):
            fbe.ComponentCuration.change(curated, change, "ben")
    with pytest.raises(RequestError, match="expected one"):
        fbe.ComponentCuration.change({"subject": "nobody"}, same, "ben")
    assert len(fbe.ComponentCuration()) == before


def test_two_processes_that_decide_at_once_lose_nothing(curated: Key, fbe: ModuleType) -> None:
    n_changes = 8
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, repr(curated), name, str(n_changes)],
            env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in ("anna", "ben")
    ]  # fmt: skip
    told = [writer.communicate(timeout=200) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], told
    entries = fbe.ComponentCuration.fetch_curation(curated).entries
    for name in ("anna", "ben"):
        own = [entry.change.name for entry in entries if entry.curator == name]
        assert own == [f"{name} {number}" for number in range(n_changes)]
    assert len(entries) == 2 * n_changes


def test_who_read_an_older_one_is_told_and_nothing_is_entered(
    curated: Key, fbe: ModuleType
) -> None:
    from element_facerhythm.curation import JudgeComponent, append

    table = fbe.ComponentCuration
    read = table.fetch_curation(curated)
    table.change(curated, JudgeComponent("0", 0, "keep"), "other")
    mine = append(read, JudgeComponent("0", 1, "keep"), fbe.curated_result(curated), "me")
    with pytest.raises(CurationConflictError, match="changed since it was read at revision 0"):
        table.store(curated, mine, 0)
    # and in the moment between look and insert, which the key of the table alone decides
    fetch = table.fetch_curation
    try:
        table.fetch_curation = classmethod(lambda cls, key: read)
        with pytest.raises(CurationConflictError):
            table.store(curated, mine, 0)
    finally:
        table.fetch_curation = fetch
    assert [entry.curator for entry in fetch(curated).entries] == ["other"]
    assert len(table.Component & curated) == 1


def test_decisions_outlive_results_and_do_not_hold_for_those_of_another_fit(
    curated: Key, fbe: ModuleType, facerhythm: Callable[..., Any]
) -> None:
    decide(fbe, curated)
    decided = states(fbe, curated)
    project = project_of(fbe, curated)
    keys = [part for name, value in curated.items() for part in ("--key", f"{name}={value}")]

    # results that are deleted and taken again from the same files are the same results
    (fbe.FaceRhythmProcessing & curated).delete(prompt=False)
    assert len(fbe.ComponentCuration & curated) == 7
    shown = facerhythm("curate", "show", *keys, "--json")
    assert shown.code == 0, shown.err
    assert "no results" in json.loads(shown.out)["notes"][0]
    for table in (fbe.FaceRhythmProcessing, fbe.FacialRhythm):
        table.populate(curated)
    assert states(fbe, curated) == decided

    # those of a fit anew are not
    (fbe.FaceRhythmProcessing & curated).delete(prompt=False)
    (project / "analysis_files" / "TCA.h5").unlink()
    for table in (fbe.FaceRhythmProcessing, fbe.FacialRhythm):
        table.populate(curated)
    assert states(fbe, curated) == [("undecided", "", "", None, None)] * 3
    shown = json.loads(facerhythm("curate", "show", *keys, "--json").out)
    assert shown["revision"] == 7 and {c["verdict"] for c in shown["components"]} == {"undecided"}
    (note,) = shown["notes"]
    assert "entries 1, 2:" in note and "not applied" in note
    assert len(shown["excluded_spans"]) == 2  # the tracks are the same
    done = facerhythm("curate", "set", *keys, "--component", 0, "--verdict", "keep", "--json")
    assert json.loads(done.out)["revision"] == 8
    assert [state[0] for state in states(fbe, curated)] == ["keep", "undecided", "undecided"]


def test_deleting_a_task_deletes_its_decisions_and_no_others(
    curated: Key, fbe: ModuleType, processed: Key
) -> None:
    from element_facerhythm.curation import ExcludePoints

    decide(fbe, curated)
    fbe.ComponentCuration.change(processed, ExcludePoints((1,)), "anna")
    try:
        deleted = (fbe.FaceRhythmTask & curated).delete(prompt=False)
        assert deleted == 1
        assert not fbe.ComponentCuration & curated
        assert not fbe.ComponentCuration.Span & curated
        assert len(fbe.ComponentCuration & processed) == 1
    finally:
        (fbe.ComponentCuration & processed).delete(prompt=False)


def test_rows_that_were_taken_out_are_told(
    curated: Key, fbe: ModuleType, facerhythm: Callable[..., Any]
) -> None:
    decide(fbe, curated)
    where = " AND ".join(
        f"{n} = {v!r}" for n, v in curated.items() if n in fbe.VideoRecording.primary_key
    )
    verified = facerhythm("verify", "--where", where)
    assert verified.code == 0, verified.out
    merged = fbe.ComponentCuration.Component & curated & {"curation_revision": 2}
    fbe.ComponentCuration.Component.update1({**merged.fetch1("KEY"), "merged_into": 0})
    verified = facerhythm("verify", "--where", where, "--json")
    assert verified.code == 3
    (fault,) = json.loads(verified.out)["faults"]
    assert "ComponentCuration.Component" in fault["where"] and "merged_into" in fault["problem"]
    (fbe.ComponentCuration & curated & {"curation_revision": 2}).delete(prompt=False)
    with pytest.raises(ProjectError, match="rows were taken out or changed"):
        fbe.ComponentCuration.fetch_curation(curated)
    assert facerhythm("verify", "--where", where).code == 3


def test_a_curation_goes_to_a_project_and_back(
    curated: Key, fbe: ModuleType, facerhythm: Callable[..., Any], tmp_path: Path
) -> None:
    keys = ("--subject", "mouse1", "--session", 640)
    project, exported = project_of(fbe, curated), tmp_path / "curation.json"
    decide(fbe, curated)
    assert facerhythm("curate", "export", *keys, "-o", exported).code == 0
    taken = facerhythm("curate", "import", exported, project)
    assert taken.code == 0, taken.err
    here = (project / "curation.json").read_bytes()
    assert here == exported.read_bytes()

    words = ("--component", 2, "--name", "blink", "--curator", "carla")
    assert facerhythm("curate", "set", project, *words).code == 0
    before = states(fbe, curated)
    back = facerhythm("curate", "import", project / "curation.json", *keys, "--json")
    assert back.code == 0, back.err
    (entry,) = json.loads(back.out)["entered"]
    assert (entry["revision"], entry["curator"]) == (8, "carla")
    assert states(fbe, curated) == [*before[:2], ("undecided", "blink", "", 1, "carla")]

    # both changed: neither overwrites the other
    assert facerhythm("curate", "undo", project).code == 0
    assert facerhythm("curate", "undo", *keys, "--curator", "dora").code == 0
    refused = facerhythm("curate", "import", project / "curation.json", *keys)
    assert refused.code == 2 and "differ from entry 9 on" in refused.err
    assert len(fbe.ComponentCuration & curated) == 9
    several = facerhythm("curate", "show", "--subject", "mouse1")
    assert several.code == 2 and "is the key of several tasks" in several.err
    wrong = replace(fbe.ComponentCuration.fetch_curation(curated).entries[0], sha256="0" * 64)
    other = tmp_path / "other.json"
    from element_facerhythm.curation import Curation, write_curation_file

    write_curation_file(other, Curation((wrong,)))
    refused = facerhythm("curate", "import", other, tmp_path / "nowhere")
    assert refused.code == 2
    (project / "curation.json").unlink()
    refused = facerhythm("curate", "import", other, project)
    assert refused.code == 2 and "no entry of this curation is about this result" in refused.err
