"""`facerhythm keypoints` and `export` as people type them: files, words and exit codes."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.keypoints.formats import read_predictions
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.keypoints.product import PRODUCT_NAME, read_keypoints, write_keypoints
from element_facerhythm.pipeline import keypoint_run
from element_facerhythm.pipeline.keypoint_records import KeypointRequest
from tests.unit.keypoints.training import PARTS, new_network, save_weights

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).with_name("facerhythm")
NAMES = ",".join(PARTS)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("keypoints")
    make_scene_video(
        directory / "face.mp4", n_frames=40, width_px=160, height_px=120, frame_rate_hz=60.0, seed=0
    )
    save_weights(new_network().eval(), directory / "small.pt")
    return directory


def run(place: Path, *arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"HOME": str(home)} if home else {})}
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def predict(place: Path, *arguments: str, **how) -> subprocess.CompletedProcess[str]:
    return run(
        place,
        "keypoints",
        "run",
        "face.mp4",
        "--model",
        "small.pt",
        "--body-parts",
        NAMES,
        *arguments,
        **how,
    )


def test_predicts_once_and_exports(place, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    first = predict(place, "--json", "-o", "found", home=home)
    assert first.returncode == 0, first.stderr
    said = json.loads(first.stdout)
    assert (said["n_frames"], said["device"], said["reused"]) == (40, "cpu", False)
    assert [track["body_part"] for track in said["tracks"]] == list(PARTS)
    assert said["boxes"] == [[0, 160, 0, 120]]
    again = json.loads(predict(place, "--json", "-o", "found").stdout)
    assert again["reused"]
    shown = predict(place, "-o", "found")
    assert "nose(tip)" in shown.stdout
    assert "the file was there already" in shown.stdout
    assert not list(home.rglob(".facemap"))  # nothing of facemap's was downloaded or made
    product = place / "found" / PRODUCT_NAME
    exported = run(
        place, "export", "keypoints", str(product), "--to", "dlc", "-o", "out.csv", home=home
    )
    assert exported.returncode == 0, exported.stderr
    assert not list(home.rglob(".movement"))
    found = read_predictions(place / "out.csv", "DeepLabCut")
    np.testing.assert_allclose(found.positions, read_keypoints(product).positions, rtol=1e-6)
    refused = run(place, "export", "keypoints", str(product), "--to", "dlc", "-o", "out.csv")
    assert refused.returncode == 2
    assert "--overwrite" in refused.stderr


def test_another_box_is_another_prediction(place):
    predict(place, "-o", "boxed")
    other = json.loads(predict(place, "--json", "-o", "boxed", "--box", "20,140,10,110").stdout)
    assert not other["reused"]
    assert other["boxes"] == [[20, 140, 10, 110]]
    auto = predict(place, "--json", "-o", "auto", "--box", "auto")
    assert auto.returncode == 0, auto.stderr
    left, right, top, bottom = json.loads(auto.stdout)["boxes"][0]
    assert 0 <= left < right <= 160
    assert 0 <= top < bottom <= 120
    assert (right - left) * (bottom - top) < 160 * 120


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--box", "0,400,0,100"], "outside of the frame of 160 x 120 px"),
        (["--box", "face"], "expected auto, or x1,x2,y1,y2"),
        (["--body-parts", "eye"], "finds 4 body parts, 1 are declared"),
        (["--model", "face.mp4"], "model file face.mp4"),
        (["--model", "none.pt"], "does not exist"),
        (["--device", "tpu"], "device is 'tpu'"),
    ],
)
def test_a_wrong_request_leaves_nothing(place, arguments, words):
    wrong = predict(place, "-o", "wrong", *arguments)
    assert wrong.returncode == 2, wrong.stderr
    assert words in wrong.stderr
    assert not (place / "wrong").exists()


def animals(place: Path, rate: float | None = 30.0) -> Path:
    """File of keypoints of two animals, 5 frames."""
    rng = np.random.default_rng(3)
    shape = (5, 2, 1)
    predictions = Predictions(
        rng.uniform(0, 90, (*shape, 2)),
        rng.random(shape),
        ("nose",),
        ("b", "a"),
        "SLEAP",
        rate,
        {"spread": rng.random(shape)},
    )
    path = place / f"animals{rate}.h5"
    write_keypoints(path, predictions)
    return path


def test_export_tells_what_a_format_drops_and_replaces_nothing_unasked(place, tmp_path):
    source = animals(place)
    arguments = ("export", "keypoints", str(source), "--to")
    first = run(place, *arguments, "lightningpose", "-o", str(tmp_path / "o.csv"), "--json")
    assert first.returncode == 0, first.stderr
    said = json.loads(first.stdout)
    assert [Path(file).name for file in said["files"]] == ["o_b.csv", "o_a.csv"]
    assert said["notes"] == [
        "the files of lightningpose name no individual; their own names do",
        "lightningpose keeps no frame rate (30/s)",
    ]
    (tmp_path / "o_b.csv").unlink()
    before = (tmp_path / "o_a.csv").read_bytes()
    again = run(place, *arguments, "lightningpose", "-o", str(tmp_path / "o.csv"))
    assert again.returncode == 2
    assert "o_a.csv exists; give --overwrite" in again.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["o_a.csv"]
    assert (tmp_path / "o_a.csv").read_bytes() == before
    shown = run(place, *arguments, "dlc", "-o", str(tmp_path / "o.h5"))
    assert "dlc keeps no variables: spread left out" in shown.stdout
    assert read_predictions(tmp_path / "o.h5", "DeepLabCut").individuals == ("b", "a")


def test_nwb_from_a_file_asks_for_what_it_does_not_know(place, tmp_path):
    import pynwb

    out = tmp_path / "o.nwb"
    arguments = ["export", "keypoints", str(animals(place, None)), "--to", "nwb", "-o", str(out)]
    options = {
        "--session-start": "2026-03-01T09:30:00+01:00",
        "--subject-id": "mouse7",
        "--frame-rate": "50",
    }
    for option, value in options.items():
        refused = run(place, *arguments)
        assert refused.returncode == 2
        assert option in refused.stderr
        arguments += [option, value]
    naive = run(place, *arguments, "--session-start", "2026-03-01T09:30:00")
    assert (naive.returncode, "has no time zone" in naive.stderr) == (2, True)
    assert not list(tmp_path.iterdir())
    done = run(place, *arguments, "--video", "face.mp4", "--device", "left camera")
    assert done.returncode == 0, done.stderr
    with pynwb.NWBHDF5IO(str(tmp_path / "o_a.nwb"), "r") as io:
        file = io.read()
        assert file.session_start_time.isoformat() == options["--session-start"]
        poses = file.processing["behavior"]["PoseEstimation"]
        assert poses["nose"].rate == 50.0
        assert list(poses.source_video.external_file) == ["face.mp4"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rename", "nose"], "--rename is 'nose'; expected OLD=NEW"),
        (["--frame-rate", "-3"], "option frame_rate_hz of reading predictions is -3.0"),
        (["--video", "-1"], "option video of reading predictions is -1"),
    ],
)
def test_options_of_an_import_are_checked_before_the_database(place, arguments, words):
    wrong = run(place, "import", "keypoints", "a.csv", "--from", "DeepLabCut", "--subject", "m",
                "--session", "1", *arguments)  # fmt: skip
    assert wrong.returncode == 2
    assert words in wrong.stderr


def test_speeds_are_stated_by_the_recordings_own_rate(place, tmp_path, monkeypatch):
    """It may come from a file of times, or from several videos, which one video does not know."""
    rates = []

    def seen(predictions, *, frame_rate_hz, first_frames):
        rates.append(frame_rate_hz)
        return ()

    monkeypatch.setattr(keypoint_run, "track_statistics", seen)  # the small network sees no motion
    request = KeypointRequest((place / "face.mp4",), place / "small.pt", PARTS, tmp_path)
    keypoint_run.run_keypoints(request)
    assert keypoint_run.run_keypoints(replace(request, recording_rate_hz=30.0)).reused
    assert rates == [60.0, 30.0]
