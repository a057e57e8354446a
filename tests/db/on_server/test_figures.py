"""Rows give the courses, maps, spectra and figures of the files, wherever a factor is kept."""

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import h5py
import numpy as np
import pytest

from element_facerhythm.errors import RequestError
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_factors import project_courses, project_factors, project_maps
from tests.db.on_server.conftest import PARAMETERS
from tests.timed_scene import PARAMETERS as TIMED_PARAMETERS
from tests.timed_scene import ROIS as TIMED_ROIS
from tests.timed_scene import write_timed_video

pytestmark = pytest.mark.slow

Key = dict[str, Any]
Another = Callable[..., Key]
Command = Callable[..., Any]
NAMES = ("rois", "displacements", "violations", "spectrogram", "components", "cycles")
PAUSE = np.r_[np.arange(150) / 60, 5 + np.arange(150, 300) / 60]


def directory_of(fbe: ModuleType, key: Key) -> Path:
    relative = (fbe.FaceRhythmProcessing & key).fetch1("project_dir")
    return Path(fbe.get_facerhythm_processed_data_dir()) / relative


def pictures_of(directory: Path) -> set[str]:
    return {path.name for path in (directory / "visualizations").iterdir()}


@pytest.fixture
def another(processed: Key, fbe: ModuleType) -> Another:
    """Run the recording of two videos with another way to treat the videos; gives the key."""

    def run(**rearrange: Any) -> Key:
        tree = deepcopy(PARAMETERS)
        tree["TCA"]["rearrange_data"] |= rearrange  # type: ignore[index]
        tree["TCA"]["rearrange_factors"]["undo_concat_dictElements"] = False  # type: ignore[index]
        paramset_id = fbe.FaceRhythmParamSet.insert_new_params(None, "another", tree)
        key = {**processed, "paramset_id": paramset_id}
        fbe.FaceRhythmTask.insert1({**key, "task_mode": "trigger"}, skip_duplicates=True)
        fbe.FaceRhythmProcessing.populate(key)
        fbe.FacialRhythm.populate(key)
        return key

    return run


def require_equal(fbe: ModuleType, key: Key, model_key: str = "0") -> dict[int, np.ndarray]:
    """Rows give what the project gives, which is what HDF5 holds; returns (W, R) loadings by video."""
    project = Project.open(directory_of(fbe, key))
    factors = project_factors(project, model_key)
    found = fbe.FacialRhythm.time_courses(key, model_key)
    expected = project_courses(project, factors)
    assert [(c.component_index, c.video_index) for c in found] == [
        (c.component_index, c.video_index) for c in expected
    ]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.times_s, other.times_s)
        np.testing.assert_array_equal(one.loadings, other.loadings)
    maps, of_project = fbe.FacialRhythm.spatial_maps(key, model_key), project_maps(project, factors)
    spectra = fbe.FacialRhythm.spectra(key, model_key)
    with h5py.File(project.product_path("TCA")) as file:
        points = file[f"factors/{model_key}/(xy points)"][:]
        frequency = file[f"factors/{model_key}/frequency"][:]
    np.testing.assert_array_equal(
        np.concatenate([maps.loadings["x"], maps.loadings["y"]], 1).T, points
    )
    np.testing.assert_array_equal(maps.loadings["y"], of_project.loadings["y"])
    np.testing.assert_array_equal(np.stack([maps.x_px, maps.y_px], 1), project.point_positions)
    np.testing.assert_array_equal(spectra.loadings.T, frequency)
    np.testing.assert_array_equal(spectra.frequencies_hz, project.frequencies_hz)
    rows = fbe.FacialRhythm.Component & key & {"model_key": model_key}
    peaks = rows.to_arrays("peak_frequency_hz", order_by="component_index")
    np.testing.assert_array_equal(spectra.peaks_hz, peaks)
    videos = dict.fromkeys(course.video_index for course in found)
    return {v: np.stack([c.loadings for c in found if c.video_index == v], 1) for v in videos}


def test_one_recording_with_its_time_split_joined_or_of_each_video(
    processed: Key, another: Another, fbe: ModuleType
) -> None:
    split = require_equal(fbe, processed)
    with h5py.File(directory_of(fbe, processed) / "analysis_files/TCA.h5") as file:
        for video in (0, 1):
            stored = file[f"factors_rearranged/0/trials/time_{video}"][:]
            np.testing.assert_array_equal(split[video], stored)

    joined_key = another()
    joined = require_equal(fbe, joined_key)
    with h5py.File(directory_of(fbe, joined_key) / "analysis_files/TCA.h5") as file:
        assert file["factors_rearranged/0"].keys() == {"(xy points)", "frequency", "(time trials)"}
        whole = file["factors/0/(time trials)"][:]
    np.testing.assert_array_equal(np.concatenate([joined[0], joined[1]]), whole)
    of_videos = fbe.FacialRhythm.ComponentVideoFactor & joined_key
    assert set(of_videos.to_arrays("video_dimension")) == {"time"} and len(of_videos) == 6

    separate = another(method_handling_dictElements="separate")
    for video in (0, 1):
        own = require_equal(fbe, separate, str(video))
        assert list(own) == [video]
        with h5py.File(directory_of(fbe, separate) / "analysis_files/TCA.h5") as file:
            np.testing.assert_array_equal(own[video], file[f"factors/{video}/time"][:])
    figure = fbe.FacialRhythm.figure(separate, "components_1")
    start_s, end_s = figure.axes[2].get_xlim()
    durations = (fbe.FacialRhythm.Video & separate).to_arrays(
        "video_duration_s", order_by="video_index"
    )
    assert (start_s, end_s) == pytest.approx((durations[0], durations.sum()))


def test_stacked_videos_have_courses_of_their_own(another: Another, fbe: ModuleType) -> None:
    key = another(method_handling_dictElements="stack")
    loadings = require_equal(fbe, key)
    with h5py.File(directory_of(fbe, key) / "analysis_files/TCA.h5") as file:
        trials, time = file["factors/0/trials"][:], file["factors/0/time"][:]
    for video in (0, 1):
        np.testing.assert_array_equal(loadings[video], time * trials[video])


def test_default_parameters_and_rows_of_an_older_version(
    register: Callable[..., Key], videos: list[Path], fbe: ModuleType
) -> None:
    key = register(97, videos[:1])
    tree = deepcopy(PARAMETERS)
    tree["TCA"] = {"fit": PARAMETERS["TCA"]["fit"]}  # type: ignore[index]
    key["paramset_id"] = fbe.FaceRhythmParamSet.insert_new_params(None, "as usual", tree)
    fbe.FaceRhythmTask.insert1({**key, "task_mode": "trigger"})
    for table in fbe.POPULATED:
        table.populate(key)
    loadings = require_equal(fbe, key)[0]
    results = fbe.FacialRhythm
    rows = (results.ComponentVideoFactor & key).to_dicts(order_by="component_index")
    assert [row["video_dimension"] for row in rows] == ["time"] * 3
    np.testing.assert_array_equal(np.stack([row["video_loadings"] for row in rows], 1), loadings)

    # before, the time of a single video was kept with what all videos share
    shared = [
        {name: row[name] for name in results.Component.primary_key}
        | {
            "dimension": "time",
            "n_loadings": len(row["video_loadings"]),
            "loadings": row["video_loadings"],
        }
        for row in rows
    ]
    (results.ComponentVideoFactor & key).delete_quick()
    results.ComponentFactor.insert(shared, allow_direct_insert=True)
    np.testing.assert_array_equal(require_equal(fbe, key)[0], loadings)


def test_a_pause_is_left_open(workflow: ModuleType, fbe: ModuleType, root_dir: Path) -> None:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.ingest import register_videos
    from element_facerhythm.parameters import parameters_from_mapping

    video = write_timed_video(root_dir / "mouse" / "pause.mp4", PAUSE)
    key = register_videos(
        session_choice("paused", 91),
        [video],
        Rois(seed_polygons=tuple(np.array(p, float) for p in TIMED_ROIS["points"])),
        parameters_from_mapping(TIMED_PARAMETERS).parameters,
    ).key
    for table in fbe.POPULATED:
        table.populate(key)
    require_equal(fbe, key)
    (course,) = fbe.FacialRhythm.time_courses(key)
    stored = (fbe.FacialRhythm.Video & key).fetch1("window_times_s")
    known = np.isfinite(course.loadings)
    np.testing.assert_array_equal(course.times_s[known], stored)
    inside = course.times_s[~known]
    before, after = stored[stored < PAUSE[149]], stored[stored > PAUSE[150]]
    assert len(inside) == 2 and before[-1] < inside[0] < inside[1] < after[0]
    assert len(before) + len(after) == len(stored)
    line = fbe.FacialRhythm.figure(key).axes[2].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), course.times_s)
    np.testing.assert_array_equal(np.isnan(line.get_ydata()), ~known)


def session_choice(subject: str, session_id: int) -> Any:
    from element_facerhythm.ingest import SessionChoice

    return SessionChoice.numbered(subject, session_id)


def test_figures_of_a_row_are_those_of_its_project(processed: Key, fbe: ModuleType) -> None:
    from element_facerhythm.figures import draw_figure, png_bytes

    project = Project.open(directory_of(fbe, processed))
    for name in NAMES:
        figure = fbe.FacialRhythm.figure(processed, name)
        assert png_bytes(figure) == png_bytes(draw_figure(project, name)), name
    with pytest.raises(RequestError, match=r"there is no figure 'traces'.*expected one of rois,"):
        fbe.FacialRhythm.figure(processed, "traces")


def test_a_key_of_none_or_several_and_a_model_that_is_not_there(
    processed: Key, another: Another, fbe: ModuleType
) -> None:
    another()
    results = fbe.FacialRhythm
    nobody = {**processed, "subject": "nobody"}
    for ask in (results.time_courses, results.spatial_maps, results.spectra, results.figure):
        with pytest.raises(RequestError, match="is no result: nothing with this key was populated"):
            ask(nobody)
        with pytest.raises(RequestError, match=r"results; expected the key of one, .*paramset_id"):
            ask({"subject": "mouse1"})
    with pytest.raises(RequestError, match=r"has no model '7'; expected one of 0"):
        results.time_courses(processed, "7")


def test_workers_draw_unless_told_not_to(
    register: Callable[..., Key], fbe: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = register(92)
    fbe.RecordingInfo.populate(drawn)
    monkeypatch.delenv("FACERHYTHM_FIGURES")
    fbe.FaceRhythmProcessing.populate(drawn)
    directory = directory_of(fbe, drawn)
    assert pictures_of(directory) == {"tracking.mp4", *(f"{name}.png" for name in NAMES)}
    assert all(
        cv2.imread(str(path)) is not None for path in (directory / "visualizations").glob("*.png")
    )
    assert not any("figure" in note for note in (fbe.FaceRhythmProcessing & drawn).fetch1("notes"))

    monkeypatch.setenv("FACERHYTHM_FIGURES", "off")
    bare = register(93)
    fbe.RecordingInfo.populate(bare)
    fbe.FaceRhythmProcessing.populate(bare)
    assert pictures_of(directory_of(fbe, bare)) == set()
    digests = [
        list((fbe.FaceRhythmProcessing.Product & k).to_arrays("product", order_by="product"))
        for k in (drawn, bare)
    ]
    assert digests[0] == digests[1]
    monkeypatch.setenv("FACERHYTHM_FIGURES", "perhaps")
    third = register(94)
    fbe.RecordingInfo.populate(third)
    with pytest.raises(
        RequestError, match="FACERHYTHM_FIGURES is 'perhaps'; expected 'on' or 'off'"
    ):
        fbe.FaceRhythmProcessing.populate(third)


def test_a_figure_that_fails_is_a_note_and_no_failure(
    register: Callable[..., Key], fbe: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from element_facerhythm.figures import write

    def fail(project: Project) -> None:
        raise MemoryError("no room for a picture")

    monkeypatch.setattr(write, "spectrogram_figure", fail)
    monkeypatch.setenv("FACERHYTHM_FIGURES", "on")
    key = register(95)
    fbe.RecordingInfo.populate(key)
    fbe.FaceRhythmProcessing.populate(key)
    told = [n for n in (fbe.FaceRhythmProcessing & key).fetch1("notes") if "figure" in n]
    assert told == ["figure spectrogram could not be drawn: MemoryError: no room for a picture"]
    assert pictures_of(directory_of(fbe, key)) == {
        "tracking.mp4",
        *(f"{n}.png" for n in NAMES if n != "spectrogram"),
    }


def test_the_verb_draws_the_rows_that_are_chosen(
    processed: Key, another: Another, fbe: ModuleType, tmp_path: Path, facerhythm: Command
) -> None:
    second = another()
    counts = [len(table()) for table in (fbe.FaceRhythmProcessing, fbe.FacialRhythm)]
    shutil.rmtree(directory_of(fbe, processed) / "visualizations")
    keys = [f"--key={name}={processed[name]}" for name in ("paramset_id", "roi_id")]
    one = facerhythm("figures", "--subject", "mouse1", "--session", 1, *keys, "--json")
    assert one.code == 0, one.err
    told = json.loads(one.out)
    visualizations = directory_of(fbe, processed) / "visualizations"
    assert told["files"] == [str(visualizations / f"{name}.png") for name in NAMES]
    assert told["notes"] == [] and told["results"][0]["key"] == processed

    chosen = f"subject = 'mouse1' AND session_id = {processed['session_id']}"
    several = facerhythm("figures", "--where", chosen, "-o", tmp_path / "out", "--json")
    assert several.code == 0, several.err
    found = {result["key"]["paramset_id"]: result for result in json.loads(several.out)["results"]}
    assert {processed["paramset_id"], second["paramset_id"]} <= set(found)
    relative = (fbe.FaceRhythmProcessing & second).fetch1("project_dir")
    for path in found[second["paramset_id"]]["files"]:
        assert Path(path).parent == tmp_path / "out" / relative and Path(path).stat().st_size > 0
    assert [len(table()) for table in (fbe.FaceRhythmProcessing, fbe.FacialRhythm)] == counts


def test_the_verb_refuses_what_it_cannot_choose(processed: Key, facerhythm: Command) -> None:
    for words, sentence in (
        (("--subject", "nobody"), "has no run with subject=nobody, so there is nothing to draw"),
        (("--key", "colour=3"), "has no colour in its key, which is subject, session_id"),
        (("--session", "first"), "session_id"),
        (("--key", "paramset_id"), "expected NAME=VALUE"),
        ((), "give a project directory, or say which rows"),
    ):
        refused = facerhythm("figures", *words)
        assert refused.code == 2 and sentence in refused.err, (words, refused.err)
        assert refused.out == ""


def test_a_movie_of_a_row_shows_the_videos_of_its_recording(
    processed: Key, fbe: ModuleType, tmp_path: Path, facerhythm: Command
) -> None:
    keys = [f"--key={name}={value}" for name, value in processed.items()]
    wanted = ("export", "movie", *keys, "--frames", "0:20", "-o", tmp_path / "a.mp4", "--json")
    outcome = facerhythm(*wanted)
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    assert told["key"] == processed and told["frames"] == [0, 20]
    assert (
        cv2.VideoCapture(str(tmp_path / "a.mp4")).get(cv2.CAP_PROP_FRAME_COUNT)
        == told["n_pictures"]
    )
    refused = facerhythm("export", "movie", "--subject", "nobody", "-o", tmp_path / "b.mp4")
    assert refused.code == 2 and "has no run with subject=nobody" in refused.err


def test_a_movie_of_a_row_shows_the_keypoints_of_its_recording(
    processed: Key, inferred: Key, tmp_path: Path, facerhythm: Command
) -> None:
    keys = [f"--key={name}={value}" for name, value in processed.items()]
    wanted = (
        "export",
        "movie",
        *keys,
        "--what",
        "keypoints",
        "--frames",
        "0:20",
        "--likelihood",
        0,
    )
    model = f"model_id={inferred['model_id']}"
    outcome = facerhythm(*wanted, "--keypoints", model, "-o", tmp_path / "a.mp4", "--json")
    assert outcome.code == 0, outcome.err
    plain = facerhythm("export", "movie", *keys, "--frames", "0:20", "-o", tmp_path / "b.mp4")
    assert plain.code == 0, plain.err
    shown, without = (
        cv2.VideoCapture(str(tmp_path / name)).read()[1].astype(int) for name in ("a.mp4", "b.mp4")
    )
    assert np.abs(shown - without).max() > 100
    refused = facerhythm(*wanted, "--keypoints", "model_id=99", "-o", tmp_path / "c.mp4")
    assert refused.code == 2 and model in refused.err and not (tmp_path / "c.mp4").exists()
    of_directory = ("export", "movie", tmp_path, "--keypoints", model, "-o", tmp_path / "c.mp4")
    assert "names a row of the database" in facerhythm(*of_directory).err


def test_workers_write_the_movie_of_a_run_unless_told_not_to(
    register: Callable[..., Key], fbe: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACERHYTHM_FIGURES", "on")
    for session, wanted in ((396, "on"), (397, "off")):
        key = register(session)
        monkeypatch.setenv("FACERHYTHM_MOVIES", wanted)
        for table in fbe.POPULATED[:2]:
            table.populate(key)
        path = directory_of(fbe, key) / "visualizations" / "tracking.mp4"
        assert path.exists() == (wanted == "on")
        if path.exists():
            assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) > 20
        (fbe.VideoRecording & key).delete(prompt=False)


def test_a_report_of_rows_is_called_by_their_key_and_changes_nothing(
    processed: Key, fbe: ModuleType, tmp_path: Path, facerhythm: Command
) -> None:
    counts = [len(table()) for table in (fbe.FaceRhythmProcessing, fbe.FacialRhythm)]
    keys = [f"--key={name}={processed[name]}" for name in ("paramset_id", "roi_id")]
    chosen = ("--subject", "mouse1", "--session", 1, *keys)
    output = tmp_path / "report.html"
    done = facerhythm("report", *chosen, "-o", output, "--json")
    assert done.code == 0, done.err
    (result,) = json.loads(done.out)["results"]
    assert result["key"] == processed
    page = output.read_text()
    assert "<h1>Facial rhythms of subject=mouse1 session_id=1" in page
    rows = fbe.FacialRhythm.Component & processed
    for peak_hz in rows.to_arrays("peak_frequency_hz"):
        assert f'<data value="{float(peak_hz)!r}">' in page
    assert [len(table()) for table in (fbe.FaceRhythmProcessing, fbe.FacialRhythm)] == counts
    refused = facerhythm("report", "--subject", "nobody", "-o", tmp_path / "none.html")
    assert refused.code == 2 and "has no run with subject=nobody" in refused.err
