"""The compiled loops against torch's operations, which a GPU runs."""

import numpy as np
import pytest
import torch

from element_facerhythm.core.spectral import (
    TransformOptions,
    kernels,
    make_filter_bank,
    variable_q_transform,
)
from element_facerhythm.core.spectral import averages as averages_module


def complex_noise(*shape):
    return torch.randn(shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("stride", [1, 2, 5])
def test_folding_adds_the_products_of_all_stretches(stride):
    spectrum, response = complex_noise(4, stride, 96), complex_noise(3, stride, 96)
    expected = torch.einsum("nsm,fsm->nfm", spectrum, response)
    torch.testing.assert_close(kernels.fold(spectrum, response), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        kernels.fold_in_torch(spectrum, response), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("n_per_window", [1, 4])
def test_averages_are_corrected_by_the_steps_across_their_ends(n_per_window):
    n_windows, correction = 6, 0.03
    values = complex_noise(2, 3, n_windows * n_per_window + 5)
    magnitude = np.abs(values.numpy())
    expected = np.empty((2, 3, n_windows))
    for window in range(n_windows):
        first, stop = 1 + window * n_per_window, 1 + (window + 1) * n_per_window
        ends = magnitude[..., stop] - magnitude[..., stop - 1]
        ends -= magnitude[..., first] - magnitude[..., first - 1]
        expected[..., window] = magnitude[..., first:stop].mean(axis=-1) + correction * ends
    for average in (kernels.average_magnitude, kernels.average_magnitude_in_torch):
        averaged = average(values, n_per_window, correction, n_windows)
        np.testing.assert_allclose(averaged.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("averaging", ["fast", "exact"])
def test_the_path_of_a_gpu_gives_the_same_spectrogram(monkeypatch, averaging):
    bank = make_filter_bank(
        frame_rate_hz=100.0,
        q_low=2.0,
        q_high=5.0,
        freq_min_hz=4.0,
        freq_max_hz=45.0,
        n_freq_bins=6,
    )
    traces = np.random.default_rng(0).standard_normal((3, 2_003)).astype(np.float32)
    options = {"downsample_factor": 12, "padding": "same", "take_abs": True, "averaging": averaging}
    compiled = variable_q_transform(traces, bank, TransformOptions(**options))
    monkeypatch.setattr(averages_module, "fold", kernels.fold_in_torch)
    monkeypatch.setattr(averages_module, "average_magnitude", kernels.average_magnitude_in_torch)
    in_torch = variable_q_transform(traces, bank, TransformOptions(**options))
    np.testing.assert_allclose(in_torch, compiled, rtol=1e-5, atol=1e-6)
