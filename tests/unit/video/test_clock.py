"""Rate, jitter and gaps of clocks whose truth is known."""

import numpy as np
import pytest

from element_facerhythm.video.clock import (
    common_rate_hz,
    even_clock,
    have_one_rate,
    joined_clock,
    measure_clock,
)

N = 300
REGULAR = np.arange(N) / 60


def clock_of(times, nominal_hz=None):
    return measure_clock(np.asarray(times), "stamps", nominal_hz)


def test_equal_distances_bear_out_the_header():
    clock = clock_of(np.arange(1000) * 1001 / 30000, 30000 / 1001)
    assert clock.frame_rate_hz == 30000 / 1001 and clock.is_even and not clock.gaps
    assert clock.duration_s == pytest.approx(1000 * 1001 / 30000)
    assert clock_of(REGULAR, 30.0).frame_rate_hz == pytest.approx(60)


@pytest.mark.parametrize("rate_hz", [29.97, 59.94, 100.0, 240.0])
def test_whole_milliseconds_do_not_change_the_rate(rate_hz):
    clock = clock_of(np.round(np.arange(3000) / rate_hz, 3))
    assert clock.frame_rate_hz == pytest.approx(rate_hz, rel=1e-5)
    assert clock.is_even and not clock.gaps and clock.jitter_s < 5e-4


def test_a_pause_parts_the_recording():
    clock = clock_of(np.r_[REGULAR[:150], 5 + REGULAR[150:]], 30.0)
    (gap,) = clock.gaps
    assert (gap.after_frame, gap.n_missing, gap.is_bridged) == (149, 300, False)
    assert gap.seconds == pytest.approx(5.0) and clock.duration_s == pytest.approx(10.0)
    assert clock.frame_rate_hz == pytest.approx(60)
    assert [(s.first, s.stop, s.knots) for s in clock.stretches] == [
        (0, 150, None),
        (150, 300, None),
    ]


def test_a_first_frame_that_is_early_is_a_gap():
    clock = clock_of(np.r_[0, 0.3 + REGULAR])
    assert [gap.after_frame for gap in clock.gaps] == [0]
    assert [s.n_samples for s in clock.stretches] == [1, 300]


def test_a_rate_that_changes_gives_samples_at_the_median_rate():
    clock = clock_of(np.r_[REGULAR[:150], 2.5 + np.arange(150) / 30], 40.27)
    assert not clock.is_even and not clock.gaps
    assert clock.frame_rate_hz == pytest.approx(60) and clock.duration_s == pytest.approx(7.5)
    (stretch,) = clock.stretches
    assert stretch.n_samples == 449
    assert stretch.frames_of(np.array([10, 150, 152, 448])) == pytest.approx([10, 150, 151, 299])


def test_dropped_frames_keep_their_places():
    kept = np.sort(np.random.default_rng(0).choice(600, 540, replace=False))
    kept = kept - kept[0]
    clock = clock_of(kept / 60, 54.0)
    assert clock.is_even and clock.frame_rate_hz == pytest.approx(60)
    assert clock.n_dropped_frames == kept[-1] + 1 - 540 and not clock.pauses
    np.testing.assert_array_equal(clock.stretches[0].knots, kept)


@pytest.mark.parametrize("seed", range(10))
def test_jitter_is_told_and_breaks_nothing(seed):
    times = np.sort(REGULAR + np.random.default_rng(seed).normal(0, 0.004, N))
    clock = clock_of(times - times[0], 1000.0)
    assert clock.is_even and not clock.gaps
    assert clock.frame_rate_hz == pytest.approx(60, rel=1e-3)
    assert clock.jitter_s == pytest.approx(0.004, rel=0.2)


def test_trials_differ_by_what_jitter_explains_and_other_rates_do_not():
    rng = np.random.default_rng(3)
    trials = [
        clock_of(np.sort(np.arange(n) / 60 + rng.normal(0, 5e-4, n))) for n in (300, 287, 311)
    ]
    assert all(have_one_rate(trials[0], other, 1e-4) for other in trials)
    assert common_rate_hz(trials) == pytest.approx(60, rel=1e-4)
    assert not have_one_rate(trials[0], even_clock(300, 59.0, "header"), 1e-4)
    assert not have_one_rate(clock_of(REGULAR), clock_of(np.arange(300) / 60.1), 1e-4)


def test_a_part_keeps_the_times_of_the_whole_and_its_gaps():
    clock = clock_of(np.r_[REGULAR[:150], 5 + REGULAR[150:]])
    part = clock.part(100, 200)
    assert part.times_s[0] == pytest.approx(100 / 60) and part.n_frames == 100
    assert [gap.after_frame for gap in part.gaps] == [49]
    assert clock.part(0, 150).gaps == () and clock.part(150, 300).gaps == ()
    assert part.duration_s == pytest.approx(100 / 60 + 5)


def test_videos_end_to_end_are_one_clock():
    first = clock_of(np.r_[REGULAR[:150], 5 + REGULAR[150:]])
    whole = joined_clock([first, clock_of(REGULAR)])
    assert whole.n_frames == 600 and whole.duration_s == pytest.approx(15)
    assert whole.times_s[300] == pytest.approx(10) and (np.diff(whole.times_s) > 0).all()
    assert [gap.after_frame for gap in whole.gaps] == [149]


def test_a_clock_that_wanders_slowly_is_even_and_one_that_loses_every_second_frame_is_not():
    rate = 1 + 5e-5 * np.sin(np.arange(200_000) / 30_000)
    slow = clock_of(np.cumsum(rate) / 100, 100.0)
    assert slow.is_even and slow.frame_rate_hz == pytest.approx(100, rel=1e-4)
    kept = np.sort(np.random.default_rng(0).choice(200_000, 100_000, replace=False))
    assert not clock_of(kept / 100).is_even


def test_very_many_gaps_take_no_time():
    steps = np.ones(400_000)
    steps[::20] += 6
    clock = clock_of(np.cumsum(steps) / 100)
    assert len(clock.stretches) == len(clock.pauses) + 1 == 20_000
