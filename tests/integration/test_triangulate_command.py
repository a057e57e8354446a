"""`facerhythm keypoints triangulate` as people type it."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from element_facerhythm.keypoints.formats import read_predictions, write_predictions
from tests.rendered_rig import PARTS, Rig, as_predictions, moving_points

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).with_name("facerhythm")
RIG = Rig()
TIMES = np.arange(60) / 50
CLOCK = 1_767_225_600.0


@pytest.fixture
def place(tmp_path):
    """Calibration, tables of DeepLabCut for three cameras, and their clocks; the third lost frames."""
    (tmp_path / "calibration.toml").write_text(RIG.anipose())
    for view in range(3):
        kept = np.delete(np.arange(60), [7, 8, 30]) if view == 2 else np.arange(60)
        name = RIG.names[view]
        seen = RIG.seen(view, moving_points(TIMES[kept]))
        write_predictions(as_predictions(seen), tmp_path / f"{name}.h5", "dlc")
        rows = [f"{t},{CLOCK + TIMES[t] + 0.0007 * view:.6f}" for t in kept]
        (tmp_path / f"{name}.csv").write_text("frame,timestamp\n" + "\n".join(rows))
    return tmp_path


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "keypoints", "triangulate", *words],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip


SEEN = ("left=left.h5", "right=right.h5", "top=top.h5", "--from", "DeepLabCut")
ALL = (*SEEN, "--calibration", "calibration.toml", "-o", "space.h5")
TIMED = ("--times", "left=left.csv", "--times", "right=right.csv", "--times", "top=top.csv")


def test_three_cameras_with_clocks_give_positions(place):
    done = run(place, *ALL, *TIMED, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["frames_matched"] == [60, 60, 57] and answer["n_frames"] == 60
    assert [track["name"] for track in answer["tracks"]] == list(PARTS)
    assert all(t["found_fraction"] == 1 and t["mean_error_px"] < 0.5 for t in answer["tracks"])
    assert answer["notes"] == ["3 of 60 frames of left have no frame of top within 10 ms"]
    found = read_predictions(place / "space.h5", "deeperfly")
    assert np.median(np.linalg.norm(found.positions[:, 0] - moving_points(TIMES), axis=2)) < 0.05
    with h5py.File(place / "space.h5") as file:
        np.testing.assert_allclose(file["clock/times_s"][()] - CLOCK, TIMES, atol=1e-6)
    shown = subprocess.run(
        [COMMAND, "inspect", "space.h5"], cwd=place, capture_output=True, text=True, check=True
    )
    assert "triangulation/points3d" in shown.stdout and "(60, 4, 3)" in shown.stdout


def test_as_text_and_at_a_rate(place):
    done = run(place, *ALL[:2], *ALL[3:], "--frame-rate", "50", "--start", "right=0.0007")
    assert done.returncode == 0, done.stderr
    assert "nose" in done.stdout and "100.0%" in done.stdout and "space.h5" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (ALL, "nothing says when the frames of camera left were taken"),
        ((*ALL, "--times", "left=left.csv", "--frame-rate", "50"), "not of one clock"),
        ((*ALL, "--frame-rate", "50", "--threshold", "-1"), "the threshold is -1.0; expected pixels above 0"),
        ((*ALL, "--frame-rate", "50", "--refine", "all"), "expected extrinsics or intrinsics"),
        ((*ALL, "--frame-rate", "50", "--size", "left=640x480"), "320 x 240 px, and 640 x 480"),
        ((*ALL, "--times", "back=left.csv"), "--times is given for back, of which there are no keypoints"),
        (("left", *ALL), "expected CAMERA=VALUE, each camera once"),
        ((*ALL[:-1], "space.mat", "--frame-rate", "50"), "does not end like a file of positions"),
        ((*ALL, "--rename", "nose=nose tip", "--frame-rate", "0"), "0"),
        (("left=left.h5", *ALL[3:], "--frame-rate", "50"), "two cameras or more"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_before_anything_is_written(place, words, message):
    before = sorted(place.iterdir())
    done = run(place, *words)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert sorted(place.iterdir()) == before
