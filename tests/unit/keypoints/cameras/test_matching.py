"""Frames of several cameras: which show the same moment is said by their clocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.cameras.matching import match_frames


@settings(max_examples=60, deadline=None)
@given(
    st.integers(20, 120),
    st.integers(20, 120),
    st.lists(st.integers(0, 39), max_size=15, unique=True),
    st.floats(-0.4, 0.4),
    st.integers(0, 1000),
)
def test_every_frame_gets_the_nearest_one_and_none_is_used_twice(
    rate, other_rate, lost, shift, seed
):
    rng = np.random.default_rng(seed)
    first = np.arange(40) / rate + rng.uniform(-0.1, 0.1, 40) / rate
    other = np.delete(np.arange(40), lost) / other_rate + shift / other_rate
    tolerance = 0.5 / min(rate, other_rate)
    apart = np.abs(first[:, None] - other)
    if apart.min() > tolerance:
        return
    match = match_frames([first, other], ["a", "b"], [tolerance] * 2)
    rows = match.rows[1]
    taken = rows[rows >= 0]
    assert len(set(taken.tolist())) == len(taken)
    assert match.n_matched.tolist() == [40, len(taken)]
    assert match.n_left.tolist() == [0, len(other) - len(taken)]
    for t, row in enumerate(rows):
        mutual = apart[:, apart[t].argmin()].min() == apart[t].min()
        if row >= 0:
            assert apart[t, row] == apart[t].min() <= tolerance * (1 + 1e-9)
        else:
            assert apart[t].min() > tolerance or not mutual


def test_dropped_frames_do_not_shift_what_comes_after():
    """By index, every pair after the loss would be of two moments."""
    times = np.arange(100) / 50
    kept = np.delete(np.arange(100), [30, 31, 60])
    match = match_frames([times, 7.0 + times[kept] - 7.0], ["left", "right"])
    assert [int(t) for t in np.flatnonzero(match.rows[1] < 0)] == [30, 31, 60]
    np.testing.assert_array_equal(kept[match.rows[1][match.rows[1] >= 0]], kept)
    assert match.notes(["left", "right"]) == (
        "3 of 100 frames of left have no frame of right within 10 ms",
    )


def test_a_faster_camera_gives_each_moment_its_nearest_frame():
    slow, fast = np.arange(50) / 50, np.arange(125) / 125 + 0.0003
    match = match_frames([slow, fast], ["slow", "fast"])
    np.testing.assert_array_equal(match.rows[1], np.rint((slow - 0.0003) * 125))
    assert match.n_left.tolist() == [0, 75]
    assert match.notes(["slow", "fast"]) == (
        "75 frames of fast belong to no frame of slow: left out",
    )


def test_clocks_that_never_meet_are_refused():
    times = np.arange(50) / 50
    with pytest.raises(
        KeypointError, match=r"no frame of b \(1000 to 1000.98 s\).*not of one clock"
    ):
        match_frames([times, times + 1000], ["a", "b"])
    with pytest.raises(KeypointError, match="camera b has 3 frame times that do not rise"):
        match_frames([times, np.array([0.0, 0.2, 0.1])], ["a", "b"])
