"""A rhythm of 6 Hz comes out as 6 Hz, whatever the camera did to the time of its frames."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import ParameterError, VideoError
from element_facerhythm.figures import violation_figure, write_figures
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, run_project, summarise_project
from element_facerhythm.pipeline.results.recompute import recompute_block
from tests.timed_scene import PARAMETERS, RHYTHM_HZ, ROIS, write_timed_video

REGULAR = np.arange(300) / 60
PAUSE = np.r_[REGULAR[:150], 5 + REGULAR[150:]]
KEPT = np.sort(np.random.default_rng(0).choice(330, 300, replace=False)) / 60
TIMES = {
    "regular": REGULAR,
    "pause": PAUSE,
    "dropped": KEPT - KEPT[0],
    "halved": np.r_[REGULAR[:150], 2.5 + np.arange(150) / 30],
    "early": np.r_[0.0, 0.4 + REGULAR[:-1]],
}


def request_of(videos: list[Path], project_dir: Path, **changes: object) -> RunRequest:
    tree = {**PARAMETERS, **changes.pop("parameters", {})}
    return RunRequest(
        videos=tuple(videos),
        rois=Rois(seed_polygons=tuple(np.array(p, float) for p in ROIS["points"])),
        parameters=parameters_from_mapping(tree).parameters,
        project_dir=project_dir,
        device="cpu",
        **changes,
    )


@pytest.mark.parametrize("kind", TIMES)
def test_the_rhythm_is_found_at_its_frequency(kind: str, tmp_path: Path) -> None:
    video = write_timed_video(tmp_path / "a.mp4", TIMES[kind])
    record = run_project(request_of([video], tmp_path / "project"))
    project, summary = Project.open(tmp_path / "project"), summarise_project(tmp_path / "project")
    (component,) = summary.models[0].components
    step = project.frequencies_hz[1] / project.frequencies_hz[0]
    assert 1 / step < component.peak_frequency_hz / RHYTHM_HZ < step
    (row,) = summary.videos
    assert row.duration_s == pytest.approx(TIMES[kind][-1] + np.diff(TIMES[kind])[-1], abs=1e-3)
    np.testing.assert_allclose(project.clock(0).times_s, TIMES[kind], atol=2e-5)
    assert (len(record.notes) > 1) == (kind != "regular"), record.notes
    if kind in ("pause", "early"):
        # no window reaches across: its filter lies on one side of the gap
        (gap,) = row.gaps
        reach = json.loads((tmp_path / "project" / "run.json").read_text())
        assert reach["clock"]["gaps"][0]["after_frame"] == gap.after_frame
        times, edge = project.window_times_s(0), project.clock(0).times_s[gap.after_frame]
        assert not ((times > edge) & (times < edge + gap.seconds)).any()
    if kind == "dropped":
        assert row.n_dropped_frames == round(TIMES[kind][-1] * 60) + 1 - 300


@pytest.mark.parametrize(("method", "tolerance"), [("flow", 1e-6), ("anchored", 5e-3)])
def test_nothing_is_computed_across_a_pause(tmp_path: Path, method: str, tolerance: float) -> None:
    """Each side of the pause has the spectrogram that it has as a video of its own.

    References of a part are not quite those of the whole.
    """
    tree = {"PointTracker": {"method": method}}
    whole = write_timed_video(tmp_path / "whole.mp4", PAUSE)
    run_project(request_of([whole], tmp_path / "project", parameters=tree))
    spectrogram = np.asarray(Project.open(tmp_path / "project").spectrogram(0)[...])
    for number, frames in enumerate(((0, 150), (150, 300))):
        part = tmp_path / f"part{number}"
        run_project(request_of([whole], part, frames=frames, parameters=tree))
        n = Project.open(part).spectrogram(0).shape[3]
        side = spectrogram[..., :n] if number == 0 else spectrogram[..., -n:]
        # tracking of the second part begins at its seeds, that of the whole where the points were
        alone = np.asarray(Project.open(part).spectrogram(0)[...])
        difference = np.abs(side - alone).max() / np.abs(alone).max()
        assert difference < (tolerance if number == 0 else 0.1)


def test_a_part_keeps_the_frames_and_times_of_the_whole(tmp_path: Path) -> None:
    videos = [write_timed_video(tmp_path / f"{i}.mp4", REGULAR) for i in range(2)]
    record = run_project(request_of(videos, tmp_path / "project", frames=(200, 450)))
    project = Project.open(tmp_path / "project")
    assert project.n_frames == (100, 150) and len(record.videos) == 2
    assert project.clock(0).times_s[0] == pytest.approx(200 / 60)
    assert project.clock(1).times_s[0] == 0
    with pytest.raises(
        ValueError, match=r"frames 200:601 were asked for, and the recording has 600"
    ):
        run_project(request_of(videos, tmp_path / "other", frames=(200, 601)))
    assert not (tmp_path / "other").exists()


def test_a_part_is_computed_again_as_it_was(tmp_path: Path) -> None:
    videos = [write_timed_video(tmp_path / f"{i}.mp4", REGULAR) for i in range(3)]
    run_project(request_of(videos, tmp_path / "project", frames=(350, 580)))
    project = Project.open(tmp_path / "project")
    assert project.video_names == ("1.mp4",)
    for seed in range(6):
        assert recompute_block(project, random.Random(seed)).agrees


def test_a_filter_longer_than_what_lies_between_gaps_is_refused_first(tmp_path: Path) -> None:
    video = write_timed_video(tmp_path / "a.mp4", PAUSE)
    tree = {"VQT_Analyzer": {"params_VQT": {"Q_lowF": 4, "F_min": 1, "F_max": 12}}}
    with pytest.raises(ParameterError, match="a video has between its gaps at most 150"):
        run_project(request_of([video], tmp_path / "project", parameters=tree))


def test_the_camera_s_own_times_replace_the_stamps(tmp_path: Path) -> None:
    video = write_timed_video(tmp_path / "a.mp4", PAUSE, stamps_s=list(REGULAR))
    table = "\n".join(f"{i},{time * 1e3:.3f}" for i, time in enumerate(PAUSE))
    (tmp_path / "a_timestamps.csv").write_text("frame,timestamp\n" + table)
    record = run_project(request_of([video], tmp_path / "project"))
    (row,) = summarise_project(tmp_path / "project").videos
    assert [gap.after_frame for gap in row.gaps] == [149] and row.duration_s == pytest.approx(10)
    assert any("a_timestamps.csv" in note for note in record.notes)
    ignored = run_project(request_of([video], tmp_path / "stamps", times=("stamps",)))
    assert summarise_project(tmp_path / "stamps").videos[0].gaps == ()
    assert not any("a_timestamps.csv" in note for note in ignored.notes)


def test_a_rate_that_is_given_replaces_every_time(tmp_path: Path) -> None:
    video = write_timed_video(tmp_path / "a.mp4", PAUSE)
    run_project(request_of([video], tmp_path / "project", frame_rate_hz=60.0))
    summary = summarise_project(tmp_path / "project")
    assert summary.frame_rate_hz == 60 and summary.videos[0].gaps == ()
    assert summary.videos[0].duration_s == pytest.approx(5)


@pytest.mark.slow
def test_face_rhythms_time_is_kept_where_its_numbers_are_asked_for(tmp_path: Path) -> None:
    video = write_timed_video(tmp_path / "a.mp4", PAUSE)
    tree = {"compat": "face-rhythm"}
    record = run_project(request_of([video], tmp_path / "project", parameters=tree))
    assert summarise_project(tmp_path / "project").videos[0].duration_s == pytest.approx(
        10, rel=0.01
    )
    assert Project.open(tmp_path / "project").clock(0).gaps == ()
    assert any("the time stamps are not used" in note for note in record.notes)


@pytest.mark.slow
def test_trials_of_one_camera_are_one_recording(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    videos = []
    for number, n in enumerate((300, 287, 311)):
        times = np.sort(np.arange(n) / 60 + rng.normal(0, 5e-4, n))
        videos.append(write_timed_video(tmp_path / f"{number}.mp4", times - times[0]))
    run_project(request_of(videos, tmp_path / "project"))
    summary = summarise_project(tmp_path / "project")
    assert summary.frame_rate_hz == pytest.approx(60, rel=1e-3) and len(summary.videos) == 3
    slower = write_timed_video(tmp_path / "slow.mp4", np.arange(300) / 50)
    with pytest.raises(VideoError, match="must have one frame rate"):
        run_project(request_of([videos[0], slower], tmp_path / "other"))


def test_figures_leave_gaps_open(tmp_path: Path) -> None:
    from element_facerhythm.figures.components import component_panels

    video = write_timed_video(tmp_path / "a.mp4", PAUSE)
    run_project(request_of([video], tmp_path / "project"))
    project = Project.open(tmp_path / "project")
    (picture,) = component_panels(project, "0")
    times, loadings = picture.time_courses[0]
    middle = int(np.searchsorted(times, PAUSE[149:151].mean()))
    assert np.isnan(loadings[[middle - 1, middle]]).all()
    assert np.isfinite(np.delete(loadings, [middle - 1, middle])).all()
    assert len(write_figures(project, tmp_path / "figures").paths) == 6
    own = next(axes for axes in violation_figure(project).axes if axes.get_xlabel() == "time (s)")
    raster = own.images[0]
    columns = np.ma.getmaskarray(raster.get_array()).all(axis=0)
    start_s, stop_s, *_ = raster.get_extent()
    assert columns.mean() * (stop_s - start_s) == pytest.approx(np.diff(PAUSE[149:151])[0], abs=0.1)
