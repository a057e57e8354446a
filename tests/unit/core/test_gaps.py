"""Pauses of a recording are left open, and found again in the times of windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from element_facerhythm.core.gaps import breaks_at, opened_at, pause_breaks


def test_breaks_lie_between_the_values_on_either_side():
    frames = np.array([2.0, 6.0, 10.0, 20.0, 24.0])
    assert breaks_at(frames, [12, 15]) == (3,)  # both between two values
    assert breaks_at(frames, [0, 24, 30]) == ()  # before and after all
    assert breaks_at(frames, [6, 20]) == (2, 4)


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    pauses_s=st.lists(st.floats(0.5, 100), min_size=3, max_size=3),
    step_s=st.sampled_from([0.02, 0.1, 1.0]),
)
def test_times_rise_and_values_stay_where_they_were(lengths, pauses_s, step_s):
    starts, end = [], 0.0
    for length, pause in zip(lengths, [0.0, *pauses_s], strict=False):
        starts.append(end + pause * step_s + np.arange(length) * step_s)
        end = starts[-1][-1] + step_s
    times, values = np.concatenate(starts), RNG.random((sum(lengths), 2))
    breaks = tuple(np.cumsum(lengths)[:-1])
    opened, filled = opened_at(breaks, times, values)
    assert (np.diff(opened) > 0).all()
    known = np.isfinite(filled[:, 0])
    np.testing.assert_array_equal(opened[known], times)
    np.testing.assert_array_equal(filled[known], values)
    assert (~known).sum() == 2 * len(breaks)


RNG = np.random.default_rng(0)


@pytest.mark.parametrize("jitter_s", [0.0, 2e-3])
def test_pauses_are_found_in_times_alone(jitter_s):
    times = np.r_[np.arange(40), 47 + np.arange(30), 90.3 + np.arange(50)] * 4 / 60.0
    times += RNG.normal(0, jitter_s, len(times))
    assert pause_breaks(times, 2, 60.0) == (40, 70)
    assert pause_breaks(times, 5, 60.0) == (40, 70)  # some have no window between them
    assert pause_breaks(times, 0, 60.0) == ()
    assert pause_breaks(times[:1], 1, 60.0) == ()
