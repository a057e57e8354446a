"""Our spectrograms against those of a real face-rhythm run, from that run's own points."""

import json

import h5py
import numpy as np
import pytest

from element_facerhythm.core.spectral import (
    Normalisation,
    TransformOptions,
    make_filter_bank,
    point_spectrograms,
    window_centres,
)

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def analyzer(reference_data):
    return json.loads((reference_data / "inputs" / "params.json").read_text())["VQT_Analyzer"]


@pytest.fixture(scope="module")
def bank(analyzer):
    vqt = analyzer["params_VQT"]
    return make_filter_bank(
        frame_rate_hz=vqt["Fs_sample"],
        q_low=vqt["Q_lowF"],
        q_high=vqt["Q_highF"],
        freq_min_hz=vqt["F_min"],
        freq_max_hz=vqt["F_max"],
        n_freq_bins=vqt["n_freq_bins"],
        window_type=vqt["window_type"],
        symmetry=vqt["symmetry"],
        taper_asymmetric=vqt["taper_asymmetric"],
    )


def test_filters_equal_facerhythms(reference_data, bank):
    with h5py.File(reference_data / "project" / "analysis_files" / "VQT_Analyzer.h5") as theirs:
        np.testing.assert_array_equal(bank.windows, theirs["VQT/wins"][()])
        np.testing.assert_array_equal(bank.frequencies_hz, theirs["frequencies"][()])
        filters = theirs["VQT/filters"][()]
    assert np.abs(bank.filters - filters).max() < 2e-6 * np.abs(filters).max()


def test_spectrograms_equal_facerhythms(reference_data, analyzer, bank):
    vqt = analyzer["params_VQT"]
    options = TransformOptions(vqt["downsample_factor"], vqt["padding"], vqt["take_abs"])
    files = reference_data / "project" / "analysis_files"
    with (
        h5py.File(files / "PointTracker.h5") as tracked,
        h5py.File(files / "VQT_Analyzer.h5") as theirs,
    ):
        ours = point_spectrograms(
            tracked["points_tracked/0"],
            tracked["point_positions"][()],
            bank,
            options,
            Normalisation(
                factor=analyzer["normalization_factor"],
                spectrogram_exponent=analyzer["spectrogram_exponent"],
                one_over_f_exponent=analyzer["one_over_f_exponent"],
            ),
        )
        expected = theirs["spectrograms/0"][()]
        n_frames = tracked["points_tracked/0"].shape[0]
        centres = window_centres(n_frames, bank, options)
        np.testing.assert_array_equal(centres, theirs["x_axis/0"][()])
    assert ours.shape == expected.shape
    assert ours.dtype == expected.dtype
    assert np.linalg.norm(ours - expected) <= 1e-5 * np.linalg.norm(expected)
    assert np.abs(ours - expected).max() <= 1e-5 * np.abs(expected).max()
