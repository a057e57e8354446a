"""Spectrograms of sessions on one grid: what is linear is exact, in slices as in whole."""

import numpy as np
import pytest

from element_facerhythm.core.decomposition import AxisPlan, FitSettings, decompose
from element_facerhythm.core.sessions.joint import ResampledSpectrogram, SessionGrid, shared_grid
from element_facerhythm.errors import RequestError


def grid(name, spacing, offset=0.0, frequencies=(2.0, 20.0, 12), width=80):
    x, y = np.meshgrid(np.arange(0, width, spacing) + offset, np.arange(0, 60, spacing) + offset)
    return SessionGrid(name, np.stack([x.ravel(), y.ravel()], 1), np.geomspace(*frequencies))


def linear(points, hz, windows=5):
    """(2, P, F, W) values, linear along each axis."""
    place = 3 + points @ np.array([0.02, 0.05])
    return np.stack([
        place[:, None, None] * (1 + np.log(hz))[:, None] * (1 + k + np.arange(windows)) for k in (0, 1)
    ]).astype(np.float32)  # fmt: skip


def test_what_is_linear_is_exact_and_slices_are_parts_of_the_whole():
    reference, other = grid("a", 5.0, 7.0, width=60), grid("b", 8.0, frequencies=(1.5, 25, 20))
    wanted = shared_grid(reference, [other])
    values = linear(other.positions_px, other.frequencies_hz)
    resampled = ResampledSpectrogram(values, other, wanted)
    whole = resampled[:, :, :, :]
    assert whole.shape == resampled.shape
    inside = (wanted.positions_px >= 0).all(1) & (wanted.positions_px <= (72, 56)).all(1)
    truth = linear(wanted.positions_px, wanted.frequencies_hz)
    np.testing.assert_allclose(whole[:, inside], truth[:, inside], rtol=1e-5)
    part = (slice(1, 2), slice(10, 31), slice(2, 7), slice(1, 4))
    np.testing.assert_array_equal(resampled[part], whole[part])
    np.testing.assert_array_equal(resampled[0:1], whole[0:1])
    # of complex ones the magnitudes, whatever the phases
    phases = np.exp(1j * np.random.default_rng(0).uniform(0, 6, values.shape))
    turned = ResampledSpectrogram(values * phases, other, wanted)[:, :, :, :]
    np.testing.assert_allclose(turned, whole, rtol=1e-4)


def test_components_of_two_sessions_on_different_grids_are_found_together():
    rng = np.random.default_rng(1)
    grids = [grid("a", 5.0), grid("b", 6.0, 1.3, frequencies=(1.5, 25, 20))]
    centres, peaks = np.array([(20, 20), (55, 35)]), np.array([4.0, 10.0])
    courses = [rng.random((30, 2)) ** 3, rng.random((20, 2)) ** 3 * (1, 0)]  # the second vanishes
    spectrograms = []
    for own, course in zip(grids, courses, strict=True):
        place = np.exp(-((own.positions_px[:, None] - centres) ** 2).sum(-1) / (2 * 12**2))
        hz = np.exp(-0.5 * (np.log2(own.frequencies_hz[:, None] / peaks) / 0.4) ** 2)
        spectrograms.append(np.einsum("xr,pr,fr,tr->xpft", np.ones((2, 2)), place, hz, course))
    wanted = shared_grid(*grids[:1], grids[1:])
    arrays = {
        str(i): ResampledSpectrogram(values, own, wanted)
        for i, (values, own) in enumerate(zip(spectrograms, grids, strict=True))
    }
    plan = AxisPlan(
        pairs=(("xy", "points"),), element_axis="sessions", method="concatenate", undo_join=True
    )
    settings = FitSettings(method="CP_NN_HALS", rank=2, seed=0, n_iter_max=200)
    for resident_bytes in (2**29, 0):  # held in memory, and read again at each pass
        found = decompose(arrays, plan, settings, resident_bytes=resident_bytes)
        assert found.models["0"].explained_variance_total > 0.98
        by_session = found.factors_rearranged["0"]["sessions"]
        for i, course in enumerate(courses):
            loadings = by_session[f"time_{i}"]
            for r in range(2):
                if course[:, r].any():
                    cosine = (course[:, r] @ loadings) / np.linalg.norm(course[:, r])
                    assert (cosine / np.linalg.norm(loadings, axis=0).clip(1e-9)).max() > 0.99
        first, second = (np.square(by_session[f"time_{i}"]).mean(axis=0) for i in (0, 1))
        assert (second / first).min() < 0.02 < (second / first).max()


def test_sessions_that_share_too_little_are_refused():
    with pytest.raises(RequestError, match="b has points at 0 % of the places of a"):
        shared_grid(grid("a", 5.0), [grid("b", 5.0, offset=500.0)])
    with pytest.raises(RequestError, match="b has frequencies from 30 to 60 Hz"):
        shared_grid(grid("a", 5.0), [grid("b", 5.0, frequencies=(30, 60, 5))])
