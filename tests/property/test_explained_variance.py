"""What components explain: never more than their model, and never more in the sum."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from element_facerhythm.core.decomposition import (
    AxisPlan,
    FitSettings,
    decompose,
    model_from_factors,
)

AXES = ("(xy points)", "frequency", "(time trials)")
seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(2, 8), st.integers(1, 6), st.integers(2, 9))
ranks = st.integers(1, 5)
exponents = st.floats(0.2, 6)  # from loadings that are alike to sparse ones


def factors_of(rng, shape, rank, exponent):
    return {a: rng.random((n, rank)) ** exponent for a, n in zip(AXES, shape, strict=True)}


def dense(factors, weights):
    return np.einsum("ir,jr,kr,r->ijk", *factors.values(), weights)


def explained(data, fitted):
    return 1 - np.square(data - fitted).sum() / np.square(data).sum()


@given(seed=seeds, shape=shapes, rank=ranks, exponent=exponents, noise=st.floats(0, 3))
def test_non_negative_components_never_explain_more_than_their_model(
    seed, shape, rank, exponent, noise
):
    """However good or bad the model is: the loadings are not fitted to the data."""
    rng = np.random.default_rng(seed)
    truth = dense(factors_of(rng, shape, rank, exponent), rng.random(rank))
    data = truth + noise * truth.mean() * rng.standard_normal(shape) + 1e-6
    factors, weights = factors_of(rng, shape, rank, exponent), 2 * rng.random(rank)
    model = model_from_factors(data, AXES, factors, weights)
    total = model.explained_variance_total
    np.testing.assert_allclose(total, explained(data, dense(factors, weights)), atol=1e-9)
    for r in range(rank):
        without = dense(factors, np.where(np.arange(rank) == r, 0, weights))
        drop = total - explained(data, without)
        np.testing.assert_allclose(model.explained_variance[r], drop, atol=1e-9 * (1 + abs(drop)))
    overlap = total - model.explained_variance.sum()
    assert overlap >= -1e-9 * (1 + abs(total))
    parts = [dense(factors, np.where(np.arange(rank) == r, weights, 0)) for r in range(rank)]
    shared = sum(np.vdot(parts[r], parts[s]) for r in range(rank) for s in range(rank) if r != s)
    np.testing.assert_allclose(
        overlap, shared / np.square(data).sum(), atol=1e-7 * (1 + abs(total))
    )


@given(seed=seeds, rank=ranks, n=st.integers(5, 9))
def test_components_that_do_not_overlap_explain_what_their_model_does(seed, rank, n):
    rng = np.random.default_rng(seed)
    factors = factors_of(rng, (n, 4, 6), rank, 1.0)
    owner = rng.permutation(np.arange(n) % rank)
    factors[AXES[0]] = np.where(owner[:, None] == np.arange(rank), factors[AXES[0]] + 0.1, 0.0)
    data = dense(factors, np.ones(rank)) + rng.random((n, 4, 6))
    model = model_from_factors(data, AXES, factors)
    np.testing.assert_allclose(
        model.explained_variance.sum(), model.explained_variance_total, atol=1e-9
    )


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), rank=st.integers(1, 4))
def test_fitted_components_add_up_to_no_more_than_their_model(seed, rank):
    """As squared correlations did: to 148 and 172 %."""
    rng = np.random.default_rng(seed)
    spectrogram = rng.gamma(1.0, 1.0, (2, 6, 5, 12)).astype(np.float32)
    plan = AxisPlan(pairs=(("xy", "points"),), method="concatenate")
    fit = FitSettings("CP_NN_HALS", rank, seed, n_iter_max=20, n_restarts=1)
    model = decompose({"0": spectrogram}, plan, fit).models["0"]
    assert 0 < model.explained_variance_total <= 1
    assert model.explained_variance.sum() <= model.explained_variance_total + 1e-6
    assert (model.explained_variance > -1e-3).all()
