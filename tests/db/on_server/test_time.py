"""The time of a recording in the rows: gaps, given rates, files of times, parts."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import RequestError, VideoError
from tests.timed_scene import PARAMETERS, RHYTHM_HZ, ROIS, write_timed_video

REGULAR = np.arange(300) / 60
PAUSE = np.r_[REGULAR[:150], 5 + REGULAR[150:]]

Enter = Callable[..., dict[str, Any]]


@pytest.fixture
def enter(workflow: ModuleType, root_dir: Path) -> Enter:
    """Enter a recording of videos under a session number of its own; gives the task's key."""
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.ingest import SessionChoice, register_videos
    from element_facerhythm.parameters import parameters_from_mapping

    rois = Rois(seed_polygons=tuple(np.array(p, float) for p in ROIS["points"]))
    parameters = parameters_from_mapping(PARAMETERS).parameters

    def enter(session_id: int, *videos: Path, **options: Any) -> dict[str, Any]:
        choice = SessionChoice.numbered("timed", session_id)
        return register_videos(choice, list(videos), rois, parameters, **options).key

    return enter


@pytest.fixture
def folder(root_dir: Path, request: pytest.FixtureRequest) -> Path:
    """A directory of the test's own below the root."""
    made = root_dir / request.node.name
    made.mkdir()
    return made


def test_a_pause_stands_in_the_rows_and_nothing_spans_it(
    enter: Enter, folder: Path, fbe: ModuleType
) -> None:
    key = enter(1, write_timed_video(folder / "a.mp4", PAUSE))
    fbe.RecordingInfo.populate(key)
    info = (fbe.RecordingInfo & key).fetch1()
    assert info["frame_rate_hz"] == pytest.approx(60) and info["frame_rate_source"] == "stamps"
    assert info["header_frame_rate_hz"] == pytest.approx(30, rel=0.01)
    assert (info["n_gaps"], info["n_dropped_frames"], bool(info["rate_changes"])) == (1, 0, False)
    assert info["duration_s"] == pytest.approx(10, abs=1e-3)
    gap = (fbe.RecordingInfo.Gap & key).fetch1()
    assert (gap["after_frame"], gap["n_missing"], bool(gap["bridged"])) == (149, 300, False)
    assert gap["gap_s"] == pytest.approx(5, abs=1e-3)
    for table in fbe.POPULATED:
        table.populate(key)
    video = (fbe.FacialRhythm.Video & key).fetch1()
    np.testing.assert_allclose(np.asarray(video["video_frame_times"]), PAUSE, atol=2e-5)
    times = video["window_times_s"]
    assert len(times) == video["n_windows"]
    assert not ((times > PAUSE[149]) & (times < PAUSE[150])).any()
    peak = (fbe.FacialRhythm.Component & key).fetch1("peak_frequency_hz")
    assert peak == pytest.approx(RHYTHM_HZ, rel=0.05)
    assert video["video_n_gaps"] == 1 and video["video_duration_s"] == pytest.approx(10, abs=1e-3)


def test_a_given_rate_and_a_part_are_columns_and_count(
    enter: Enter, folder: Path, fbe: ModuleType
) -> None:
    video = write_timed_video(folder / "a.mp4", PAUSE)
    key = enter(2, video, frame_rate_hz=60.0, frames="20:280")
    for table in fbe.POPULATED:
        table.populate(key)
    info = (fbe.RecordingInfo & key).fetch1()
    assert (info["frame_rate_source"], info["n_gaps"], info["n_frames"]) == ("given", 0, 300)
    assert (fbe.VideoRecording & key).fetch1("given_frame_rate_hz") == 60.0
    assert (fbe.FaceRhythmTask & key).fetch1("frames") == "20:280"
    row = (fbe.FacialRhythm.Video & key).fetch1()
    assert row["video_n_frames"] == 260
    assert np.asarray(row["video_frame_times"])[0] == pytest.approx(20 / 60)
    with pytest.raises(RequestError, match=r"expected A:B"):
        fbe.FaceRhythmTask.insert1({**key, "roi_id": 1, "frames": "5"})
    with pytest.raises(RequestError, match="was entered with frame rate 60"):
        enter(2, video, frame_rate_hz=50.0, frames="20:280")


def test_files_of_times_are_entered_and_must_stay(
    enter: Enter, folder: Path, fbe: ModuleType
) -> None:
    video = write_timed_video(folder / "a.mp4", PAUSE, stamps_s=list(REGULAR))
    times = folder / "a_timestamps.txt"
    times.write_text("\n".join(f"{time:.6f}" for time in PAUSE))
    (folder / "metadata.json").write_text(
        '{"SubjectName": "m1", "StartTime": "2026-01-02T03:04:05"}'
    )
    key = enter(3, video)
    fbe.RecordingInfo.populate(key)
    file = (fbe.RecordingInfo.File & key).fetch1()
    assert (file["times_file"], len(file["times_sha256"])) == ("a_timestamps.txt", 64)
    assert file["acquisition"]["SubjectName"] == "m1"
    assert (fbe.RecordingInfo & key).fetch1("n_gaps") == 1
    times.write_text("\n".join(f"{time:.6f}" for time in 2 * PAUSE))
    with pytest.raises(VideoError, match=r"came from a_timestamps\.txt"):
        fbe.FaceRhythmProcessing.populate(key)
    own = enter(4, video, times=("stamps",))
    fbe.RecordingInfo.populate(own)
    assert (fbe.RecordingInfo & own).fetch1("frame_rate_source") == "stamps"
    assert (fbe.VideoRecording.File & own).fetch1("times_path") == "stamps"


def test_predictions_are_placed_by_the_clock_and_keep_it(
    enter: Enter, folder: Path, fbe: ModuleType, workflow: ModuleType
) -> None:
    from element_facerhythm.ingest.keypoints import populate_keypoints, register_arrays
    from element_facerhythm.keypoints.predictions import Predictions

    kpi = workflow.keypoint_inference
    key = enter(5, write_timed_video(folder / "a.mp4", PAUSE))
    recording = {name: key[name] for name in fbe.VideoRecording.primary_key}
    planted = np.arange(280.0)[:, None, None, None] + np.zeros((1, 1, 1, 2))
    told = Predictions(planted, np.ones((280, 1, 1)), ("whisker tip",), times_s=PAUSE[10:290])
    done = register_arrays(recording, told, model_name="timed", add_body_parts=True)
    populate_keypoints(done.key)
    assert (kpi.KeypointInference & done.key).fetch1("n_filled_frames") == 20
    found = kpi.KeypointInference.fetch_predictions(done.key)
    np.testing.assert_allclose(found.times_s, PAUSE, atol=2e-5)
    x = found.positions[:, 0, 0, 0]
    np.testing.assert_array_equal(x[10:290], np.arange(280))
    assert np.isnan(x[:10]).all() and np.isnan(x[290:]).all()
