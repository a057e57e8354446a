"""Explained variance and stability against rank, on tensors whose rank is known."""

import numpy as np
import pytest
import torch

from element_facerhythm.core.decomposition import (
    FitSettings,
    dense_tensor,
    model_from_factors,
    sweep_ranks,
)
from element_facerhythm.core.decomposition.quality import tensor_sums
from element_facerhythm.core.decomposition.stability import component_stability, congruence
from element_facerhythm.errors import ParameterError, ProcessingError
from tests.unit.core.decomposition.problems import NAMES, planted


def sweep(tensor, ranks, on_rank=None, **options):
    blocks = dense_tensor(tensor, NAMES)
    settings = FitSettings("CP_NN_HALS", rank=1, seed=0, **options)
    return sweep_ranks(
        blocks, tensor_sums(blocks), ranks, settings, device=torch.device("cpu"), on_rank=on_rank
    )


def test_the_planted_rank_is_where_stability_ends():
    tensor, truth = planted(rank=4, noise=0.3, shape=(120, 20, 150))
    seen = []
    fits = sweep(tensor, (2, 4, 7), on_rank=seen.append)
    assert seen == [1, 2, 3]
    assert [fit.rank for fit in fits] == [2, 4, 7]
    explained = [fit.explained_variance for fit in fits]
    best = model_from_factors(tensor, NAMES, truth.factors).explained_variance_total
    assert explained[0] < explained[1] < explained[2]
    assert explained[1] == pytest.approx(best, abs=0.005)
    assert fits[1].stability.min() > 0.99
    assert fits[2].stability.min() < 0.9  # noise is fitted, from each start another one
    assert fits[2].stability[:4].min() > 0.9
    assert fits[1].mean_stability > fits[2].mean_stability


def test_one_start_tells_no_stability():
    tensor, _ = planted(shape=(30, 10, 20))
    (fit,) = sweep(tensor, (2,), n_restarts=1)
    assert np.isnan(fit.mean_stability)
    assert component_stability([np.ones((3, 1))], []) is None


def test_impossible_ranks_are_refused():
    tensor, _ = planted(shape=(30, 4, 5))
    for ranks in ((), (0, 1), (2, 21)):
        with pytest.raises(ParameterError, match="expected numbers from 1 to 20"):
            sweep(tensor, ranks)
    with pytest.raises(ProcessingError, match="zero everywhere"):
        sweep(0 * tensor, (2,))


def test_stability_is_the_mean_congruence_with_matches():
    eye = np.eye(4)[:, :2]
    same, turned = [eye, eye], [eye[:, ::-1] * 3, -eye[:, ::-1]]
    tilted = [np.array([[1.0, 0], [0, 1], [1, 0], [0, 0]]), eye]
    np.testing.assert_allclose(component_stability(same, [turned]), [1, 1])
    expected = [(1 + np.sqrt(0.5)) / 2, 1]
    np.testing.assert_allclose(component_stability(same, [turned, tilted]), expected)
    np.testing.assert_allclose(congruence(same, turned), [[0, 1], [1, 0]])
