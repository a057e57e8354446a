"""What was planted around events is found: when, how much, in which phase; and chance is called chance."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from element_facerhythm.core.peri_event import (
    EventTimes,
    PeriEventSettings,
    Samples,
    peri_event,
)
from element_facerhythm.errors import ParameterError

RATE_HZ = 100.0
QUICK = PeriEventSettings(n_bootstrap=200, n_shuffles=199)


def one(samples, events, settings=QUICK):
    (found,) = peri_event([samples], [events], settings)
    return found


def by_hand(times_s, values, events_s, stops_s, settings):
    """Average of the means of each trial less its baseline, frame by frame."""
    edges, rows = settings.edges_s, []
    for event, stop in zip(events_s, stops_s, strict=True):
        lag = times_s - event
        known = np.isfinite(values) & (lag < stop)

        def mean(first, last, known=known, lag=lag):
            inside = known & (lag >= first - 1e-12) & (lag < last - 1e-12)
            return values[inside].mean() if inside.any() else np.nan

        before = mean(*settings.baseline_s) if settings.baseline_s else 0.0
        pieces = [*itertools.pairwise(edges), settings.response]
        rows.append([mean(a, b) - before for a, b in pieces])
    return np.nanmean(rows, axis=0), np.isfinite(rows).sum(axis=0)


def test_averages_are_those_by_hand_with_gaps_missing_frames_and_trials_of_any_length():
    rng = np.random.default_rng(1)
    times = (
        np.arange(3000) / 128
    )  # whole fractions of two: no frame lies on either side of an edge by rounding
    times[1200:] += 7.0  # a pause
    values = rng.normal(5, 1, 3000)
    values[rng.random(3000) < 0.2] = np.nan
    events = np.sort(rng.choice(times, 12, replace=False))
    events[[0, -1]] = times[10], times[-20]
    lengths = np.where(np.arange(12) % 3 == 0, 0.75, np.inf)
    settings = replace(QUICK, window_s=(-1.0, 1.5), bin_s=0.125, n_shuffles=0)
    found = one(Samples(times, values[None]), EventTimes(events, lengths), settings)
    expected, counts = by_hand(times, values, events, lengths, settings)
    np.testing.assert_allclose(found.mean, expected[:-1], atol=1e-9)
    np.testing.assert_array_equal(found.n_trials_in_bin, counts[:-1])
    assert found.estimate == pytest.approx(expected[-1], abs=1e-9)
    assert (found.n_events, found.n_trials, found.n_cut) == (12, counts[-1], 2)
    assert found.n_trials_in_bin[-1] < found.n_trials_in_bin[8] <= 12  # the short ones are over
    assert found.p_value is None and np.isnan(found.chance_low).all()
    assert ((found.low <= found.mean) & (found.mean <= found.high)).all()


def test_what_events_drive_is_found_with_its_size_and_chance_is_chance():
    rng = np.random.default_rng(2)
    n = 30_000
    times = np.arange(n) / RATE_HZ
    events = np.sort(rng.uniform(2, 297, 60))
    slow = np.convolve(rng.normal(0, 1, n + 99), np.hanning(100) / 20, "valid")
    driven = slow.copy()
    for event in events:
        driven[(times >= event + 0.2) & (times < event + 0.6)] += 1.0
    settings = replace(QUICK, window_s=(-0.5, 1.0), baseline_s=(-0.5, 0.0))
    samples = Samples(times, np.stack([driven, slow]))
    caused, chance = peri_event([samples], [EventTimes(events)], settings)
    lags = caused.lags_s
    rise = caused.mean[(lags > 0.22) & (lags < 0.58)].mean() - caused.mean[lags < 0].mean()
    assert rise == pytest.approx(1.0, abs=0.2)
    assert caused.p_value == 1 / 200 and caused.estimate_low > 0.2
    assert (caused.mean > caused.chance_high)[(lags > 0.25) & (lags < 0.55)].all()
    assert chance.p_value > 0.05 and chance.estimate_low < 0 < chance.estimate_high
    again, _ = peri_event([samples], [EventTimes(events)], settings)
    np.testing.assert_array_equal(again.low, caused.low)
    assert again.p_value == caused.p_value and again.estimate_high == caused.estimate_high
    other, _ = peri_event([samples], [EventTimes(events)], replace(settings, seed=1))
    assert not np.array_equal(other.low, caused.low)


def test_a_phase_that_events_reset_is_found_with_its_direction():
    rng = np.random.default_rng(3)
    n, hz = 20_000, 7.0
    times = np.arange(n) / RATE_HZ
    events = np.sort(rng.choice(times[200:-200], 40, replace=False))
    phase = np.cumsum(rng.normal(2 * np.pi * hz / RATE_HZ, 0.12, n))
    for first in np.searchsorted(times, events):
        phase[first:] += 1.0 - phase[first]
    values = np.exp(1j * phase)
    values[rng.random(n) < 0.1] = np.nan
    settings = replace(QUICK, baseline_s=None, response_s=(0.0, 0.3), bin_s=0.01)
    found = one(Samples(times, values[None]), EventTimes(events), settings)
    assert found.phase_rad is not None and len(found.mean) == 300
    at = np.searchsorted(found.lags_s, 0.0)
    assert found.mean[at] > 0.98 and found.mean[at - 30] < 0.5
    assert found.phase_rad.mean[at] == pytest.approx(1.0, abs=0.05)
    ahead = np.angle(np.exp(1j * (found.phase_rad.mean[at + 10] - 1.0 - 2 * np.pi * hz * 0.1)))
    assert abs(ahead) < 0.25
    low, high = found.phase_rad.low[at + 10], found.phase_rad.high[at + 10]
    assert low < found.phase_rad.mean[at + 10] < high < low + 1
    assert found.p_value == 1 / 200 and found.estimate > 0.8


def test_videos_one_after_the_other_are_one_recording():
    rng = np.random.default_rng(4)
    values = rng.normal(0, 1, (2, 4000))
    events = np.array([5.0, 12.0, 25.0])
    videos = [Samples(np.arange(4000) / RATE_HZ, row[None]) for row in values]
    (both,) = peri_event(videos, [EventTimes(events), EventTimes(events + 1)], QUICK)
    parts = [
        one(video, EventTimes(own)) for video, own in zip(videos, (events, events + 1), strict=True)
    ]
    np.testing.assert_allclose(both.mean, np.mean([part.mean for part in parts], axis=0))
    assert both.n_events == 6
    (without,) = peri_event(videos, [EventTimes(events), EventTimes(np.zeros(0))], QUICK)
    np.testing.assert_allclose(without.mean, parts[0].mean)


def test_events_are_moved_within_what_was_recorded_alone():
    """With 9 of 10 parts of the time in a pause, no trial is lost by moving events into it."""
    rng = np.random.default_rng(5)
    times = np.r_[np.arange(3000), np.arange(30_000, 33_000)] / RATE_HZ
    values = rng.normal(0, 1, (1, 6000))
    events = EventTimes(np.sort(rng.choice(times, 30, replace=False)))
    for shuffle in ("train", "events"):
        found = one(Samples(times, values), events, replace(QUICK, shuffle=shuffle))
        assert found.p_value > 0.01
        assert (found.chance_high - found.chance_low < 4 * 2 / np.sqrt(30)).all()


def test_overlapping_trials_give_wider_bands_than_trials_that_are_taken_as_independent():
    rng = np.random.default_rng(6)
    n = 12_000
    slow = np.convolve(rng.normal(0, 1, n + 299), np.hanning(300) / 12, "valid")
    samples = Samples(np.arange(n) / RATE_HZ, slow[None])
    starts = rng.uniform(3, 110, 12)
    licks = EventTimes((starts[:, None] + np.arange(8) * 0.15).ravel())
    close = one(samples, licks, replace(QUICK, n_shuffles=0, n_bootstrap=500))
    single = one(samples, EventTimes(starts), replace(QUICK, n_shuffles=0, n_bootstrap=500))
    ratio = (close.estimate_high - close.estimate_low) / (
        single.estimate_high - single.estimate_low
    )
    assert 0.6 < ratio < 1.6  # 96 licks say no more than 12 bouts of them


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"window_s": (1.0, 2.0)}, "holds the event"),
        ({"window_s": (2.0, -1.0)}, "the first smaller"),
        ({"window_s": (float("nan"), 1.0)}, "two numbers"),
        ({"baseline_s": (-3.0, 0.0)}, "within the window -1:2"),
        ({"response_s": (1.0, 1.0)}, "response 1:1"),
        ({"bin_s": 0.0}, "above 0"),
        ({"bin_s": 1e-6}, "at most 10000 bins"),
        ({"n_shuffles": -1}, "n_shuffles -1"),
        ({"shuffle": "frames"}, "expected one of train, events"),
        ({"confidence": 1.0}, "between 0 and 1"),
    ],
)
def test_settings_that_cannot_be_say_so(changes, says):
    with pytest.raises(ParameterError, match=says):
        replace(QUICK, **changes)


def test_what_cannot_be_averaged_says_so():
    times = np.arange(500) / RATE_HZ
    values = np.ones((1, 500))
    with pytest.raises(ParameterError, match="no events"):
        one(Samples(times, values), EventTimes(np.zeros(0)))
    with pytest.raises(ParameterError, match="no baseline"):
        one(Samples(times, values * 1j), EventTimes(np.ones(1)))
    with pytest.raises(ParameterError, match="later than the one before"):
        Samples(times[::-1], values)
    with pytest.raises(ParameterError, match="one length for each"):
        EventTimes(np.ones(2), np.ones(1))
    short = one(Samples(times, values), EventTimes(np.array([2.0])))
    assert short.p_value is None and np.isnan(short.estimate_low)  # 5 s, and one trial
