"""Samples between frames, and spectra of them, against sines of known frequency."""

import numpy as np
import pytest

from element_facerhythm.core.spectral import (
    Normalisation,
    SampledPoints,
    TransformOptions,
    make_filter_bank,
    point_spectrograms,
)

RATE_HZ = 60.0


def tracks_at(times_s, hz=6.0):
    wave = np.sin(2 * np.pi * hz * np.asarray(times_s))
    return np.stack([100 + 2 * wave, 50 + 0 * wave], axis=1)[:, None].astype(np.float32)


def test_a_sample_at_a_frame_is_that_frame():
    kept = np.delete(np.arange(40), [7, 8, 20])
    tracks = tracks_at(kept / RATE_HZ)
    samples = SampledPoints(tracks, 0, len(kept), kept.astype(float))
    assert samples.shape == (40, 1, 2)
    everything = samples[slice(None), slice(None)]
    np.testing.assert_array_equal(everything[kept], tracks)
    truth = tracks_at(np.arange(40) / RATE_HZ)
    assert np.abs(everything - truth).max() < 0.05  # of 2 px; two frames in a row are missing


def test_blocks_do_not_change_the_samples():
    knots = np.cumsum(np.random.default_rng(0).uniform(0.5, 1.6, 200))
    knots -= knots[0]
    tracks = np.random.default_rng(1).normal(size=(250, 3, 2)).astype(np.float32)
    samples = SampledPoints(tracks, 50, 250, knots)
    whole = samples[slice(None), slice(None)]
    parts = [samples[slice(a, a + 17), slice(0, 2)] for a in range(0, samples.shape[0], 17)]
    np.testing.assert_array_equal(np.concatenate(parts), whole[:, :2])


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4])
def test_short_stretches_have_samples_too(n_frames):
    samples = SampledPoints(
        tracks_at(np.arange(9) / RATE_HZ), 5, 5 + n_frames, np.arange(n_frames) * 1.5
    )
    assert samples[slice(None), slice(None)].shape == (int(1.5 * (n_frames - 1)) + 1, 1, 2)


def test_a_rhythm_keeps_its_frequency_where_the_rate_is_halved():
    times = np.r_[np.arange(300) / 60, 5 + np.arange(150) / 30]
    bank = make_filter_bank(
        frame_rate_hz=RATE_HZ, q_low=4, q_high=6, freq_min_hz=2, freq_max_hz=12, n_freq_bins=41
    )
    options, normalisation = TransformOptions(5, "valid", take_abs=True), Normalisation(0, 1, 0)
    samples = SampledPoints(tracks_at(times), 0, len(times), times * RATE_HZ)
    spectrogram = point_spectrograms(samples, [[100, 50]], bank, options, normalisation)[0, 0]
    peaks = bank.frequencies_hz[spectrogram.argmax(axis=0)]
    assert np.abs(peaks / 6 - 1).max() < 0.05
    amplitude = spectrogram.max(axis=0)
    assert amplitude.min() > 0.9 * amplitude.max()
