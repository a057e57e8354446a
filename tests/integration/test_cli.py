"""The command line on real files: results on stdout, exit codes, and nothing left after a wrong request."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from element_facerhythm.demo.synthetic.render import write_gray_video
from element_facerhythm.io.rois_file import write_rois

Command = Callable[..., Any]  # the fixture `facerhythm`: arguments to code, out, err

FACERHYTHM = [sys.executable, "-c", "from element_facerhythm.cli import main; main()"]


@pytest.fixture
def inputs(recording: Any, tmp_path: Path) -> dict[str, Path]:
    """A video, a ROI file and a parameter file, as a user has them."""
    rois, parameters = tmp_path / "rois.json", tmp_path / "params.json"
    write_rois(recording.rois, rois)
    parameters.write_text(json.dumps(recording.parameters.to_tree()))
    return {"video": recording.videos[0], "rois": rois, "params": parameters}


def run_arguments(inputs: dict[str, Path], output: Path, *more: object) -> tuple[object, ...]:
    return (
        "run", inputs["video"], "--rois", inputs["rois"], "--params", inputs["params"], "-o", output,
        "--device", "cpu", *more,
    )  # fmt: skip


def test_run_gives_one_json_object_and_figures_and_is_reused(
    facerhythm: Command, inputs: dict[str, Path], tmp_path: Path
) -> None:
    output = tmp_path / "project"
    first = facerhythm(*run_arguments(inputs, output, "--json"))
    assert first.code == 0, first.err
    result = json.loads(first.out)
    assert [stage["reused"] for stage in result["stages"]] == [False] * 5
    assert Path(result["path_config"]).is_file() and Path(result["path_run_info"]).is_file()
    assert Path(result["directory_project"]) == output.absolute()
    executed = json.loads((output / "run.json").read_text())["parameters"]
    assert result["params"] == executed and result["SEED"] == executed["project"]["random_seed"]
    assert {p["name"]: Path(p["path"]).stat().st_size for p in result["products"]} == {
        p["name"]: p["size_bytes"] for p in result["products"]
    }
    assert result["videos"][0]["n_frames"] == 90
    assert [len(model["components"]) for model in result["models"]] == [2]
    assert all(Path(figure).parent == output / "visualizations" for figure in result["figures"])
    assert result["figures"]
    (movie,) = result["movies"]
    assert Path(movie) == output / "visualizations" / "tracking.mp4"
    with av.open(movie) as container:  # 1.5 s at 60 Hz, every second frame
        assert len(list(container.decode(video=0))) == 45

    again = facerhythm(*run_arguments(inputs, output, "--no-figures"))
    assert again.code == 0
    assert again.out.count("reused") == 5
    assert "peak Hz" in again.out


def test_rank_shows_what_each_number_of_components_explains(
    facerhythm: Command, inputs: dict[str, Path], tmp_path: Path
) -> None:
    output = tmp_path / "project"
    assert facerhythm(*run_arguments(inputs, output, "--no-figures")).code == 0
    product = output / "analysis_files" / "TCA.h5"
    before = product.read_bytes()
    outcome = facerhythm("rank", output, "--ranks", "1:3", "--restarts", 3, "--json")
    assert outcome.code == 0, outcome.err
    result = json.loads(outcome.out)
    (model,) = result["models"]
    assert [row["rank"] for row in model["ranks"]] == [1, 2, 3]
    explained = [row["explained_variance"] for row in model["ranks"]]
    assert explained == sorted(explained)
    assert [len(row["component_stability"]) for row in model["ranks"]] == [1, 2, 3]
    assert Path(result["figure"]).read_bytes().startswith(b"\x89PNG")
    assert product.read_bytes() == before

    shown = facerhythm("rank", output, "--ranks", "2", "-o", tmp_path / "two.png")
    assert "explained" in shown.out
    assert (tmp_path / "two.png").exists()
    for arguments in ((output, "--ranks", "0:3"), (output, "--ranks", "99999"), (tmp_path,)):
        refused = facerhythm("rank", *arguments)
        assert (refused.code, refused.out) == (2, "")


def test_dry_run_says_what_would_run_and_writes_nothing(
    facerhythm: Command, inputs: dict[str, Path], tmp_path: Path
) -> None:
    output = tmp_path / "project"
    outcome = facerhythm(*run_arguments(inputs, output, "--dry-run", "--json"))
    assert outcome.code == 0
    assert [stage["runs"] for stage in json.loads(outcome.out)["stages"]] == [True] * 5
    assert not output.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video": "gone.mp4"}, "gone.mp4"),
        ({"rois": "gone.json"}, "gone.json"),
        ({"params": "gone.json"}, "gone.json"),
        ({"--device": "cuda:9"}, "cuda"),
        ({"--compat": "suite2p"}, "--compat"),
    ],
)
def test_a_wrong_request_exits_with_2_and_leaves_nothing(
    facerhythm: Command,
    inputs: dict[str, Path],
    tmp_path: Path,
    change: dict[str, str],
    message: str,
) -> None:
    output = tmp_path / "project"
    name, value = next(iter(change.items()))
    if name.startswith("--"):
        outcome = facerhythm(*run_arguments(inputs, output), name, value)
    else:
        outcome = facerhythm(*run_arguments({**inputs, name: tmp_path / value}, output))
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.out == ""
    assert not output.exists()


def test_work_that_fails_exits_with_1(
    facerhythm: Command, inputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from element_facerhythm import pipeline
    from element_facerhythm.errors import DecodeError

    def fail(*_: object, **__: object) -> None:
        raise DecodeError("mouse.mp4: frame 17 cannot be decoded")

    monkeypatch.setattr(pipeline, "run_project", fail, raising=False)
    outcome = facerhythm(*run_arguments(inputs, Path("never-written")))
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "facerhythm: mouse.mp4: frame 17 cannot be decoded\n"


def test_an_unexpected_error_exits_with_1_and_shows_where(
    facerhythm: Command, inputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from element_facerhythm import pipeline

    def fail(*_: object, **__: object) -> None:
        raise LookupError("planted")

    monkeypatch.setattr(pipeline, "run_project", fail, raising=False)
    outcome = facerhythm(*run_arguments(inputs, Path("never-written")))
    assert outcome.code == 1
    assert "LookupError: planted" in outcome.err
    assert "this is a defect" in outcome.err


def test_interrupted_run_exits_with_130_and_goes_on(
    facerhythm: Command, inputs: dict[str, Path], tmp_path: Path
) -> None:
    output = tmp_path / "project"
    command = [*FACERHYTHM, *map(str, run_arguments(inputs, output))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (output / "analysis_files" / "ROIs.h5").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "the same command again goes on" in err

    result = json.loads(facerhythm(*run_arguments(inputs, output, "--no-figures", "--json")).out)
    reused = {stage["name"]: stage["reused"] for stage in result["stages"]}
    assert reused["dataset"] and reused["rois"] and not reused["decomposition"]


def test_rois_are_proposed_and_fit(facerhythm: Command, recording: Any, tmp_path: Path) -> None:
    video, rois = recording.videos[0], tmp_path / "proposed.json"
    pictures = tmp_path / "mean.png", tmp_path / "first.png"
    proposed = facerhythm(
        "rois", "propose", video, "-o", rois, "--json",
        "--background", pictures[0], "--first-frame", pictures[1],
    )  # fmt: skip
    assert proposed.code == 0, proposed.err
    mean, first = (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(float) for path in pictures)
    assert mean.shape == first.shape == (96, 128)
    assert np.abs(mean - first).mean() < 10 and not np.array_equal(mean, first)
    assert max(map(len, json.loads(rois.read_text())["points"])) <= 12
    result = json.loads(proposed.out)
    assert result["n_points"] > 0
    assert Path(result["overlay"]).read_bytes().startswith(b"\x89PNG")

    checked = facerhythm("rois", "check", video, rois, "--json")
    assert json.loads(checked.out)["n_points"] == result["n_points"]
    before = rois.read_bytes()
    assert facerhythm("rois", "propose", video, "-o", rois).code == 2
    assert rois.read_bytes() == before


def test_points_with_nothing_to_follow_are_told_and_red(
    facerhythm: Command, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.normal(0, 200, (200, 240)), (0, 0), 2) + 90
    frame = np.clip(texture, 0, 255).astype(np.uint8)
    frame[:, 120:] = 90
    video, rois, picture = (tmp_path / name for name in ("half.mkv", "half.json", "half.png"))
    write_gray_video(video, iter([frame] * 20), frame_rate_hz=30)
    rois.write_text(json.dumps({"points": [[[20, 20], [220, 20], [220, 180], [20, 180]]]}))
    told = facerhythm("rois", "check", video, rois, "--overlay", picture, "--spacing", "10")
    assert told.code == 0, told.err
    counted = json.loads(facerhythm("rois", "check", video, rois, "--spacing", 10, "--json").out)
    share = counted["n_points_without_texture"] / counted["n_points"]
    assert 0.3 < share < 0.5  # a window that reaches over the edge has something
    assert f"{counted['n_points_without_texture']} points have nothing to follow" in told.out
    blue, green, red = np.moveaxis(cv2.imread(str(picture)).astype(int), -1, 0)
    is_red = (red > 150) & (green < 80) & (blue < 80)
    is_red = is_red[: int(0.88 * len(is_red))]  # the legend below has a red dot, too
    columns = np.flatnonzero(is_red.any(axis=0)) / is_red.shape[1]
    assert columns.min() > 0.5 and columns.max() < 0.95


def test_rois_outside_the_frame_are_refused(
    facerhythm: Command, recording: Any, tmp_path: Path
) -> None:
    rois = tmp_path / "rois.json"
    rois.write_text(json.dumps({"points": [[[10, 10], [5000, 10], [10, 60]]]}))
    video = recording.videos[0]
    for verb in (
        ("rois", "check", video, rois),
        ("run", video, "--rois", rois, "-o", tmp_path / "project"),
        ("params", "suggest", video, "--rois", rois, "-o", tmp_path / "params.yaml"),
    ):
        outcome = facerhythm(*verb)
        assert outcome.code == 2
        for told in (str(rois), "points[0] (x 10 to 5000, y 10 to 60)", "128 x 96 px"):
            assert told in outcome.err
    assert list(tmp_path.iterdir()) == [rois]


def test_doctor_reports_every_check_without_weights(tmp_path: Path) -> None:
    kept = ("PATH", "HOME", "LANG")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {
        "DJ_IGNORE_CONFIG_FILE": "true",
        "FACERHYTHM_EMBEDDED_DIR": str(tmp_path / "db"),
    }
    run = subprocess.run(
        [*FACERHYTHM, "doctor", "--json"], env=environment, cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = {row["check"]: row["state"] for row in json.loads(run.stdout)["findings"]}
    assert set(found) >= {"python", "torch", "opencv", "codecs", "facemap", "elements", "store"}
    assert found["codecs"] == "ok"
    assert found["database"] == "warn"
    assert not (Path(os.environ["HOME"]) / ".facemap").exists()
    assert not (tmp_path / "db").exists()


@pytest.mark.parametrize(
    ("arguments", "code"), [(["doctor"], 1), (["status"], 2), (["demo", "--dir", "never-made"], 2)]
)
def test_a_database_that_does_not_answer_is_named_and_the_password_is_not(
    arguments: list[str], code: int, tmp_path: Path
) -> None:
    unreachable = {"DJ_HOST": "127.0.0.1", "DJ_PORT": "9", "DJ_USER": "me", "DJ_PASS": "secret"}
    environment = {**os.environ, **unreachable, "DJ_BACKEND": "mysql"}
    run = subprocess.run(
        [*FACERHYTHM, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == code, run.stderr
    assert "127.0.0.1:9" in run.stdout + run.stderr
    assert "secret" not in run.stdout + run.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_a_password_is_refused_before_datajoint_asks_for_one() -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DJ_")}
    environment = {**kept, "DJ_IGNORE_CONFIG_FILE": "true", "DJ_HOST": "127.0.0.1", "DJ_USER": "me"}
    run = subprocess.run(
        [*FACERHYTHM, "status"], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 2
    assert "DJ_PASS" in run.stderr


def test_embedded_database_starts_tells_where_it_is_and_stops(
    facerhythm: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg2

    monkeypatch.setenv("FACERHYTHM_EMBEDDED_DIR", str(tmp_path / "server"))
    assert json.loads(facerhythm("db", "status", "--json").out)["running"] is False
    refused = facerhythm("db", "url")
    assert refused.code == 2
    assert "facerhythm db start" in refused.err
    try:
        started = json.loads(facerhythm("db", "start", "--json").out)
        assert json.loads(facerhythm("db", "status", "--json").out)["port"] == started["port"]
        psycopg2.connect(facerhythm("db", "url").out.strip()).close()
    finally:
        stopped = facerhythm("db", "stop")
    assert (stopped.code, stopped.out) == (0, "stopped\n")
    assert facerhythm("db", "stop").out == "was not running\n"
