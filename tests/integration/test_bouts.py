"""Bouts of a project: across gaps, lost frames and changes of the rate, and at the command line."""

import csv
import json
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, run_project
from element_facerhythm.pipeline.results.component_rhythms import component_rhythms, rhythm_bouts
from tests.timed_scene import AMPLITUDE_PX, PARAMETERS, RHYTHM_HZ, ROIS, write_timed_video

pytestmark = pytest.mark.slow


def analysed(directory, times_s):
    """Project of a texture that moves along x the whole time, taken at some times."""
    video = write_timed_video(directory / "timed.mkv", times_s)
    rois = Rois(seed_polygons=tuple(np.array(p, float) for p in ROIS["points"]))
    parameters = parameters_from_mapping(PARAMETERS).parameters
    run_project(
        RunRequest((video,), rois, parameters, directory / "project", "cpu", times=("stamps",))
    )
    return directory / "project"


@pytest.fixture(scope="module")
def paused(tmp_path_factory):
    """Six seconds, a pause of one and a half, six more; every fiftieth frame was lost."""
    frames = np.arange(810)
    kept = (frames % 50 != 49) & ((frames < 360) | (frames >= 450))
    return analysed(tmp_path_factory.mktemp("paused"), (frames[kept] / 60).tolist())


def facerhythm(*arguments):
    command = [sys.executable, "-m", "element_facerhythm", "bouts", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def phase_error_deg(rhythm):
    own = rhythm.videos[0]
    known = np.isfinite(own.phase_rad)
    true = 2 * np.pi * RHYTHM_HZ * own.times_s - np.pi / 2
    return np.degrees(np.abs(np.angle(np.exp(1j * (own.phase_rad - true))))[known])


def test_phase_is_right_on_both_sides_of_a_pause_and_not_known_beside_it(paused):
    (rhythm,) = component_rhythms(paused).rhythms
    own, gap = rhythm.videos[0], Project.open(paused).clock(0).pauses[0].after_frame
    assert np.median(phase_error_deg(rhythm)) < 2 and phase_error_deg(rhythm).max() < 15
    assert np.nanmedian(np.abs(own.frequency_hz / RHYTHM_HZ - 1)) < 0.005
    assert np.nanmedian(own.amplitude_px) == pytest.approx(AMPLITUDE_PX, rel=0.05)
    unknown = np.flatnonzero(np.isnan(own.amplitude_px))
    beside = unknown[(unknown > 100) & (unknown < 600)]
    assert {gap, gap + 1} <= set(beside) and np.ptp(beside) == len(beside) - 1 < 60
    (found,) = rhythm_bouts([rhythm])
    before, after = (one.bout for one in found.bouts)
    assert before.is_cut and after.is_cut and before.last_frame < gap < after.first_frame
    assert found.fraction > 0.98
    assert before.mean_frequency_hz == pytest.approx(RHYTHM_HZ, rel=0.002)


def test_a_rate_that_changes_changes_no_phase(tmp_path):
    times = np.r_[np.arange(300) / 60, 5 + np.arange(250) / 50]
    (rhythm,) = component_rhythms(analysed(tmp_path, times.tolist())).rhythms
    assert rhythm.videos[0].frame_rate_hz is None
    assert np.median(phase_error_deg(rhythm)) < 3
    frequency = rhythm.videos[0].frequency_hz
    assert np.nanmedian(np.abs(frequency / RHYTHM_HZ - 1)) < 0.02


def test_held_frames_are_not_known(paused, tmp_path):
    shutil.copytree(paused, tmp_path / "held")
    with h5py.File(tmp_path / "held" / "analysis_files" / "PointTracker.h5", "r+") as file:
        del file["held_frames/0"]
        file["held_frames/0"] = np.r_[100:103, 200:230].astype(np.int32)
    (rhythm,) = component_rhythms(tmp_path / "held").rhythms
    known = np.isfinite(rhythm.videos[0].amplitude_px)
    assert known[100:103].all() and not known[200:230].any() and not known[[199, 230]].any()


def test_the_table_the_file_and_json_say_the_same(paused, tmp_path):
    out, figure = tmp_path / "out" / "bouts.csv", tmp_path / "bouts.svg"
    done = facerhythm(paused, "-o", out, "--figure", figure, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [float(row["onset_s"]) for row in rows] == [row["onset_s"] for row in answer["bouts"]]
    assert len(rows) == answer["components"][0]["n_bouts"] == 2
    assert "component 0: " in figure.read_text()
    shown = facerhythm(paused, "--shortest", 1)
    assert shown.returncode == 0 and shown.stdout.count("cut") == 3
    none = json.loads(facerhythm(paused, "--high-px", 50, "--json").stdout)
    assert none["bouts"] == [] and none["components"][0]["reach_px"] == 50


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--high-share", "2"], "above 0 and at most 1"),
        (["--figure", "bouts.bmp"], "expected one or more of"),
        (["-o", "."], "expected the name of a file"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    paused, tmp_path, monkeypatch, options, says
):
    monkeypatch.chdir(tmp_path)
    done = facerhythm(paused, *options)
    assert done.returncode == 2 and says in done.stderr
    assert not list(tmp_path.iterdir())


def test_projects_that_cannot_be_followed_say_why(paused, tmp_path):
    missing = facerhythm(tmp_path)
    assert missing.returncode == 2 and "config.yaml is missing" in missing.stderr
    shutil.copytree(paused, tmp_path / "lost")
    with h5py.File(tmp_path / "lost" / "analysis_files" / "PointTracker.h5", "r+") as file:
        file["points_tracked/0"][::40] = np.nan
    done = facerhythm(tmp_path / "lost", "--json")
    assert done.returncode == 0, done.stderr
    (note,) = json.loads(done.stdout)["notes"]
    assert note.startswith("component 0 has no rhythm: the longest piece has 0 frames")
