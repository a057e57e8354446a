"""Verdicts are rows: those that the project gives, in trigger and in load mode, and `qc` tells them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Key = dict[str, Any]


def stored(fbe: ModuleType, key: Key) -> dict[str, dict[str, Any]]:
    rows = (fbe.FacialRhythm.Quality & key).to_dicts()
    return {
        row["quality_name"]: {n: row[n] for n in ("value", "threshold", "verdict", "message")}
        for row in rows
    }


def told_by(directory: Path) -> dict[str, dict[str, Any]]:
    from element_facerhythm.pipeline import summarise_project

    verdicts = (dict(vars(verdict)) for verdict in summarise_project(directory).quality)
    return {verdict.pop("name"): verdict for verdict in verdicts}


def test_rows_are_the_verdicts_of_the_project(
    processed: Key, fbe: ModuleType, processed_dir: Path
) -> None:
    directory = processed_dir / (fbe.FaceRhythmProcessing & processed).fetch1("project_dir")
    rows, expected = stored(fbe, processed), told_by(directory)
    assert rows.keys() == expected.keys()
    for name, row in rows.items():
        assert row == {**expected[name], "value": pytest.approx(expected[name]["value"])}, name
    assert rows["n_windows"]["value"] == sum(
        (fbe.FacialRhythm.Video & processed).to_arrays("n_windows")
    )
    assert all((row["value"] is None) == (row["verdict"] == "unknown") for row in rows.values())


def test_a_loaded_project_is_judged_by_what_it_keeps(
    processed: Key, fbe: ModuleType, processed_dir: Path, root_dir: Path
) -> None:
    from element_facerhythm.ingest import SessionChoice, populate, register_project
    from element_facerhythm.io.project import Project

    source = processed_dir / (fbe.FaceRhythmProcessing & processed).fetch1("project_dir")
    given = shutil.copytree(source, root_dir / "without_run_json")
    (given / "run.json").unlink()
    key = register_project(SessionChoice.numbered("mouse7", 1), Project.open(given)).key
    populate(key)
    rows = stored(fbe, key)
    assert rows["suspect_frames"]["verdict"] == "unknown"
    assert rows["suspect_frames"]["value"] is None
    assert rows["n_windows"] == stored(fbe, processed)["n_windows"]
    (fbe.VideoRecording & key).delete(prompt=False)


def test_qc_tells_what_the_rows_hold(
    facerhythm: Callable[..., Any], register: Callable[..., Key], fbe: ModuleType
) -> None:
    key = register(470)
    waiting = register(471)
    for table in (fbe.RecordingInfo, fbe.FaceRhythmProcessing, fbe.FacialRhythm):
        table.populate(key)
    try:
        fbe.FacialRhythm.Quality.update1(
            {
                **key,
                "quality_name": "violations",
                "value": 0.21,
                "threshold": 0.15,
                "verdict": "red",
            }
        )
        outcome = facerhythm("qc", "--where", "session_id IN (470, 471)", "--json")
        told = json.loads(outcome.out)
        assert (outcome.code, told["ok"], told["n_results"]) == (3, False, 1), outcome.err
        (red,) = [v for v in told["quality"] if v["name"] == "violations"]
        assert (red["value"], red["threshold"], red["verdict"]) == (0.21, 0.15, "red")
        assert red["key"]["session_id"] == 470
        assert len(told["quality"]) == 24

        for name in (n for n, row in stored(fbe, key).items() if row["verdict"] == "red"):
            fbe.FacialRhythm.Quality.update1({**key, "quality_name": name, "verdict": "warn"})
        outcome = facerhythm("qc", "--where", "session_id = 470")
        assert outcome.code == 0, outcome.err
        assert "0 of 1 results have something red" in outcome.out
        refused = facerhythm("qc", "--where", "no_such_column = 1")
        assert (refused.code, "no_such_column" in refused.err) == (2, True)
    finally:
        (fbe.VideoRecording & [key, waiting]).delete(prompt=False)
