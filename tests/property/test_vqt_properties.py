"""What holds for any trace: linearity, the peak bin of a tone, shifts in time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from element_facerhythm.core.spectral import make_filter_bank, variable_q_transform

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
    apart = [variable_q_transform(trace, BANK, **options) for trace in (x, y)]
    together = variable_q_transform(a * x + b * y, BANK, **options)
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
    response = variable_q_transform(
        tone, BANK, downsample_factor=4, padding="valid", take_abs=True
    )[0]
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
    late = variable_q_transform(trace, BANK, **options)
    early = variable_q_transform(trace[shift:], BANK, **options)
    if padding == "valid":
        n_common = early.shape[2] - 1
        np.testing.assert_allclose(
            late[..., n_windows : n_windows + n_common], early[..., :n_common], atol=1e-5
        )
    else:
        delayed = np.concatenate([np.zeros(shift, np.float32), trace])
        moved = variable_q_transform(delayed, BANK, **options)
        np.testing.assert_allclose(moved[..., n_windows:], late, atol=1e-5)
        assert np.abs(moved[..., :n_windows]).max() < 1e-5


@settings(max_examples=20, deadline=None)
@given(seed=seeds, scale=st.floats(1e-3, 1e3))
def test_magnitudes_scale_with_the_trace_and_ignore_its_sign(seed, scale):
    trace = noise(seed, 250)
    options = {"downsample_factor": 5, "padding": "valid", "take_abs": True}
    plain = variable_q_transform(trace, BANK, **options)
    scaled = variable_q_transform(-scale * trace, BANK, **options)
    np.testing.assert_allclose(scaled, scale * plain, rtol=1e-4, atol=1e-5 * scale)
