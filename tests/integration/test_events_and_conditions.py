"""What happens after a lick, and under a drug, at the command line: planted in pictures, found in rows."""

import csv
import json
import shutil

import h5py
import numpy as np
import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, run_project
from tests.timed_scene import AMPLITUDE_PX, PARAMETERS, ROIS, write_timed_video

pytestmark = pytest.mark.slow

LICKS_S = (0.4, 3.3, 9.0, 11.6, 17.7, 20.3, 28.3, 31.4, 34.2, 41.0, 44.5)
TONES_S = (1.9, 7.2, 13.5, 18.9, 23.0, 26.1, 30.3, 36.7, 39.1, 42.6)
WEAK, DELAY_S, LENGTH_S = 0.05, 0.1, 0.9


def strength(time_s):
    """Strong for a while after each lick."""
    return (
        1.0
        if any(lick + DELAY_S <= time_s < lick + DELAY_S + LENGTH_S for lick in LICKS_S)
        else WEAK
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Three quarters of a minute at 60 Hz with a pause of one second; every 97th frame was lost."""
    directory = tmp_path_factory.mktemp("licks")
    frames = np.arange(2700)
    kept = (frames % 97 != 96) & ((frames < 870) | (frames >= 930))
    times = (frames[kept] / 60).tolist()
    video = write_timed_video(directory / "mouse.mkv", times, strength=strength)
    rois = Rois(seed_polygons=tuple(np.array(p, float) for p in ROIS["points"]))
    parameters = parameters_from_mapping(PARAMETERS).parameters
    run_project(
        RunRequest((video,), rois, parameters, directory / "project", "cpu", times=("stamps",))
    )
    return directory / "project"


@pytest.fixture
def licks(tmp_path):
    path = tmp_path / "licks.csv"
    rows = [f"{time_s},lick" for time_s in LICKS_S] + [f"{time_s},tone" for time_s in TONES_S]
    path.write_text("time_s,label\n" + "\n".join([*rows, "75,lick"]) + "\n")
    return path


@pytest.fixture
def events(facerhythm, project, licks):
    """Run the verb on the project; gives its JSON."""

    def run(*more):
        done = facerhythm("events", project, "--events", licks, "--json", *more)
        assert done.code == 0, done.err
        return json.loads(done.out)

    return run


def test_the_amplitude_after_licks_is_the_one_that_was_planted(events, tmp_path):
    rows, bins, figure = (tmp_path / "new" / name for name in ("a.csv", "bins.csv", "a.svg"))
    found = events("-o", rows, "--averages", bins, "--figure", figure)
    by_label = {one["label"]: one for one in found["responses"]}
    lick, tone = by_label["lick"], by_label["tone"]
    planted_px = AMPLITUDE_PX * (1 - WEAK)
    assert lick["estimate"] == pytest.approx(planted_px * LENGTH_S / 2, rel=0.15)
    assert lick["baseline"] == pytest.approx(AMPLITUDE_PX * WEAK, abs=0.15)
    assert lick["p_value"] < 0.005 and lick["q_value"] == pytest.approx(2 * lick["p_value"])
    assert tone["p_value"] > 0.05
    middle = [one["mean"] for one in lick["bins"] if 0.4 < one["bin_start_s"] < 0.7]
    assert np.mean(middle) == pytest.approx(planted_px, rel=0.06)
    assert lick["n_events"] == 11 and lick["n_cut_trials"] == 2
    assert min(one["n_trials_in_bin"] for one in lick["bins"]) >= 7
    (note,) = found["notes"]
    assert "1 of 22 events of licks.csv lie outside of the recording, which is 0 to 4" in note
    assert found["files"] == [str(path) for path in (rows, bins, figure)]
    table = list(csv.DictReader(rows.read_text().splitlines()))
    assert [float(row["estimate"]) for row in table] == [lick["estimate"], tone["estimate"]]
    assert len(bins.read_text().splitlines()) == 1 + 2 * len(lick["bins"]) == 1 + 2 * 60
    assert "lick: component 0, 6.0 Hz" in figure.read_text()


def test_bouts_begin_after_licks_and_phases_are_those_of_the_planted_rhythm(events, tmp_path):
    settled = ("--label", "lick", "--shuffles", 199)
    (bouts,) = events("--quantity", "bouts", "--window", "-1:1.5", *settled)["responses"]
    onset = max(bouts["bins"], key=lambda one: one["mean"])
    assert abs(onset["bin_start_s"] - DELAY_S) < 0.2  # the filter spreads over a cycle
    assert bouts["unit"] == "bouts per s" and 0.6 < bouts["estimate"] * 1.5 <= 1.01
    whole = np.array([lick for lick in LICKS_S if 2 < lick < 43])
    (tmp_path / "whole.csv").write_text("time_s\n" + "\n".join(map(str, whole)))
    found = events(
        "--events", tmp_path / "whole.csv", "--quantity", "phase", "--response", "0.2:0.8"
    )
    (phase,) = found["responses"]
    # licks are at any phase of 6 Hz: the planted resultant length is that of their times
    planted = np.abs(np.exp(2j * np.pi * 6 * whole).mean())
    assert phase["estimate"] == pytest.approx(planted, abs=0.05)
    assert phase["baseline"] is None and found["settings"]["baseline_s"] is None
    assert all(abs(one["phase_rad"]) <= np.pi for one in phase["bins"])


def test_events_close_to_another_and_what_ends_a_trial(events):
    quick = ("--shuffles", 0, "--draws", 0)
    found = events("--label", "lick", "--apart", 3, *quick)
    (note,) = [note for note in found["notes"] if "follow another" in note]
    n_close = int((np.diff(LICKS_S) < 3).sum())
    assert note.startswith(f"{n_close} events lick")
    assert found["responses"][0]["n_events"] == len(LICKS_S) - n_close
    assert found["responses"][0]["p_value"] is None
    whole = events("--label", "lick", "--window", "-1:3", *quick)["responses"][0]
    ended = events("--label", "lick", "--window", "-1:3", "--until", "next", *quick)["responses"][0]
    last = [one["bins"][-1]["n_trials_in_bin"] for one in (whole, ended)]
    assert last[1] == last[0] - int((np.diff(LICKS_S) < 2.94).sum())
    shifted = events("--label", "lick", "--offset", 0.5, *quick)["responses"][0]
    assert shifted["baseline"] > 3 * whole["baseline"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--label", "puff"), "expected lick, tone"),
        (("--component", "whisking"), "there is no component 'whisking'; expected one of 0"),
        (("--component", "4"), "there is no component '4'"),
        (("--quantity", "speed"), "expected one of amplitude, phase, bouts"),
        (("--window", "2"), "--window is '2'; expected two numbers of seconds as -1:2"),
        (("--baseline", "-2:0"), "baseline -2:0: expected"),
        (("--quantity", "phase", "--baseline", "-1:0"), "phases have no baseline"),
        (("--quantity", "phase", "--bin", "0.1"), "expected at most 0.084 s"),
        (("--until", "end"), "expected one of window, duration, next"),
        (("--offset", "100"), "no event of licks.csv lies in the recording: 22 of 22 events"),
        (("--averages", "a.csv"), "have the same name"),
        (("--figure", "a.bmp"), "expected one or more of"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    facerhythm, project, licks, tmp_path, monkeypatch, options, says
):
    monkeypatch.chdir(tmp_path)
    done = facerhythm("events", project, "--events", licks, "-o", "a.csv", *options)
    assert (done.code, says in done.err) == (2, True), done.err
    assert list(tmp_path.iterdir()) == [licks]


@pytest.fixture(scope="module")
def sessions(project, tmp_path_factory):
    """Two sessions of each of three animals in two conditions: the drug makes movements larger by half."""
    directory = tmp_path_factory.mktemp("sessions")
    rows = ["project,animal,condition,component,label"]
    for animal in range(3):
        for condition, gain in (("saline", 1.0), ("drug", 1.5)):
            for session in range(2):
                own = directory / f"{condition}{animal}{session}"
                shutil.copytree(project, own)
                with h5py.File(own / "analysis_files" / "PointTracker.h5", "r+") as file:
                    tracks = file["points_tracked/0"]
                    home = np.median(tracks[:], axis=0)
                    tracks[:] = home + (tracks[:] - home) * gain * (1 + 0.02 * (animal + session))
                rows.append(f"{own.name},m{animal},{condition},0,whisking")
    (directory / "design.csv").write_text("\n".join(rows) + "\n")
    return directory


def test_a_drug_that_makes_movements_larger_is_found_within_animals(
    facerhythm, sessions, tmp_path, monkeypatch
):
    wanted = ("--quantity", "amplitude", "--quantity", "frequency", "--reference", "saline")
    files = ("-o", tmp_path / "d.csv", "--sessions", tmp_path / "s.csv")
    done = facerhythm("compare", sessions / "design.csv", *wanted, *files, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    amplitude, frequency = found["comparisons"]
    ratio = amplitude["condition_mean"] / amplitude["reference_mean"]
    assert ratio == pytest.approx(1.5, rel=0.02) and amplitude["low"] > 0
    assert amplitude["is_paired"] and amplitude["p_value"] == amplitude["least_p_value"] == 0.25
    assert amplitude["q_value"] == 0.25
    assert frequency["difference"] == pytest.approx(0, abs=0.01)
    assert "with 3 and 3 animals p cannot be below 0.25" in " ".join(found["notes"])
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert len(rows) == 12 == len(found["sessions"])
    assert {row["label"] for row in rows} == {"whisking"}
    monkeypatch.setenv("COLUMNS", "120")
    shown = facerhythm("compare", sessions / "design.csv", *wanted)
    assert shown.code == 0 and "3 (paired)" in shown.out


def test_components_are_those_that_people_called_the_same(facerhythm, sessions, tmp_path):
    lines = (sessions / "design.csv").read_text().splitlines()
    without = tmp_path / "design.csv"
    rows = [line.rsplit(",", 2)[0] for line in lines]
    without.write_text("\n".join([rows[0], *(f"{sessions}/{row}" for row in rows[1:])]) + "\n")
    refused = facerhythm("compare", without)
    assert refused.code == 2 and "no component has the same name in all projects" in refused.err
    for row in rows[1:]:
        own = sessions / row.split(",")[0]
        named = facerhythm("curate", "set", own, "--component", 0, "--name", "whisking")
        assert named.code == 0, named.err
    found = json.loads(facerhythm("compare", without, "--draws", 100, "--json").out)
    (bouts,) = found["comparisons"]
    assert (bouts["label"], bouts["quantity"]) == ("whisking", "bouts")
    assert bouts["reference_mean"] == pytest.approx(len(LICKS_S) / 0.75, rel=0.25)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: [lines[0].replace("animal", "mouse"), *lines[1:]], "the columns are project, mouse"),
        (lambda lines: lines[:5], "condition 'saline' has one animal (m0)"),
        (lambda lines: [*lines, lines[1]], "line 14: "),
        (lambda lines: [line.replace(",0,w", ",3,w") for line in lines], "there is no component '3'"),
        (lambda lines: [line.rsplit(",", 1)[0] for line in lines], "component 0 by number"),
        (lambda lines: [line.replace("drug0", "gone") for line in lines], "gone"),
        (lambda lines: [line.replace("drug00", "a\0b") for line in lines], "project is no path"),
    ],
)  # fmt: skip
def test_designs_that_cannot_be_compared_are_refused(facerhythm, sessions, tmp_path, change, says):
    design = sessions / "changed.csv"
    design.write_text("\n".join(change((sessions / "design.csv").read_text().splitlines())) + "\n")
    done = facerhythm("compare", design, "-o", tmp_path / "d.csv")
    assert (done.code, says in done.err) == (2, True), done.err
    assert not (tmp_path / "d.csv").exists()
