"""The fast average: the error that is told beforehand is the one that is made."""

import itertools

import numpy as np
import pytest

from element_facerhythm.core.spectral import (
    TransformOptions,
    choose_strides,
    expected_errors,
    make_filter_bank,
    variable_q_transform,
)
from element_facerhythm.core.spectral import vqt as vqt_module
from element_facerhythm.core.spectral.strides import stride_weights

FACTOR = 20


@pytest.fixture(scope="module")
def bank():
    """Filters from slow ones up to the Nyquist frequency, where a band wraps around."""
    return make_filter_bank(
        frame_rate_hz=120.0,
        q_low=4.0,
        q_high=10.0,
        freq_min_hz=2.0,
        freq_max_hz=60.0,
        n_freq_bins=12,
    )


@pytest.mark.parametrize("stride", [2, 4, 5, 10, 20])
def test_the_expected_error_is_that_of_white_noise(bank, monkeypatch, stride):
    strides = np.full(bank.n_freq_bins, stride)
    monkeypatch.setattr(vqt_module, "choose_strides", lambda *_: strides)
    noise = np.random.default_rng(stride).standard_normal((20, 12_000)).astype(np.float32)
    options = {"downsample_factor": FACTOR, "padding": "valid", "take_abs": True}
    exact = variable_q_transform(noise, bank, TransformOptions(averaging="exact", **options))
    fast = variable_q_transform(noise, bank, TransformOptions(averaging="fast", **options))
    measured = np.sqrt(((fast - exact) ** 2).mean(axis=(0, 2)) / (exact**2).mean(axis=(0, 2)))
    expected = expected_errors(bank, FACTOR, [stride])[0]
    # Most of a small error comes from few places, where the magnitude almost vanishes. Filters at the
    # Nyquist frequency give no complex Gaussian output, which the formula is for.
    np.testing.assert_allclose(measured[:-1], expected[:-1], rtol=0.4, atol=1e-6)
    assert measured[-1] < 2 * expected[-1]


def test_strides_divide_the_window_and_grow_with_the_tolerance(bank):
    chosen = [choose_strides(bank, FACTOR, tolerance) for tolerance in (1e-5, 1e-3, 1e-1, 10)]
    assert all((FACTOR % strides == 0).all() for strides in chosen)
    assert all((fine <= coarse).all() for fine, coarse in itertools.pairwise(chosen))
    assert (chosen[-1] == FACTOR).all()
    assert (choose_strides(bank, FACTOR, 0.0) == 1).all()
    assert (choose_strides(bank, 1) == 1).all()
    assert set(choose_strides(bank, 7)) == {1, 7}
    assert (choose_strides(bank, 3_000, 10) == 60).all()


@pytest.mark.parametrize("stride", [1, 2, 4, 5, 10, 20])
def test_weights_average_polynomials_of_third_degree_exactly(stride):
    grid = stride_weights(FACTOR, stride)
    half_frames = np.arange(len(grid)) / 2 - stride
    for power in range(4):
        over_frames = (np.arange(FACTOR) ** float(power)).mean()
        assert grid @ half_frames**power == pytest.approx(over_frames, rel=1e-12)


@pytest.mark.parametrize("padding", ["valid", "same", "full"])
@pytest.mark.parametrize("n_frames", [700, 711])
def test_a_shorter_last_window_is_averaged_over_every_frame(bank, padding, n_frames):
    trace = np.random.default_rng(0).standard_normal((2, n_frames)).astype(np.float32)
    options = {"downsample_factor": FACTOR, "padding": padding, "take_abs": True}
    exact = variable_q_transform(trace, bank, TransformOptions(averaging="exact", **options))
    fast = variable_q_transform(trace, bank, TransformOptions(averaging="fast", **options))
    assert fast.shape == exact.shape
    kept = {
        "valid": n_frames - bank.n_taps + 1,
        "same": n_frames,
        "full": n_frames + bank.n_taps - 1,
    }
    if kept[padding] % FACTOR:
        np.testing.assert_allclose(fast[..., -1], exact[..., -1], atol=1e-6)
    assert np.linalg.norm(fast - exact) < 2e-3 * np.linalg.norm(exact)


def test_a_strong_slow_drift_does_not_spoil_the_fast_bins(bank):
    """Nothing is filtered away: what leaks into a bin is in both averages.

    A bin's own signal and a leak of the same size beat faster than the filter is wide.
    """
    frames = np.arange(6_000)
    drift = 100 * np.sin(2 * np.pi * 0.05 * frames / 120)
    trace = (drift + np.random.default_rng(0).standard_normal(6_000)).astype(np.float32)
    options = {"downsample_factor": FACTOR, "padding": "valid", "take_abs": True}
    exact = variable_q_transform(trace, bank, TransformOptions(averaging="exact", **options))[0]
    fast = variable_q_transform(trace, bank, TransformOptions(averaging="fast", **options))[0]
    errors = np.linalg.norm(fast - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert errors.max() < 2e-2
