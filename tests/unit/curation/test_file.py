"""`curation.json` is written whole, never over what another process wrote, and refused where malformed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from element_facerhythm.curation import (
    CuratedResult,
    Curation,
    ExcludeSpan,
    JudgeComponent,
    append,
    read_curation,
    undo,
    write_curation,
)
from element_facerhythm.errors import CurationConflictError, ProjectError

RESULT = CuratedResult({"TCA": "a" * 64, "PointTracker": "b" * 64}, {"0": 200}, 12, (10.0,))
WRITER = """
import sys
from pathlib import Path
from element_facerhythm.curation import CuratedResult, JudgeComponent, append, read_curation, write_curation
from element_facerhythm.errors import CurationConflictError

directory, name, n_changes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
result = CuratedResult({"TCA": "a" * 64, "PointTracker": "b" * 64}, {"0": 200}, 12, (10.0,))
print("ready", flush=True)
sys.stdin.readline()
n_conflicts = 0
for number in range(n_changes):
    while True:
        curation = read_curation(directory)
        changed = append(curation, JudgeComponent("0", number, name=f"{name} {number}"), result, name)
        try:
            write_curation(directory, changed, curation.revision)
            break
        except CurationConflictError:
            n_conflicts += 1
print(n_conflicts)
"""


@pytest.fixture
def curation() -> Curation:
    first = append(Curation(), JudgeComponent("0", 3, "keep", "whisking", "é"), RESULT, "anna")
    return undo(append(first, ExcludeSpan(0, 0.1, 2), RESULT, "ben"), "anna")


def test_what_was_written_is_read_and_readers_of_json_see_what_holds(
    curation: Curation, tmp_path: Path
) -> None:
    assert read_curation(tmp_path) == Curation()
    path = write_curation(tmp_path, curation, 0)
    assert path == tmp_path / "curation.json"
    assert read_curation(tmp_path) == curation
    stored = json.loads(path.read_text())
    assert stored["format_version"] == 1
    assert [entry["curator"] for entry in stored["entries"]] == ["anna", "ben", "anna"]
    assert stored["state"] == {
        "components": [
            {"sha256": "a" * 64, "model_key": "0", "component_index": 3, "verdict": "keep",
             "name": "whisking", "note": "é", "merged_into": None}
        ],
        "excluded_spans": [], "excluded_points": [],
    }  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) in (
        [".facerhythm.curation.lock", "curation.json"],
        ["curation.json"],
    )


def test_a_writer_who_read_an_older_one_is_told_and_nothing_is_lost(
    curation: Curation, tmp_path: Path
) -> None:
    write_curation(tmp_path, curation, 0)
    mine = append(curation, JudgeComponent("0", 1, "noise"), RESULT, "me")
    other = append(curation, JudgeComponent("0", 2, "keep"), RESULT, "other")
    write_curation(tmp_path, other, curation.revision)
    before = (tmp_path / "curation.json").read_bytes()
    for written, based_on in ((mine, 3), (mine, 4), (mine, 0), (curation, 3)):
        with pytest.raises(CurationConflictError, match="was changed since it was read"):
            write_curation(tmp_path, written, based_on)
    assert (tmp_path / "curation.json").read_bytes() == before


def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    n_changes = 25
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name, str(n_changes)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in ("anna", "ben")
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    n_conflicts = sum(int(writer.communicate(timeout=100)[0]) for writer in writers)
    assert [writer.returncode for writer in writers] == [0, 0]
    entries = read_curation(tmp_path).entries
    for name in ("anna", "ben"):
        own = [e.change.name for e in entries if e.curator == name]  # type: ignore[union-attr]
        assert own == [f"{name} {number}" for number in range(n_changes)]
    assert len(entries) == 2 * n_changes
    assert n_conflicts > 0, "the two never met: the test showed nothing"


def changed(place: list[Any], value: Any) -> Callable[[dict[str, Any]], None]:
    def change(stored: dict[str, Any]) -> None:
        *above, last = place
        where: Any = stored
        for part in above:
            where = where[part]
        if value is None:
            del where[last]
        else:
            where[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed(["format_version"], 2), "has format version 2; this package reads up to 1"),
        (changed(["format_version"], True), "format_version is no number"),
        (changed(["format_version"], None), "format_version is no number"),
        (changed(["more"], 1), "holds 'more'"),
        (changed(["entries"], {}), "entries is no list"),
        (changed(["entries", 1, "curator"], None), r"entries\[1\] is no entry"),
        (changed(["entries", 1, "sha256"], "A" * 64), r"entries\[1\]: sha256 is no digest"),
        (changed(["entries", 1, "time"], "2026-03-01"), r"entries\[1\]: time is no time with its"),
        (changed(["entries", 1, "time"], "0001-01-01T00:00:00+14:00"), "time is no time with its"),
        (changed(["entries", 1, "product"], "TCA"), r"entries\[1\]: product is TCA, and the change"),
        (changed(["entries", 0, "revision"], 2), "entry 1 has the revision 2"),
        (changed(["entries", 2, "change", "revision"], 3), "entry 3 undoes none"),
        (changed(["entries", 0, "change", "verdict"], "good"), r"entries\[0\]: change: verdict is"),
        (changed(["entries", 0, "change", "kind"], "x"), r"entries\[0\]: change: kind is not known"),
        (changed(["entries", 0, "change", "mood"], "x"), r"change: it has 'mood'; expected"),
        (changed(["entries", 1, "change", "end_s"], None), r"change: it lacks end_s"),
        (changed(["entries", 1, "change", "end_s"], 0.1), r"entries\[1\]: change: the span ends"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_by_its_place(
    change: Callable[[dict[str, Any]], None], message: str, curation: Curation, tmp_path: Path
) -> None:
    path = write_curation(tmp_path, curation, 0)
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))
    with pytest.raises(ProjectError, match=message) as refused:
        read_curation(tmp_path)
    assert str(path) in str(refused.value)
    before = path.read_bytes()
    with pytest.raises(ProjectError):
        write_curation(tmp_path, curation, 3)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1, "a": 2}', "\x00"])
def test_what_is_no_json_object_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "curation.json").write_text(text)
    with pytest.raises(ProjectError):
        read_curation(tmp_path)


def test_a_link_out_of_the_project_is_not_followed(curation: Curation, tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside.json"
    project.mkdir()
    outside.write_text("mine")
    (project / "curation.json").symlink_to(outside)
    for call in (lambda: read_curation(project), lambda: write_curation(project, curation, 0)):
        with pytest.raises(ValueError, match="symbolic link"):
            call()
    assert outside.read_text() == "mine"
