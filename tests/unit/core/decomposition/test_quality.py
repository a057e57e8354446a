"""Measures of fit against the dense reconstruction that they avoid."""

import numpy as np
import pytest

from element_facerhythm.core.decomposition import model_from_factors, order_components
from element_facerhythm.core.decomposition import quality as quality_module
from element_facerhythm.errors import ParameterError, ProcessingError

NAMES = ("(xy points)", "frequency", "time")


def random_model(shape=(8, 5, 11), rank=3, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    factors = {
        name: rng.random((n, rank)).astype(np.float32) for name, n in zip(NAMES, shape, strict=True)
    }
    weights = rng.uniform(0.5, 2, rank)
    tensor = dense(factors, weights) + noise * rng.standard_normal(shape)
    return tensor.astype(np.float32), factors, weights


def dense(factors, weights):
    return np.einsum("ir,jr,kr,r->ijk", *(f.astype(float) for f in factors.values()), weights)


def test_measures_equal_those_of_the_dense_reconstruction(monkeypatch):
    monkeypatch.setattr(quality_module, "_ENTRIES_PER_BLOCK", 200)  # several blocks, the last short
    tensor, factors, weights = random_model()
    model = model_from_factors(tensor, NAMES, factors, weights)
    data, fitted = tensor.astype(float), dense(factors, weights)
    expected = np.linalg.norm(data - fitted) / np.linalg.norm(data)
    assert model.relative_error == pytest.approx(expected, rel=1e-9)
    assert model.explained_variance_total == pytest.approx(1 - expected**2, rel=1e-9)
    assert model.r_squared == pytest.approx(1 - (data - fitted).var() / data.var(), rel=1e-9)
    for r in range(3):
        others = [s for s in range(3) if s != r]
        without = dense({name: f[:, others] for name, f in factors.items()}, weights[others])
        left_out = 1 - (np.linalg.norm(data - without) / np.linalg.norm(data)) ** 2
        drop = model.explained_variance_total - left_out
        assert model.explained_variance[r] == pytest.approx(drop, abs=1e-12)
        alone = {name: f[:, [r]] for name, f in factors.items()}
        regressor = dense(alone, np.ones(1)).ravel()
        # the share of variance that a straight line on this component leaves out
        slope, offset = np.polyfit(regressor, data.ravel(), 1)
        left = (data.ravel() - slope * regressor - offset).var()
        assert model.squared_correlation[r] == pytest.approx(1 - left / data.var(), rel=1e-7)


def test_a_perfect_model_has_no_error():
    _, factors, weights = random_model(noise=0)
    model = model_from_factors(dense(factors, weights), NAMES, factors, weights)
    assert model.relative_error < 1e-7
    assert model.explained_variance_total == pytest.approx(1)


def test_components_are_ordered_by_their_correlation_with_the_tensor():
    tensor, factors, weights = random_model()
    model = model_from_factors(tensor, NAMES, factors, weights, n_iterations=9)
    ordered = order_components(model)
    assert (np.diff(ordered.squared_correlation) <= 0).all()
    assert (np.diff(model.squared_correlation) > 0).any()  # else the test shows nothing
    again = model_from_factors(tensor, NAMES, ordered.factors, ordered.weights)
    np.testing.assert_allclose(again.squared_correlation, ordered.squared_correlation, rtol=1e-9)
    np.testing.assert_allclose(again.explained_variance, ordered.explained_variance, rtol=1e-9)
    assert (ordered.relative_error, ordered.n_iterations) == (model.relative_error, 9)


def test_vanished_and_constant_components_do_not_correlate():
    tensor, factors, _ = random_model()
    factors["time"][:, 0] = 0
    for name in NAMES:
        factors[name][:, 1] = 1
    model = model_from_factors(tensor, NAMES, factors)
    assert model.squared_correlation[0] == model.squared_correlation[1] == 0
    assert model.explained_variance[0] == 0
    assert model.component_weights[0] == 0
    assert model.component_weights[1] == pytest.approx(np.sqrt(8 * 5 * 11))


def test_factors_that_do_not_fit_are_refused():
    tensor, factors, weights = random_model()
    with pytest.raises(ParameterError, match=r"along 'time' have shape \(10, 3\)"):
        model_from_factors(tensor, NAMES, {**factors, "time": factors["time"][:10]})
    with pytest.raises(ParameterError, match="do not fit a tensor with 3 axes"):
        model_from_factors(tensor, NAMES[:2], {name: factors[name] for name in NAMES[:2]})
    with pytest.raises(ParameterError, match="weights have shape"):
        model_from_factors(tensor, NAMES, factors, weights[:2])
    with pytest.raises(ProcessingError, match="zero everywhere"):
        model_from_factors(np.zeros_like(tensor), NAMES, factors)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [*NAMES, "weights"])
def test_what_is_not_finite_has_no_measure_of_fit(value, where):
    """A residual of NaN read as zero, which is a perfect fit."""
    tensor, factors, weights = random_model()
    whole = model_from_factors(tensor, NAMES, factors, weights)
    (weights if where == "weights" else factors[where]).flat[1] = value  # of component 1
    model = model_from_factors(tensor, NAMES, factors, weights)
    measures = (model.relative_error, model.explained_variance_total, model.r_squared)
    assert np.isnan(measures).all()
    assert np.isnan(model.explained_variance).all()
    # of the data and one component alone, weights or not
    known = [0, 1, 2] if where == "weights" else [0, 2]
    expected = np.full(3, np.nan)
    expected[known] = whole.squared_correlation[known]
    np.testing.assert_allclose(model.squared_correlation, expected)


def test_a_tensor_that_is_not_finite_is_told_so():
    tensor, factors, weights = random_model()
    tensor[0, 1, 2] = np.nan
    with pytest.raises(ProcessingError, match="values that are not finite"):
        model_from_factors(tensor, NAMES, factors, weights)


def test_loadings_too_large_to_be_squared_are_no_perfect_fit():
    tensor, factors, _ = random_model()
    huge = {name: factor.astype(float) * 1e120 for name, factor in factors.items()}
    with np.errstate(all="ignore"):
        model = model_from_factors(tensor, NAMES, huge)
    assert np.isnan(model.relative_error)
    assert np.isnan(model.explained_variance_total)
    assert np.isnan([*model.explained_variance, *model.squared_correlation]).all()
