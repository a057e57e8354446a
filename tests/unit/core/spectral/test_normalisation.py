"""Spectrograms of points against the formula in plain numpy."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from element_facerhythm.core.spectral import (
    Normalisation,
    TransformOptions,
    make_filter_bank,
    point_spectrograms,
    variable_q_transform,
)
from element_facerhythm.core.spectral import normalisation as normalisation_module
from element_facerhythm.errors import ParameterError, ProcessingError

TRANSFORM = {"downsample_factor": 5, "padding": "valid"}
MAGNITUDES = TransformOptions(take_abs=True, **TRANSFORM)
NORMALISATION = Normalisation(factor=0.9, spectrogram_exponent=1.3, one_over_f_exponent=0.5)


@pytest.fixture(scope="module")
def bank():
    return make_filter_bank(
        frame_rate_hz=60.0,
        q_low=2.0,
        q_high=4.0,
        freq_min_hz=4.0,
        freq_max_hz=25.0,
        n_freq_bins=5,
    )


@pytest.fixture(scope="module")
def homes():
    return np.random.default_rng(0).uniform(0, 300, (7, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def points(homes):
    return homes + np.random.default_rng(1).standard_normal((150, 7, 2)).astype(np.float32)


def expected_spectrograms(points, homes, bank, take_abs):
    displacements = points.astype(np.float64) - homes
    traces = np.concatenate([displacements[..., 0].T, displacements[..., 1].T])
    raw = variable_q_transform(traces, bank, TransformOptions(take_abs=take_abs, **TRANSFORM))
    magnitude, phase = np.abs(raw).astype(np.float64) ** 1.3, np.angle(raw)
    mean_power = magnitude.sum(axis=1).mean(axis=0)
    scaled = magnitude / (0.9 * mean_power + 0.1) * np.sqrt(bank.frequencies_hz)[:, None]
    return (scaled if take_abs else scaled * np.exp(1j * phase)).reshape(2, 7, 5, -1)


@pytest.mark.parametrize("take_abs", [True, False])
@pytest.mark.parametrize("block_bytes", [1, 2**30])
def test_normalisation_follows_its_formula(points, homes, bank, take_abs, block_bytes):
    result = point_spectrograms(
        points,
        homes,
        bank,
        TransformOptions(take_abs=take_abs, **TRANSFORM),
        NORMALISATION,
        block_bytes=block_bytes,
    )
    expected = expected_spectrograms(points, homes, bank, take_abs)
    assert result.dtype == (np.float32 if take_abs else np.complex64)
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=2e-6)


def test_a_dataset_is_filled_in_place(tmp_path, points, homes, bank):
    done = []
    expected = point_spectrograms(points, homes, bank, MAGNITUDES, NORMALISATION)
    with h5py.File(tmp_path / "spectrograms.h5", "w") as file:
        tracks = file.create_dataset("points", data=points)
        target = file.create_dataset("spectrograms", shape=expected.shape, dtype="f4")
        point_spectrograms(
            tracks,
            homes,
            bank,
            MAGNITUDES,
            NORMALISATION,
            block_bytes=1,
            out=target,
            on_windows=done.append,
        )
        np.testing.assert_array_equal(target[()], expected)
    assert done == sorted(set(done))
    assert done[-1] == expected.shape[3]


def test_groups_of_points_give_the_numbers_of_all_at_once(monkeypatch, points, homes, bank):
    how = (bank, replace(MAGNITUDES, averaging="fast"), NORMALISATION)
    whole = point_spectrograms(points, homes, *how)
    monkeypatch.setattr(normalisation_module, "BLOCK_BYTES", 2**18)
    grouped = point_spectrograms(points, homes, *how, block_bytes=2**10)
    assert len(normalisation_module._point_groups(7, 3)) == 3
    np.testing.assert_allclose(grouped, whole, rtol=1e-5, atol=1e-7)


def test_full_normalisation_gives_every_window_the_same_power(points, homes, bank):
    spectrograms = point_spectrograms(
        points,
        homes,
        bank,
        MAGNITUDES,
        Normalisation(factor=1.0, spectrogram_exponent=1.0, one_over_f_exponent=0.0),
    )
    power = spectrograms.sum(axis=2).reshape(14, -1).mean(axis=0)
    np.testing.assert_allclose(power, 1.0, rtol=1e-5)


def test_bad_points_are_named(points, homes, bank):
    how = (bank, MAGNITUDES, NORMALISATION)
    broken = points.copy()
    broken[17, 5, 1] = np.nan
    with pytest.raises(ProcessingError, match=r"point 5 in frame 17 is not finite \(y = nan\)"):
        point_spectrograms(broken, homes, *how, block_bytes=1)
    still = np.broadcast_to(homes, points.shape)
    with pytest.raises(ProcessingError, match="no point moves in window 0"):
        point_spectrograms(still, homes, bank, MAGNITUDES, replace(NORMALISATION, factor=1.0))
    with pytest.raises(ParameterError, match=r"point_positions have shape \(6, 2\)"):
        point_spectrograms(points, homes[:6], *how)
    with pytest.raises(ParameterError, match=r"normalization_factor is 1\.5"):
        replace(NORMALISATION, factor=1.5)
    with pytest.raises(ParameterError, match="out has shape"):
        point_spectrograms(points, homes, *how, out=np.zeros((2, 7, 5, 3)))
