"""A project directory keeps its own parameters, and its results until somebody says otherwise."""

import hashlib
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
    (tmp_path / "out" / "inputs" / "parameters.json").unlink()
    refused = command()
    assert refused.code == 2
    assert "holds results of another request" in refused.err
    assert "--overwrite" in refused.err
    assert not (tmp_path / "out" / "run.json").exists()
    again = json.loads(command(SHORT).out)
    assert all(stage["reused"] for stage in again["stages"])


TEXT = """\
# whiskers of the left side, after Anna's notes
ROIs: {make_rois: {point_spacing: 14}}   # coarse
VQT_Analyzer: {params_VQT: {Q_lowF: 2, Q_highF: 4, F_min: 5, F_max: 25, n_freq_bins: 6, downsample_factor: 4}}
TCA: {fit: {params_method: {rank: 2, n_iter_max: 5}}}
"""


@pytest.fixture
def given(recording: Any, tmp_path: Path) -> tuple[Path, Path]:
    """A parameter file and a ROI file, in forms that no program writes."""
    params, rois = tmp_path / "left side.yaml", tmp_path / "rois.json"
    params.write_bytes(TEXT.replace("\n", "\r\n").encode())
    write_rois(recording.rois, rois)
    rois.write_bytes(b"\n  " + rois.read_bytes() + b"\n\n")
    return params, rois


def test_the_given_files_are_kept_byte_for_byte_and_taken_again(
    recording: Any, given: tuple[Path, Path], tmp_path: Path, facerhythm: Callable[..., Any]
) -> None:
    params, rois = given
    out = tmp_path / "out"
    base = ("run", recording.videos[0], "-o", out, "--no-figures", "--json")
    first = facerhythm(*base, "--rois", rois, "--params", params)
    assert first.code == 0, first.err
    kept = {path.name: path.read_bytes() for path in (out / "inputs").iterdir()}
    assert kept == {"parameters.yaml": params.read_bytes(), "rois.json": rois.read_bytes()}
    described = json.loads((out / "run.json").read_text())["given"]["parameters"]
    assert described["sha256"] == hashlib.sha256(params.read_bytes()).hexdigest()
    assert described["source"] == str(params)
    params.unlink()
    rois.unlink()

    again = json.loads(facerhythm(*base).out)
    assert all(stage["reused"] for stage in again["stages"])
    assert f"regions: those of {out / 'inputs' / 'rois.json'}" in again["notes"]
    (out / "run.json").unlink()  # then the file itself says what was asked for
    third = json.loads(facerhythm(*base).out)
    assert all(stage["reused"] for stage in third["stages"])
    assert f"parameters: those of {out / 'inputs' / 'parameters.yaml'}" in third["notes"]
    assert {path.name: path.read_bytes() for path in (out / "inputs").iterdir()} == kept


def test_what_is_kept_is_what_was_given_last(
    recording: Any, given: tuple[Path, Path], tmp_path: Path, facerhythm: Callable[..., Any]
) -> None:
    from element_facerhythm.pipeline import run_project

    params, rois = given
    out = tmp_path / "out"
    base = ("run", recording.videos[0], "-o", out, "--no-figures")
    assert facerhythm(*base, "--rois", rois, "--params", params).code == 0
    as_json = tmp_path / "short.json"
    as_json.write_text(json.dumps(SHORT))
    refused = facerhythm(*base, "--params", tmp_path / "no-file.json")
    assert refused.code == 2
    assert facerhythm(*base, "--params", as_json, "--overwrite").code == 0
    kept = {path.name: path.read_bytes() for path in (out / "inputs").iterdir()}
    assert kept == {"parameters.json": as_json.read_bytes(), "rois.json": rois.read_bytes()}

    # regions as values, other ones: the file is no longer that of the results
    moved = type(recording.rois)(
        seed_polygons=tuple(polygon + 2 for polygon in recording.rois.seed_polygons)
    )
    run_project(recording.request(out, rois=moved))
    assert [path.name for path in (out / "inputs").iterdir()] == ["parameters.json"]
    refused = facerhythm(*base)
    assert refused.code == 2
    assert "give one with --rois" in refused.err


def test_regions_that_nobody_gave_are_asked_for(
    recording: Any, tmp_path: Path, facerhythm: Callable[..., Any]
) -> None:
    refused = facerhythm("run", recording.videos[0], "-o", tmp_path / "out")
    assert refused.code == 2
    assert "--rois" in refused.err
    assert not (tmp_path / "out").exists()
