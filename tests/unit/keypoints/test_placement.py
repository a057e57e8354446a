"""Rows go to the frames that they are of, and what a file leaves open or contradicts is told."""

import re

import numpy as np
import pytest

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.placement import placed
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.keypoints.ranges import in_range, outside_note
from element_facerhythm.keypoints.reading_options import ReadingOptions

N_FRAMES, RATE_HZ = 120, 30.0


def rows(n, *, numbers=None, times=None, rate=None, software="DeepLabCut", variables=False):
    """Predictions whose row t says (t, -t)."""
    t = np.arange(n, dtype=float)
    positions = np.stack([t, -t], axis=1)[:, None, None]
    extra = {"spread": t[:, None, None] * 2} if variables else {}
    return Predictions(
        positions,
        np.full((n, 1, 1), 0.5),
        ("nose",),
        source_software=software,
        frame_rate_hz=rate,
        variables=extra,
        frame_numbers=None if numbers is None else np.asarray(numbers),
        times_s=None if times is None else np.asarray(times, float),
    )


def where(predictions, *, n_frames=N_FRAMES, rate_hz=RATE_HZ, frame_times_s=None, **options):
    """Frame of each row, and the placement."""
    placement = placed(
        predictions,
        n_frames=n_frames,
        frame_rate_hz=rate_hz,
        source="tracks.x",
        options=ReadingOptions(**options),
        frame_times_s=frame_times_s,
    )
    x = placement.predictions.positions[:, 0, 0, 0]
    assert len(x) == n_frames
    frames = np.flatnonzero(~np.isnan(x))
    np.testing.assert_array_equal(x[frames], np.arange(len(frames)))  # in their order
    assert placement.n_filled == n_frames - len(frames)
    assert placement.predictions.frame_rate_hz == rate_hz
    return frames, placement


def test_rows_of_every_frame_are_the_frames():
    for predictions in (rows(120), rows(120, numbers=np.arange(120)), rows(120, rate=29.97)):
        frames, placement = where(predictions)
        np.testing.assert_array_equal(frames, np.arange(120))
        assert placement.n_filled == 0


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (np.arange(100), "20 after its last row"),
        (np.arange(10, 120), "10 before its first row"),
        (np.delete(np.arange(120), np.arange(50, 60)), "10 between its rows"),
        (np.arange(0, 120, 2), "59 between its rows, 1 after its last row"),
        (np.array([7]), "7 before its first row, 112 after its last row"),
    ],
)
def test_numbered_rows_go_to_their_frames_and_the_rest_is_nan(numbers, words):
    frames, placement = where(rows(len(numbers), numbers=numbers, variables=True))
    np.testing.assert_array_equal(frames, numbers)
    (note,) = placement.notes
    assert f"says nothing of {120 - len(numbers)} of 120 frames" in note
    assert words in note
    np.testing.assert_array_equal(
        placement.predictions.variables["spread"][numbers, 0, 0], 2 * np.arange(len(numbers))
    )


def test_rows_without_numbers_begin_with_the_video_and_that_is_told():
    frames, placement = where(rows(100))
    np.testing.assert_array_equal(frames, np.arange(100))
    assert "its first row is taken for the first frame" in placement.notes[0]
    frames, _ = where(rows(100), first_frame=-20)
    np.testing.assert_array_equal(frames, np.arange(20, 120))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (np.arange(1, 121), r"frames 1 to 120 of a video that has 120.*--first-frame 1 "),
        (np.arange(100, 220), r"frames 100 to 219 .*--first-frame 100 "),
        (np.arange(-1, 119), r"frames -1 to 118 "),
        (np.r_[0:60, 70:130], "frames are missing in the video"),
        (np.r_[0:5, 4:119], "frame 4 in row 5 after frame 4: a number stands twice"),
        (np.r_[1, 0, 2:120], "frame 0 in row 1 after frame 1: a number stands out of order"),
        (np.arange(120)[::-1], "stands out of order"),
        (np.arange(121), "has predictions for 121 frames, the video has 120"),
        (np.arange(0), "has no row"),
    ],
)
def test_numbers_that_contradict_the_video_are_refused(numbers, words):
    with pytest.raises(KeypointError, match=words):
        where(rows(len(numbers), numbers=numbers))


def test_a_file_that_counts_from_another_number_is_read_when_that_is_said():
    frames, _ = where(rows(120, numbers=np.arange(1, 121)), first_frame=1)
    np.testing.assert_array_equal(frames, np.arange(120))
    frames, _ = where(rows(60, numbers=np.arange(130, 190)), first_frame=100)
    np.testing.assert_array_equal(frames, np.arange(30, 90))


REGULAR = np.arange(120) / 30
JITTER = REGULAR + np.random.default_rng(0).uniform(-0.008, 0.008, 120)


@pytest.mark.parametrize(
    ("times", "n_frames", "rate_hz", "expected"),
    [
        (REGULAR, 120, 30.0, np.arange(120)),
        (REGULAR, 120, 29.97, np.arange(120)),
        (np.arange(100_000) / 30, 100_000, 29.97, np.arange(100_000)),
        (JITTER, 120, 30.0, np.arange(120)),
        (REGULAR + 812.25, 120, 30.0, np.arange(120)),  # the clock of the session
        (np.arange(120.0), 120, 30.0, np.arange(120)),  # frame numbers
        (np.arange(20.0, 100.0), 120, 30.0, np.arange(20, 100)),
        (REGULAR[30:90], 120, 30.0, np.arange(30, 90)),
        (np.round(REGULAR[30:90], 3), 120, 30.0, np.arange(30, 90)),
        (np.r_[REGULAR[:60], REGULAR[70:]], 120, 30.0, np.r_[0:60, 70:120]),
        (np.arange(60) / 15, 120, 30.0, np.arange(0, 120, 2)),
        # frames 1000 to 1050 of a nominal rate, in a video whose measured one differs by a frame there
        (np.arange(1000, 1051) / 30, 2000, 29.97, np.arange(1000, 1051)),
        (JITTER[:100], 120, 30.0, np.arange(100)),
    ],
)
def test_times_lead_to_frames(times, n_frames, rate_hz, expected):
    frames, _ = where(rows(len(times), times=times), n_frames=n_frames, rate_hz=rate_hz)
    np.testing.assert_array_equal(frames, expected)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (np.r_[REGULAR[:60], REGULAR[60:] + 10 / 30], "frames 0 to 129 of a video that has 120"),
        (np.arange(120) / 60, "--frame-rate"),
        (np.r_[REGULAR[:5], REGULAR[4:119]], "expected times that ascend"),
        (np.r_[REGULAR[:5], np.nan, REGULAR[6:]], "has no time in row 5"),
    ],
)
def test_times_that_contradict_the_video_are_refused(times, words):
    with pytest.raises(KeypointError, match=words):
        where(rows(len(times), times=times))


def test_what_is_said_of_the_times_settles_them():
    frames, _ = where(rows(120, times=np.arange(120) / 60), frame_rate_hz=60.0)
    np.testing.assert_array_equal(frames, np.arange(120))
    frames, _ = where(rows(40, times=100 + REGULAR[10:50]), first_time_s=100.0)
    np.testing.assert_array_equal(frames, np.arange(10, 50))


def test_the_recordings_own_clock_goes_before_an_even_one():
    """A recorder that paused for five seconds after frame 59: by an even clock, rows 60 on have no frame."""
    clock = np.arange(120) / 30 + np.where(np.arange(120) < 60, 0, 5.0)
    some = np.r_[3:60, 62:118]
    frames, _ = where(rows(len(some), times=clock[some] + 0.003), frame_times_s=clock)
    np.testing.assert_array_equal(frames, some)
    # a tracker that knows the rate alone counts on through the pause
    frames, _ = where(rows(120, times=REGULAR), frame_times_s=clock)
    np.testing.assert_array_equal(frames, np.arange(120))
    with pytest.raises(KeypointError, match="video"):
        where(rows(len(some), times=clock[some] + 0.003))


def test_the_files_rate_is_kept_beside_the_videos_and_told():
    _, placement = where(rows(120, rate=30.0), rate_hz=29.97)
    assert placement.file_frame_rate_hz == 30.0
    assert placement.notes == ("tracks.x says 30 frames/s, the video 29.97: the video's is taken",)
    _, placement = where(rows(120, times=np.arange(120.0), rate=1.0))
    assert placement.file_frame_rate_hz is None  # frame numbers have none


def with_likelihood(value, software="DeepLabCut"):
    predictions = rows(8, software=software)
    predictions.likelihood[3] = value
    return predictions


@pytest.mark.parametrize("value", [7.3, -0.2, np.inf])
def test_likelihoods_that_are_none_are_refused(value):
    with pytest.raises(KeypointError, match=rf"likelihood {value:g} of nose in row 3"):
        in_range(with_likelihood(value))


def test_likelihoods_that_miss_one_by_rounding_are_put_there_and_scores_of_sleap_are_kept():
    rounded = in_range(with_likelihood(1.0000002))
    assert rounded.likelihood.max() == 1
    assert "1 likelihoods miss 0 or 1" in rounded.notes[0]
    scores = in_range(with_likelihood(1.07, "SLEAP"))
    assert scores.likelihood.max() == 1.07
    assert "1 of 8 scores exceed 1 (up to 1.07)" in scores.notes[0]


@pytest.mark.parametrize("value", [np.inf, -np.inf, -1e9])
def test_positions_that_are_none_are_refused(value):
    predictions = rows(8, numbers=np.arange(10, 18))
    predictions.positions[3, 0, 0, 1] = value
    with pytest.raises(KeypointError, match=re.escape(f"y {value:g} of nose in frame 13;")):
        in_range(predictions)


def test_positions_outside_of_the_picture_are_told():
    (note,) = outside_note(rows(120), 100, 200)
    assert note.startswith("119 of 120 positions lie outside of the frame of 100 x 200 px")


@pytest.mark.parametrize(
    "value",
    [[], {"unheard": 1}, {"first_frame": 1.5}, {"frame_rate_hz": -1}, {"container": "x"},
     {"rename": {"a": 1}}, {"table": 3}, {"video": True}, {"first_time_s": float("nan")}],
)  # fmt: skip
def test_options_of_a_row_are_checked(value):
    with pytest.raises(KeypointError, match=r"load_options|option \w+ of reading"):
        ReadingOptions.from_json(value)


def test_options_go_through_json():
    options = ReadingOptions(container=("a", "b"), first_frame=1, rename={"x/y": "z"})
    assert options.to_json() == {"container": ["a", "b"], "first_frame": 1, "rename": {"x/y": "z"}}
    assert ReadingOptions.from_json(options.to_json()) == options
    assert ReadingOptions().to_json() is None
