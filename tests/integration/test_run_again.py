"""A project directory keeps its own parameters, and its results until somebody says otherwise."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from element_facerhythm.io.rois_file import write_rois
from element_facerhythm.pipeline.run.run_file import parameters_of_run
from tests.integration.conftest import SHORT


@pytest.fixture
def command(recording: Any, tmp_path: Path, facerhythm: Callable[..., Any]) -> Callable[..., Any]:
    """Run the command in one directory, with parameters or without."""
    write_rois(recording.rois, tmp_path / "rois.json")
    arguments = [recording.videos[0], "--rois", tmp_path / "rois.json", "-o", tmp_path / "out"]

    def run(tree: dict[str, Any] | None = None, *more: object) -> Any:
        given = []
        if tree is not None:
            (tmp_path / "params.json").write_text(json.dumps(tree))
            given = ["--params", tmp_path / "params.json"]
        return facerhythm("run", *arguments, *given, "--no-figures", "--json", *more)

    return run


def changed(tree: dict[str, Any]) -> dict[str, Any]:
    return {**tree, "TCA": {"fit": {"params_method": {"rank": 3, "n_iter_max": 5}}}}


def test_without_params_a_project_keeps_its_own(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    first = json.loads(command(SHORT).out)
    again = json.loads(command().out)
    assert all(stage["reused"] for stage in again["stages"])
    assert again["models"] == first["models"]
    assert any("those that" in note and "was made with" in note for note in again["notes"])


def test_other_parameters_are_told_and_asked_for(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    command(SHORT)
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    for more in ((), ("--dry-run",)):
        refused = command(changed(SHORT), *more)
        assert refused.code == 2
        assert "decomposition.rank: 2 -> 3" in refused.err
        assert "--overwrite" in refused.err
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == before

    done = json.loads(command(changed(SHORT), "--overwrite").out)
    assert [stage["name"] for stage in done["stages"] if not stage["reused"]] == ["decomposition"]
    stored = parameters_of_run(tmp_path / "out")
    assert stored is not None
    assert stored.TCA.fit.params_method.rank == 3


def test_other_regions_are_asked_for_too(
    command: Callable[..., Any], recording: Any, tmp_path: Path
) -> None:
    command(SHORT)
    moved = type(recording.rois)(
        seed_polygons=tuple(polygon + 2 for polygon in recording.rois.seed_polygons)
    )
    write_rois(moved, tmp_path / "rois.json")
    refused = command()
    assert refused.code == 2
    assert "rois_sha256" in refused.err


def test_parameters_that_were_changed_in_the_directory_are_refused(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    command(SHORT)
    path = tmp_path / "out" / "run.json"
    index = json.loads(path.read_text())
    index["parameters"]["TCA"]["fit"]["params_method"]["rank"] = 5
    path.write_text(json.dumps(index))
    refused = command()
    assert refused.code == 2
    assert "not those that were written there" in refused.err


def test_a_run_file_that_is_gone_makes_no_result_replaceable(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    """Nobody knows then what the parameters were, and those that fit the video are others."""
    command(SHORT)
    (tmp_path / "out" / "run.json").unlink()
    refused = command()
    assert refused.code == 2
    assert "holds results of another request" in refused.err
    assert "--overwrite" in refused.err
    assert not (tmp_path / "out" / "run.json").exists()
    again = json.loads(command(SHORT).out)
    assert all(stage["reused"] for stage in again["stages"])
