"""Where events have nothing to do with a quantity, p is as often below a number as that number says."""

import numpy as np
import pytest
from scipy import stats

from element_facerhythm.core.peri_event import (
    EventTimes,
    PeriEventSettings,
    Samples,
    peri_event,
)

RATE_HZ, N_FRAMES, N_RECORDINGS = 30.0, 2700, 80


def poisson(rng, end_s):
    return rng.uniform(0, end_s, 25)


def in_bouts(rng, end_s):
    return (rng.uniform(0, end_s - 1, 7)[:, None] + np.arange(6) * 0.15).ravel()


def regular(rng, end_s):
    return np.arange(rng.uniform(0, 4.3), end_s, 4.3)


@pytest.mark.parametrize("kind", [poisson, in_bouts, regular], ids=lambda kind: kind.__name__)
def test_p_is_uniform_for_slow_quantities_and_events_of_any_rhythm(kind):
    rng = np.random.default_rng(7)
    times = np.arange(N_FRAMES) / RATE_HZ
    settings = PeriEventSettings(bin_s=0.5, n_shuffles=99, n_bootstrap=0)
    p = []
    for _ in range(N_RECORDINGS):
        slow = np.convolve(rng.normal(0, 1, N_FRAMES + 89), np.hanning(90), "valid")
        values = np.abs(slow)
        values[rng.random(N_FRAMES) < 0.05] = np.nan
        events = EventTimes(kind(rng, times[-1]))
        (found,) = peri_event([Samples(times, values[None])], [events], settings)
        p.append(found.p_value)
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    assert np.mean(np.array(p) <= 0.05) < 0.14


def test_so_it_is_for_phases():
    rng = np.random.default_rng(8)
    times = np.arange(N_FRAMES) / RATE_HZ
    settings = PeriEventSettings(
        bin_s=1 / RATE_HZ, baseline_s=None, response_s=(0.0, 0.3), n_shuffles=99, n_bootstrap=0
    )
    p = []
    for _ in range(N_RECORDINGS // 2):
        phase = np.cumsum(rng.normal(2 * np.pi * 5 / RATE_HZ, 0.2, N_FRAMES))
        events = EventTimes(poisson(rng, times[-1]))
        (found,) = peri_event([Samples(times, np.exp(1j * phase)[None])], [events], settings)
        p.append(found.p_value)
    assert stats.kstest(p, "uniform").pvalue > 1e-3
