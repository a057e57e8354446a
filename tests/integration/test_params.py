"""Parameters that are suggested, set one by one, or face-rhythm's, on a real video."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from element_facerhythm.io.rois_file import write_rois

Command = Callable[..., Any]
RANK = "TCA.fit.params_method.rank"


@pytest.fixture
def video(recording: Any, tmp_path: Path) -> list[object]:
    """Arguments that name a video of 90 frames at 60 frames/s and its regions."""
    write_rois(recording.rois, tmp_path / "rois.json")
    return [recording.videos[0], "--rois", tmp_path / "rois.json"]


def run(facerhythm: Command, *arguments: object) -> Any:
    done = facerhythm("run", *arguments, "--no-figures", "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def fitted(result: Any) -> dict[str, Any]:
    return {row["name"].rpartition(".")[2]: row["value"] for row in result["parameters_fitted"]}


def test_a_suggested_file_gives_exactly_the_run_that_no_file_gives(
    facerhythm: Command, video: list[object], tmp_path: Path
) -> None:
    first = run(facerhythm, *video, "-o", tmp_path / "out")
    values = fitted(first)
    assert (values["F_max"], values["Fs_sample"], values["F_min"]) == (24.0, 60.0, 5.34)
    path = tmp_path / "params.yaml"
    done = facerhythm("params", "suggest", *video, "-o", path)
    assert done.code == 0, done.err
    assert "9 parameters fitted" in done.out
    assert "# fitted: 60 Hz, or 0.4 of the 60 frames/s" in path.read_text()

    planned = facerhythm(
        "run", *video, "--params", path, "-o", tmp_path / "out", "--dry-run", "--json"
    )
    plan = json.loads(planned.out)
    assert not any(stage["runs"] for stage in plan["stages"])
    index = json.loads((tmp_path / "out" / "run.json").read_text())
    assert plan["parameters_sha256"] == index["parameters_sha256"]
    again = run(facerhythm, *video, "--params", path, "-o", tmp_path / "out")
    assert all(stage["reused"] for stage in again["stages"])
    assert again["parameters_fitted"] == first["parameters_fitted"]  # the reasons are kept

    refused = facerhythm("params", "suggest", *video, "-o", path)
    assert (refused.code, "--overwrite" in refused.err) == (2, True)
    assert facerhythm("params", "suggest", *video).out.strip() == path.read_text().strip()


def test_without_regions_what_needs_them_stays_open(
    facerhythm: Command, video: list[object], tmp_path: Path
) -> None:
    done = facerhythm("params", "suggest", video[0], "-o", tmp_path / "params.yaml", "--json")
    assert done.code == 0, done.err
    tree = json.loads(done.out)["parameters"]
    assert tree["TCA"]["fit"]["params_method"]["rank"] == "auto"
    assert tree["ROIs"]["make_rois"]["point_spacing"] == "auto"
    plain = run(facerhythm, *video, "-o", tmp_path / "plain")
    open_file = run(
        facerhythm, *video, "--params", tmp_path / "params.yaml", "-o", tmp_path / "given"
    )
    assert open_file["models"] == plain["models"]
    assert set(fitted(open_file)) == {"rank", "point_spacing"}


def test_single_values_are_set_and_kept_by_the_project(
    facerhythm: Command, video: list[object], tmp_path: Path
) -> None:
    out = ("-o", tmp_path / "out")
    first = run(facerhythm, *video, *out, "--set", "rank=2", "--set", f"{RANK}=1")
    assert first["models"][0]["rank"] == 1
    assert "rank" not in fitted(first)
    refused = facerhythm("run", *video, *out, "--set", "rank=2", "--no-figures")
    assert refused.code == 2
    assert "decomposition.rank: 1 -> 2" in refused.err
    other = run(facerhythm, *video, *out, "--set", "rank=2", "--overwrite")
    assert [stage["name"] for stage in other["stages"] if not stage["reused"]] == ["decomposition"]
    assert fitted(other) == fitted(first)
    assert run(facerhythm, *video, *out)["models"][0]["rank"] == 2

    unknown = facerhythm("run", *video, *out, "--set", "TCA.fit.params_method.rnak=2")
    assert (unknown.code, f"'{RANK}'" in unknown.err) == (2, True)


def test_face_rhythms_defaults_are_taken_on_request_and_fail_where_they_do_not_fit(
    facerhythm: Command, video: list[object], tmp_path: Path
) -> None:
    for option in ("--preset", "--compat"):
        bare = facerhythm("run", *video, option, "face-rhythm", "-o", tmp_path / "out")
        assert bare.code == 2
        assert "F_max: given 60.0 Hz" in bare.err or "filter of 481 frames" in bare.err
        assert not (tmp_path / "out").exists()


def test_a_rank_beyond_what_the_recording_tells_is_told_before_the_run(
    facerhythm: Command, video: list[object], tmp_path: Path
) -> None:
    done = facerhythm("run", *video, "-o", tmp_path / "out", "--set", "rank=20", "--dry-run")
    assert done.code == 0
    assert "20 components are asked for, and the recording can distinguish about" in " ".join(
        done.out.split()
    )
    assert "fitted" in done.out


def test_rank_takes_options_of_the_fit_and_nothing_else(
    facerhythm: Command, video: list[object], tmp_path: Path
) -> None:
    run(facerhythm, *video, "-o", tmp_path / "out")
    swept = facerhythm(
        "rank", tmp_path / "out", "--ranks", "2", "--set", "n_iter_max=1", "--set", "n_restarts=2", "--json"
    )  # fmt: skip
    assert swept.code == 0, swept.err
    (model,) = json.loads(swept.out)["models"]
    assert model["ranks"][0]["n_iterations"] <= 10
    for setting in ("F_max=3", "n_iter_max=many"):
        refused = facerhythm("rank", tmp_path / "out", "--ranks", "2", "--set", setting)
        assert refused.code == 2, refused.out


def test_no_run_is_told_of_a_rate_that_nobody_typed(
    facerhythm: Any, recording: Any, tmp_path: Path
) -> None:
    from element_facerhythm.io.rois_file import write_rois

    rois, typed = tmp_path / "rois.json", tmp_path / "typed.json"
    write_rois(recording.rois, rois)
    typed.write_text(json.dumps({"VQT_Analyzer": {"params_VQT": {"Fs_sample": 90, "F_max": 25}}}))
    project = tmp_path / "project"

    def notes(*options: object) -> list[str]:
        command = ("run", recording.videos[0], "--rois", rois, "-o", project, "--device", "cpu")
        outcome = facerhythm(*command, *options, "--no-figures", "--json")
        assert outcome.code == 0, outcome.err
        return [note for note in json.loads(outcome.out)["notes"] if "Fs_sample" in note]

    values = ("F_max=25", "F_min=5", "rank=2", "Q_highF=4", "Q_lowF=2")
    quick = [part for value in values for part in ("--set", value)]
    assert notes("--preset", "face-rhythm", *quick) == []
    assert notes() == []  # with the parameters that the project was made with
    assert notes("--overwrite", "--set", "rank=3") == []
    (note,) = notes("--overwrite", "--params", typed, "--set", "rank=2")
    assert "Fs_sample: 90 Hz is not used; the frame rate is 60 Hz" in note
