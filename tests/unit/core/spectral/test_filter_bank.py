"""The filters against a second formula, written out sample by sample."""

import math

import numpy as np
import pytest
import scipy.signal

from element_facerhythm.core.spectral import filter_bank as filter_bank_module
from element_facerhythm.core.spectral import filter_length, make_filter_bank
from element_facerhythm.errors import ParameterError

BANK = {
    "frame_rate_hz": 120.0,
    "q_low": 2.0,
    "q_high": 6.0,
    "freq_min_hz": 3.0,
    "freq_max_hz": 50.0,
    "n_freq_bins": 7,
}

WINDOWS = {
    "hann": lambda u: 0.5 + 0.5 * math.cos(2 * math.pi * u),
    # 10,000 samples, of which the first and the last lie at u = -1/2 and 1/2
    "gaussian": lambda u: math.exp(-0.5 * (u * 9999 / 1500) ** 2),
    "boxcar": lambda u: 1.0,
}


def one_filter(window_type, frequency, quality, n_taps, rate):
    """The definition in the module's docstring, with an analytic signal by plain sums."""
    length = int(np.float32(quality) * np.float32(rate / frequency))
    wave = np.zeros(n_taps)
    for k in range(n_taps):
        u = (k / (n_taps - 1) - 0.5) * n_taps / length
        window = WINDOWS[window_type](u) if abs(u) <= 0.5 else 0.0
        wave[k] = window * math.cos(
            math.pi * (2 * k / (n_taps - 1) - 1) * frequency * n_taps / rate
        )
    k = np.arange(n_taps)
    analytic = np.full(n_taps, wave.mean(), dtype=complex)
    for m in range(1, (n_taps - 1) // 2 + 1):  # positive frequencies only, doubled
        coefficient = np.sum(wave * np.exp(-2j * np.pi * m * k / n_taps)) / n_taps
        analytic += 2 * coefficient * np.exp(2j * np.pi * m * k / n_taps)
    return analytic / np.abs(analytic).sum()


@pytest.mark.parametrize("window_type", sorted(WINDOWS))
def test_filters_follow_their_definition(window_type):
    bank = make_filter_bank(**BANK, window_type=window_type)
    ratio = (50 / 3) ** (1 / 6)
    for i in range(7):
        frequency, quality = 3 * ratio**i, 2 * 3 ** (i / 6)
        expected = one_filter(window_type, frequency, quality, 81, 120.0)
        assert bank.frequencies_hz[i] == pytest.approx(frequency, rel=1e-6)
        np.testing.assert_allclose(
            bank.filters[i], expected, atol=2e-6 * np.abs(expected).max(), rtol=0
        )


def test_one_sided_windows_keep_one_half_and_taper_the_centre():
    both = make_filter_bank(**BANK)
    left = make_filter_bank(**BANK, symmetry="left", taper_asymmetric=True)
    right = make_filter_bank(**BANK, symmetry="right", taper_asymmetric=False)
    centre = both.n_taps // 2
    np.testing.assert_array_equal(left.windows[:, :centre], both.windows[:, :centre])
    np.testing.assert_array_equal(left.windows[:, centre], both.windows[:, centre] / 2)
    assert not left.windows[:, centre + 1 :].any()
    np.testing.assert_array_equal(right.windows[:, centre:], both.windows[:, centre:])
    assert not right.windows[:, :centre].any()


@pytest.mark.parametrize(
    ("rate", "q_low", "freq_min", "expected"),
    [(250.0, 1.5, 4.0, 95), (90.0, 3.0, 1.0, 271), (30.0, 1.0, 15.0, 3), (100.0, 1.0, 10.0, 11)],
)
def test_the_filter_length_is_the_next_odd_number(rate, q_low, freq_min, expected):
    length = filter_length(frame_rate_hz=rate, q_low=q_low, freq_min_hz=freq_min)
    bank = make_filter_bank(
        frame_rate_hz=rate,
        q_low=q_low,
        q_high=q_low,
        freq_min_hz=freq_min,
        freq_max_hz=freq_min,
        n_freq_bins=1,
    )
    assert length == bank.n_taps == expected


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"freq_max_hz": 60.5}, "Nyquist frequency of 60 Hz"),
        ({"freq_min_hz": 51.0}, "above freq_max_hz"),
        ({"freq_min_hz": 0.0}, "freq_min_hz is 0.0"),
        ({"q_low": float("nan")}, "q_low is nan"),
        ({"n_freq_bins": 0}, "n_freq_bins is 0"),
        ({"window_type": "hahn"}, "'hahn'"),
        ({"window_type": "kaiser"}, "'kaiser'"),
        ({"symmetry": "centre"}, "expected one of center, left, right"),
    ],
)
def test_impossible_filters_are_refused_by_name(change, told):
    with pytest.raises(ParameterError, match=told):
        make_filter_bank(**{**BANK, **change})


def test_windows_and_analytic_signals_are_those_of_scipy_signal() -> None:
    hann = scipy.signal.get_window("hann", 10_000, fftbins=False)
    np.testing.assert_array_equal(filter_bank_module._mother_window("hann"), hann)
    for n_taps in (3, 5, 95):
        waves = np.random.default_rng(n_taps).normal(size=(4, n_taps))
        expected = scipy.signal.hilbert(waves, axis=1)
        np.testing.assert_array_equal(filter_bank_module._analytic(waves), expected)
