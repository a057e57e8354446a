"""Summaries of components whose answers are known beforehand."""

import dataclasses

import numpy as np
import pytest

from element_facerhythm.core.decomposition import (
    CpModel,
    describe,
    match_components,
    peak_frequencies_hz,
    summarise_components,
)
from element_facerhythm.errors import ParameterError

POSITIONS = np.array([[10.0, 0.0], [20.0, 0.0], [20.0, 40.0]])
FREQUENCIES = np.array([1.0, 2.0, 4.0, 8.0])


def make_model(factors, weights=None):
    rank = next(iter(factors.values())).shape[1]
    return CpModel(
        names=tuple(factors),
        factors={name: np.asarray(f, dtype=np.float32) for name, f in factors.items()},
        weights=np.ones(rank) if weights is None else weights,
        explained_variance=np.linspace(0.5, 0.1, rank),
        squared_correlation=np.linspace(0.6, 0.3, rank),
        relative_error=0.5,
        r_squared=0.7,
        stability=np.linspace(0.9, 0.8, rank),
    )


X_LOADINGS, Y_LOADINGS = np.array([3.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])


@pytest.fixture
def folded():
    """One component: point 0 along x with 3, point 2 along y with 1; 2 Hz and 4 Hz as 3 to 1."""
    return make_model(
        {
            "(xy points)": np.concatenate([X_LOADINGS, Y_LOADINGS])[:, None],
            "frequency": np.array([[0.0], [3.0], [1.0], [0.0]]),
            "(time trials)": np.full((4, 1), 2.0),
        }
    )


def summarise(model):
    return summarise_components(
        model, frequencies_hz=FREQUENCIES, point_positions=POSITIONS, n_points=3
    )


def test_every_quantity_of_a_known_component(folded):
    (summary,) = summarise(folded)
    assert summary.component_index == 0
    assert summary.peak_frequency_hz == 2.0
    assert summary.centroid_frequency_hz == pytest.approx(2.5)  # (3 * 2 + 1 * 4) / 4
    assert summary.bandwidth_hz == pytest.approx(2 * np.sqrt(0.75))
    assert summary.centroid_x_px == pytest.approx(12.5)  # (3 * 10 + 1 * 20) / 4
    assert summary.centroid_y_px == pytest.approx(10.0)
    assert summary.xy_ratio == pytest.approx(0.9)  # 9 / (9 + 1)
    assert summary.weight == pytest.approx(np.sqrt(10) * np.sqrt(10) * 4)
    assert (summary.explained_variance, summary.squared_correlation) == (0.5, 0.6)
    assert summary.stability == 0.9
    assert "2 Hz" in describe([summary])
    assert "90 % along x" in describe([summary])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_gives_no_number(folded, value):
    for name, known in (
        ("frequency", {"xy_ratio", "centroid_x_px", "centroid_y_px"}),
        ("(xy points)", {"peak_frequency_hz", "centroid_frequency_hz", "bandwidth_hz"}),
    ):
        factors = {axis: factor.copy() for axis, factor in folded.factors.items()}
        factors[name][1, 0] = value
        (summary,) = summarise(make_model(factors))
        numbers = dataclasses.asdict(summary)
        assert {n for n in {*known, "weight"} if np.isfinite(numbers[n])} == known
        unknown = {"xy_ratio", "centroid_x_px", "peak_frequency_hz", "bandwidth_hz"} - known
        assert not any(np.isfinite(numbers[n]) for n in unknown)


def test_the_peak_is_that_of_the_magnitudes():
    loadings = np.array([[1.0, 0.0, np.nan], [2.0, 0.0, 1.0], [0.0, 0.0, 0.0], [-3.0, 0.0, 0.0]])
    np.testing.assert_array_equal(peak_frequencies_hz(loadings, FREQUENCIES), [8, np.nan, np.nan])
    (summary,) = summarise(make_model({"points": np.ones((3, 1)), "frequency": loadings[:, :1]}))
    assert summary.peak_frequency_hz == 8


def test_separate_axes_say_the_same_of_the_same_component():
    """A component that moves all points alike along x and y, in both spellings."""
    xy, points = np.array([2.0, 1.0]), np.array([1.0, 3.0, 2.0])
    rest = {"frequency": np.ones((4, 1)), "time": np.ones((5, 1))}
    joined = make_model({"(xy points)": np.outer(xy, points).reshape(-1, 1), **rest})
    apart = make_model({"xy": xy[:, None], "points": points[:, None], **rest})
    one, other = (dataclasses.astuple(summarise(model)[0]) for model in (joined, apart))
    assert one == pytest.approx(other, rel=1e-6)


def test_signs_do_not_matter(folded):
    flipped = make_model(
        {
            "(xy points)": -folded.factors["(xy points)"],
            "frequency": folded.factors["frequency"],
            "(time trials)": -folded.factors["(time trials)"],
        }
    )
    assert summarise(flipped) == summarise(folded)


def test_what_cannot_be_told_is_nan(folded):
    vanished = make_model({name: 0 * f for name, f in folded.factors.items()})
    (summary,) = summarise(vanished)
    assert np.isnan([summary.peak_frequency_hz, summary.centroid_x_px, summary.xy_ratio]).all()
    assert summary.weight == 0
    without_xy = make_model({"points": np.ones((3, 1)), "frequency": np.ones((4, 1))})
    (summary,) = summarise(dataclasses.replace(without_xy, stability=None))
    assert np.isnan([summary.xy_ratio, summary.stability]).all()
    assert summary.centroid_x_px == pytest.approx(50 / 3)


def test_lengths_that_do_not_fit_are_refused(folded):
    with pytest.raises(ParameterError, match="'frequency' has 4 loadings"):
        summarise_components(
            folded, frequencies_hz=FREQUENCIES[:3], point_positions=POSITIONS, n_points=3
        )
    with pytest.raises(ParameterError, match="point_positions have shape"):
        summarise_components(
            folded, frequencies_hz=FREQUENCIES, point_positions=POSITIONS, n_points=4
        )


def test_components_are_matched_whatever_their_order_and_scale():
    rng = np.random.default_rng(0)
    first = make_model({"points": rng.random((9, 3)), "frequency": rng.random((6, 3))})
    order, scale = [2, 0, 1], np.array([0.1, 5.0, 2.0])
    second = make_model({name: f[:, order] * scale for name, f in first.factors.items()})
    match = match_components(first, second)
    assert match.indices == (1, 2, 0)
    np.testing.assert_allclose(match.congruence, 1, rtol=1e-6)
    fewer = make_model({name: f[:, [1]] for name, f in first.factors.items()})
    match = match_components(first, fewer, axes=["points"])
    assert match.indices == (-1, 0, -1)
    np.testing.assert_allclose(match.congruence, [0, 1, 0], atol=1e-6)
    with pytest.raises(ParameterError, match="axis 'time'"):
        match_components(first, second, axes=["time"])
