"""Signals of the whole face in a run: the same beside the tracking and alone, whole or not there."""

import json
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest

from element_facerhythm.core.rois import RegionLabel
from element_facerhythm.errors import ParameterError, RoiError
from element_facerhythm.figures import draw_figure, figure_names
from element_facerhythm.io.project import Project
from element_facerhythm.io.rois_file import write_rois
from element_facerhythm.io.stored_signals import read_signals
from element_facerhythm.pipeline import check_request, plan_run, run_project
from element_facerhythm.pipeline.results.verify import verify_project
from element_facerhythm.pipeline.run import signal_feed, tracking_stage
from element_facerhythm.video import iterate_gray_frames

ALL = ("motion", "svd", "movie_svd", "pupil", "blink", "running")
WANTED = {"signals": ALL, "bin_px": 4, "n_components": 12}


def square(x, y, side):
    return np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], float)


@pytest.fixture(scope="module")
def rois(recording):
    kinds = ("pupil", "blink", "running", "motion")
    return replace(
        recording.rois,
        signal_polygons=tuple(square(20 + 20 * i, 30, 18) for i in range(4)),
        signal_labels=tuple(RegionLabel(f"the {kind}", kind) for kind in kinds),
    )


@pytest.fixture(scope="module")
def wanted(recording, rois, parameters_with):
    def request(directory, **changes):
        given = {
            "rois": rois,
            "videos": recording.videos,
            "parameters": parameters_with(FacialSignal=WANTED),
        }
        return recording.request(directory, **{**given, **changes})

    return request


@pytest.fixture(scope="module")
def beside(wanted, tmp_path_factory):
    """A run of everything, and how often each video was decoded from its start in it."""
    return run_project(wanted(tmp_path_factory.mktemp("beside") / "project"))


def signals_of(directory):
    return directory / "analysis_files" / "FacialSignal.h5"


def contents(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, node: (
                found.update({name: node[()]}) if isinstance(node, h5py.Dataset) else None
            )
        )
    return found


def require_equal(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_what_is_stored_is_what_the_frames_say(beside, recording):
    stored = read_signals(signals_of(beside.project_dir))
    frames = [np.stack(list(iterate_gray_frames(v))).astype(float) for v in recording.videos]
    binned = [f.reshape(len(f), 24, 4, 32, 4).mean(axis=(2, 4)) for f in frames]
    assert stored.video_n_frames == (90, 70) and stored.bin_px == 4
    assert [region.kind for region in stored.regions] == [
        "motion", "motion", "pupil", "blink", "running", "motion",
    ]  # fmt: skip
    whole = stored.regions[0]
    assert whole.name == "whole frame" and whole.edges["x_range_bin"] == (0, 32)
    motion = np.concatenate(
        [[np.nan, *np.abs(np.diff(movie, axis=0)).sum(axis=(1, 2))] for movie in binned]
    )
    np.testing.assert_allclose(np.asarray(whole.arrays["motion"]), motion, rtol=1e-12)
    np.testing.assert_allclose(
        stored.images["mean_frame"], np.concatenate(binned).mean(axis=0), rtol=1e-5
    )
    moved = np.concatenate([np.abs(np.diff(movie, axis=0)) for movie in binned])
    np.testing.assert_allclose(stored.images["mean_motion"], moved.mean(axis=0), rtol=1e-5)
    for name, movie in (("motion_svd", moved), ("movie_svd", np.concatenate(binned))):
        found = whole.svd[name]
        flat = movie.reshape(len(movie), -1)
        centred = flat - flat.mean(axis=0)
        values = np.linalg.svd(centred, compute_uv=False)
        np.testing.assert_allclose(found.singular_values, values[:12], rtol=1e-3)
        assert found.total_variance == pytest.approx(centred.var(axis=0).sum(), rel=1e-6)
        masks = np.asarray(found.mask).reshape(12, -1)
        np.testing.assert_allclose(masks @ masks.T, np.eye(12), atol=1e-4)
        projection = np.asarray(found.projection)
        is_there = ~np.isnan(projection[:, 0])
        assert np.flatnonzero(~is_there).tolist() == ([0, 90] if name == "motion_svd" else [])
        np.testing.assert_allclose(projection[is_there], centred @ masks.T, atol=0.02)
    region = stored.regions[-1]
    inside = np.zeros((96, 128), bool)
    inside[30:49, 80:99] = True
    share = inside.reshape(24, 4, 32, 4).mean(axis=(1, 3)) >= 0.5
    np.testing.assert_allclose(
        np.asarray(region.arrays["motion"])[1:90],
        np.abs(np.diff(binned[0], axis=0))[:, share].sum(axis=1),
        rtol=1e-12,
    )


def test_numbers_are_the_same_without_the_tracking_beside(
    beside, wanted, parameters_with, tmp_path
):
    plain = wanted(tmp_path / "project", parameters=parameters_with())
    tracked = run_project(plain)
    assert not signals_of(tracked.project_dir).exists()
    again = run_project(wanted(tmp_path / "project"))
    assert [stage.name for stage in again.stages if not stage.reused] == ["facial_signal"]
    require_equal(contents(signals_of(again.project_dir)), contents(signals_of(beside.project_dir)))
    for name in ("PointTracker", "TCA"):
        ours, theirs = (
            contents(run.project_dir / "analysis_files" / f"{name}.h5") for run in (again, beside)
        )
        require_equal(ours, theirs)
    assert run_project(wanted(tmp_path / "project")).stages[3].reused
    assert not verify_project(tmp_path / "project").faults


def test_frames_are_decoded_once(wanted, tmp_path, monkeypatch):
    opened = []

    def counted(path, **options):
        opened.append((path.name, options.get("start")))
        return iterate_gray_frames(path, **options)

    monkeypatch.setattr(tracking_stage, "iterate_gray_frames", counted)
    run_project(wanted(tmp_path / "project"))
    assert sorted(name for name, start in opened if start == 0) == ["first.mp4", "second.mp4"]


def test_a_run_that_is_stopped_leaves_nothing_half_and_goes_on(
    beside, wanted, tmp_path, monkeypatch
):
    request = wanted(tmp_path / "project")
    push = signal_feed.SignalRecorder.push

    def failing(self, frame, *, follows):
        if self.n_done == 100:
            raise KeyboardInterrupt
        push(self, frame, follows=follows)

    with monkeypatch.context() as patched:
        patched.setattr(signal_feed.SignalRecorder, "push", failing)
        with pytest.raises(KeyboardInterrupt):
            run_project(request)
    assert not signals_of(request.project_dir).exists()
    assert not list(request.project_dir.rglob("*.part"))
    finished = run_project(request)
    require_equal(
        contents(signals_of(finished.project_dir)), contents(signals_of(beside.project_dir))
    )


def test_two_passes_agree_with_one(beside, wanted, parameters_with, tmp_path):
    exact = parameters_with(FacialSignal={**WANTED, "signals": ("svd",), "exact": True})
    record = run_project(wanted(tmp_path / "project", parameters=exact))
    two = read_signals(signals_of(record.project_dir)).regions[0].svd["motion_svd"]
    one = read_signals(signals_of(beside.project_dir)).regions[0].svd["motion_svd"]
    assert (one.method, two.method) == ("one pass", "two passes")
    np.testing.assert_allclose(two.singular_values, one.singular_values, rtol=1e-3)
    assert two.relative_error <= one.relative_error + 1e-6


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"signals": ("pupil",)}, RoiError, "no region of kind pupil"),
        ({"signals": ("svd",), "bin_px": 200}, RoiError, "not one bin fits"),
        ({"signals": ("motion",), "bin_px": 90}, RoiError, "fills not half of any bin"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_any_work(
    recording, parameters_with, tmp_path, changes, error, message
):
    request = recording.request(
        tmp_path / "project", parameters=parameters_with(FacialSignal=changes)
    )
    with pytest.raises(error, match=message):
        run_project(request)
    assert not (tmp_path / "project").exists()


def test_a_region_outside_the_frame_is_refused(recording, tmp_path):
    rois = replace(recording.rois, signal_polygons=(square(120, 80, 30),))
    with pytest.raises(RoiError, match=r"signals\[0\].*outside the frame"):
        check_request(recording.request(tmp_path / "project", rois=rois))


def test_unknown_signals_are_refused(parameters_with):
    with pytest.raises(ParameterError, match=r"FacialSignal.signals"):
        parameters_with(FacialSignal={"signals": ("whisking",)})


def test_parameters_that_ask_for_nothing_keep_their_digest(parameters_with):
    assert "FacialSignal" not in json.loads(parameters_with().canonical_json())
    assert parameters_with(FacialSignal={"bin_px": 8}).sha256() == parameters_with().sha256()
    one, other = (
        parameters_with(FacialSignal={"signals": given}).sha256()
        for given in (("svd", "motion"), ("motion", "svd", "motion"))
    )
    assert one == other != parameters_with().sha256()


def test_a_plan_tells_of_signals_only_where_they_are_asked_for(wanted, parameters_with, tmp_path):
    names = [stage.name for stage in plan_run(wanted(tmp_path / "project")).stages]
    assert names.index("facial_signal") == 3
    plain = plan_run(wanted(tmp_path / "project", parameters=parameters_with()))
    assert len(plain.stages) == 5


@pytest.mark.parametrize("signals", ["pupil", "whisking", "motion,pupil"])
def test_the_command_refuses_with_2_and_leaves_nothing(recording, tmp_path, signals):
    rois, project = tmp_path / "rois.json", tmp_path / "project"
    write_rois(recording.rois, rois)
    command = ["run", recording.videos[0], "--rois", rois, "-o", project, "--signals", signals]
    outcome = subprocess.run(
        [sys.executable, "-m", "element_facerhythm", *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 2
    assert signals.rpartition(",")[2] in outcome.stderr
    assert not project.exists()


def test_the_figure_shows_what_is_stored(beside):
    project = Project.open(beside.project_dir)
    assert figure_names(project)[4] == "signals"
    figure = draw_figure(project, "signals")
    stored = read_signals(signals_of(beside.project_dir))
    drawn = {
        axes.get_title(loc="left"): axes.lines[0].get_ydata()
        for axes in figure.axes
        if ":" in axes.get_title(loc="left")
    }
    assert len(drawn) == len(stored.regions)
    for region in stored.regions:
        (shown,) = (y for name, y in drawn.items() if name.startswith(f"{region.name}:"))
        name = {"motion": "motion", "pupil": "area", "blink": "opening", "running": "running"}
        values = np.asarray(region.arrays[name[region.kind]], float)
        expected = np.hypot(*values.T) if region.kind == "running" else values
        np.testing.assert_array_equal(shown, expected)
