"""`facerhythm keypoints` and `export` as people type them: files, words and exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from element_facerhythm.keypoints.formats import read_predictions
from element_facerhythm.keypoints.product import PRODUCT_NAME, read_keypoints
from element_facerhythm.synthetic import make_scene_video
from tests.unit.keypoints.training import PARTS, new_network, save_weights

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
