"""What holds for any trace: linearity, the peak bin of a tone, shifts in time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from element_facerhythm.core.spectral import (
    Normalisation,
    TransformOptions,
    make_filter_bank,
    point_spectrograms,
    variable_q_transform,
)
from element_facerhythm.errors import ParameterError

BANK = make_filter_bank(
    frame_rate_hz=120.0,
    q_low=3.0,
    q_high=8.0,
    freq_min_hz=4.0,
    freq_max_hz=50.0,
    n_freq_bins=16,
)
SPACING = (50 / 4) ** (1 / 15)
seeds = st.integers(0, 2**32 - 1)


def noise(seed, n_frames):
    return np.random.default_rng(seed).standard_normal(n_frames).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, a=st.floats(-10, 10), b=st.floats(-10, 10), factor=st.integers(1, 9))
def test_the_complex_transform_is_linear(seed, a, b, factor):
    x, y = noise(seed, 301), noise(seed + 1, 301)
    options = {"downsample_factor": factor, "padding": "same", "take_abs": False}
    apart = [variable_q_transform(trace, BANK, TransformOptions(**options)) for trace in (x, y)]
    together = variable_q_transform(a * x + b * y, BANK, TransformOptions(**options))
    expected = a * apart[0] + b * apart[1]
    np.testing.assert_allclose(together, expected, atol=1e-5 * (1 + abs(a) + abs(b)), rtol=0)


@settings(max_examples=50, deadline=None)
@given(
    index=st.integers(0, 15),
    off_centre=st.floats(-0.25, 0.25),
    phase=st.floats(0, 2 * np.pi),
    amplitude=st.floats(0.01, 100),
)
def test_a_tone_peaks_in_the_nearest_bin(index, off_centre, phase, amplitude):
    # A filter of N taps answers most at N / (N - 1) of its nominal frequency.
    n_taps = BANK.n_taps
    frequency = BANK.frequencies_hz[index] * n_taps / (n_taps - 1) * SPACING**off_centre
    tone = amplitude * np.sin(2 * np.pi * frequency * np.arange(480) / 120.0 + phase)
    response = variable_q_transform(tone, BANK, TransformOptions(4, "valid", take_abs=True))[0]
    assert np.argmax(response.mean(axis=1)) == index
    # Unit L1 filters: a tone at the centre comes out with its amplitude or a little less.
    assert response.max() <= amplitude * 1.01


@settings(max_examples=30, deadline=None)
@given(
    seed=seeds,
    factor=st.integers(1, 8),
    n_windows=st.integers(1, 6),
    padding=st.sampled_from(["valid", "full"]),
)
def test_a_shift_by_whole_windows_shifts_windows(seed, factor, n_windows, padding):
    trace = noise(seed, 400)
    shift = factor * n_windows
    options = {"downsample_factor": factor, "padding": padding, "take_abs": True}
    late = variable_q_transform(trace, BANK, TransformOptions(**options))
    early = variable_q_transform(trace[shift:], BANK, TransformOptions(**options))
    if padding == "valid":
        n_common = early.shape[2] - 1
        np.testing.assert_allclose(
            late[..., n_windows : n_windows + n_common], early[..., :n_common], atol=1e-5
        )
    else:
        delayed = np.concatenate([np.zeros(shift, np.float32), trace])
        moved = variable_q_transform(delayed, BANK, TransformOptions(**options))
        np.testing.assert_allclose(moved[..., n_windows:], late, atol=1e-5)
        assert np.abs(moved[..., :n_windows]).max() < 1e-5


@settings(max_examples=20, deadline=None)
@given(seed=seeds, scale=st.floats(1e-3, 1e3))
def test_magnitudes_scale_with_the_trace_and_ignore_its_sign(seed, scale):
    trace = noise(seed, 250)
    options = {"downsample_factor": 5, "padding": "valid", "take_abs": True}
    plain = variable_q_transform(trace, BANK, TransformOptions(**options))
    scaled = variable_q_transform(-scale * trace, BANK, TransformOptions(**options))
    np.testing.assert_allclose(scaled, scale * plain, rtol=1e-4, atol=1e-5 * scale)


@settings(max_examples=25, deadline=None)
@given(
    seed=seeds,
    slope=st.floats(0, 1.5),
    factor=st.sampled_from([4, 6, 12, 20]),
    padding=st.sampled_from(["valid", "same", "full"]),
)
def test_the_fast_average_is_within_its_tolerance(seed, slope, factor, padding):
    """For noise of any colour, over all bins; the tolerance is for each bin and white noise."""
    n_frames = 3_000
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((4, n_frames)))
    frequencies = np.maximum(np.fft.rfftfreq(n_frames, 1 / 120.0), 0.5)
    traces = np.fft.irfft(spectrum * frequencies**-slope, n_frames)
    options = {"downsample_factor": factor, "padding": padding, "take_abs": True}
    exact = variable_q_transform(traces, BANK, TransformOptions(averaging="exact", **options))
    fast = variable_q_transform(traces, BANK, TransformOptions(averaging="fast", **options))
    assert np.linalg.norm(fast - exact) <= 1e-3 * np.linalg.norm(exact)


@settings(max_examples=25, deadline=None)
@given(index=st.integers(0, 15), phase=st.floats(0, 2 * np.pi), amplitude=st.floats(0.01, 100))
def test_the_fast_average_of_a_tone_is_exact_but_for_rounding(index, phase, amplitude):
    frequency = BANK.frequencies_hz[index]
    tone = amplitude * np.sin(2 * np.pi * frequency * np.arange(900) / 120.0 + phase)
    options = {"downsample_factor": 12, "padding": "valid", "take_abs": True}
    exact = variable_q_transform(tone, BANK, TransformOptions(averaging="exact", **options))[
        0, index
    ]
    fast = variable_q_transform(tone, BANK, TransformOptions(averaging="fast", **options))[0, index]
    np.testing.assert_allclose(fast, exact, rtol=2e-3)


@settings(max_examples=10, deadline=None)
@given(
    seed=seeds,
    n_points=st.integers(1, 40),
    block_bytes=st.integers(1, 2**22),
    averaging=st.sampled_from(["fast", "exact"]),
    take_abs=st.booleans(),
)
def test_neither_blocks_nor_threads_change_a_number(
    seed, n_points, block_bytes, averaging, take_abs
):
    points = np.random.default_rng(seed).standard_normal((2_503, n_points, 2)).astype(np.float32)
    how = (BANK, TransformOptions(12, "same", take_abs, averaging), Normalisation(0.9, 1.0, 0.5))
    homes = np.zeros((n_points, 2))
    whole = point_spectrograms(points, homes, *how)
    n_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3 if n_threads == 1 else 1)
        cut = point_spectrograms(points, homes, *how, block_bytes=block_bytes)
    finally:
        torch.set_num_threads(n_threads)
    np.testing.assert_array_equal(cut, whole)


def test_options_that_do_not_exist_are_named():
    with pytest.raises(ParameterError, match="averaging is 'quick'; expected one of fast, exact"):
        TransformOptions(4, "valid", take_abs=True, averaging="quick")
