"""Our own CP fit: planted truth, tensorly's error, blocks, threads, memory that runs out."""

import itertools

import numpy as np
import pytest
import tensorly as tl
import torch

from element_facerhythm.core.decomposition import (
    CpModel,
    FitSettings,
    dense_tensor,
    match_components,
    model_from_factors,
)
from element_facerhythm.core.decomposition import compressed_cp as fast_cp_module
from element_facerhythm.core.decomposition.compressed_cp import fit_fast
from element_facerhythm.core.decomposition.compression import as_blocks, compress
from element_facerhythm.core.decomposition.quality import tensor_sums
from element_facerhythm.errors import ProcessingError
from tests.unit.core.decomposition.problems import NAMES, planted

CPU = torch.device("cpu")


def fit(tensor, rank=3, nonnegative=True, device=CPU, **options):
    blocks = dense_tensor(tensor, NAMES)
    method = "CP_NN_HALS" if nonnegative else "CP"
    settings = FitSettings(method, rank, seed=0, **options)
    return fit_fast(blocks, settings, norm_square=tensor_sums(blocks).square, device=device)


def as_model(tensor, factors):
    return model_from_factors(tensor, NAMES, dict(zip(NAMES, factors, strict=True)))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("init", ["random", "svd"])
def test_planted_components_are_found_and_stable(signed, init):
    tensor, truth = planted(signed=signed, noise=0.05)
    found = fit(tensor, nonnegative=not signed, init=init)
    model = as_model(tensor, found.factors)
    assert match_components(truth, model).congruence.min() > 0.99
    assert model.relative_error < 0.0502  # the noise, by construction
    assert found.stability.shape == (3,)
    assert found.stability.min() > 0.99
    assert signed or min(factor.min() for factor in found.factors) >= 0


@pytest.mark.parametrize("method", ["CP_NN_HALS", "CP"])
@pytest.mark.parametrize("noise", [0.05, 0.6])
@pytest.mark.parametrize("init", ["svd", "random"])
def test_the_error_is_not_above_tensorlys(method, noise, init):
    tensor, _ = planted(noise=noise, rank=5)
    tensor = np.abs(tensor)
    ours = as_model(tensor, fit(tensor, rank=4, nonnegative=method == "CP_NN_HALS").factors)
    estimator = getattr(tl.decomposition, method)(
        4, init=init, n_iter_max=200, tol=1e-9, random_state=0
    )
    weights, factors = estimator.fit_transform(tensor)
    theirs = model_from_factors(tensor, NAMES, dict(zip(NAMES, factors, strict=True)), weights)
    assert ours.relative_error <= 1.001 * theirs.relative_error


@pytest.mark.parametrize("nonnegative", [True, False])
def test_the_loss_of_accepted_iterates_never_rises(nonnegative):
    tensor, _ = planted(noise=0.5, rank=6)
    found = fit(tensor, rank=5, nonnegative=nonnegative, n_restarts=2, tol=0.0, n_iter_max=150)
    assert len(found.core_errors) > 20
    assert (np.diff(found.core_errors) <= 0).all()
    assert (np.diff(found.polish_errors) <= 0).all()
    # the compressed tensor's optimum is the whole one's, and what is told is the true error
    true_error = as_model(tensor, found.factors).relative_error
    assert found.polish_errors[-1] == pytest.approx(true_error, rel=1e-5)
    assert true_error <= found.core_errors[-1] * 1.001


def test_more_starts_do_not_change_the_first():
    tensor, _ = planted(noise=0.3)
    first = fit(tensor, n_restarts=1, n_iter_max=5)
    assert first.stability is None
    several = fit(tensor, n_restarts=4, n_iter_max=5)
    assert several.core_errors[-1] <= first.core_errors[-1]


def test_an_extrapolated_step_without_gain_does_not_end_a_fit():
    """Components that nearly coincide make progress slow; the fit must not stop on the way."""
    rng = np.random.default_rng(0)
    base = rng.random((3, 60, 1))
    shape = (60, 60, 60)
    factors = [b + 0.15 * rng.random((60, 4)) for b in base]
    tensor = np.einsum("ir,jr,kr->ijk", *factors) + 0.001 * rng.random(shape)
    found = fit(tensor.astype(np.float32), rank=4, n_restarts=1, n_iter_max=2000, tol=1e-8)
    further = fit(tensor.astype(np.float32), rank=4, n_restarts=1, n_iter_max=2000, tol=1e-10)
    assert found.core_errors[-1] <= 1.1 * further.core_errors[-1]


def test_results_do_not_depend_on_blocks(monkeypatch):
    tensor, _ = planted(noise=0.3)
    whole = fit(tensor)
    monkeypatch.setattr(fast_cp_module, "ENTRIES_PER_BLOCK", 9000)  # three rows at a time
    in_blocks = fit(tensor)
    for a, b in zip(whole.factors, in_blocks.factors, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(a).max())
    assert in_blocks.polish_errors[-1] == pytest.approx(whole.polish_errors[-1], rel=1e-6)


def test_results_do_not_depend_on_the_number_of_threads():
    tensor, _ = planted(noise=0.3)
    n_threads = torch.get_num_threads()
    try:
        fits = []
        for n in (1, 2):
            torch.set_num_threads(n)
            fits.append(fit(tensor))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(n_threads)
    for a, b in zip(fits[0].factors, fits[1].factors, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(a).max())


def test_a_compressed_tensor_keeps_its_components():
    """The share of a planted tensor that the bases miss is far below its noise."""
    tensor, truth = planted(shape=(300, 20, 200), noise=0.3)
    blocks = dense_tensor(tensor, NAMES)
    compressed = compress(
        list(as_blocks(blocks.blocks(), CPU)), blocks.block_shape, 3, tensor_sums(blocks).square, 0
    )
    assert compressed.core.shape == (48, 20, 48)
    assert compressed.shape == blocks.block_shape
    for basis, name in zip(compressed.bases, NAMES, strict=True):
        if basis is not None:
            loadings = torch.from_numpy(truth.factors[name])
            missed = loadings - basis @ (basis.T @ loadings)
            assert float((missed.norm(dim=0) / loadings.norm(dim=0)).max()) < 0.05


def test_short_tensors_are_not_compressed_and_not_polished():
    tensor, _ = planted(shape=(40, 20, 30))
    found = fit(tensor)
    assert found.polish_errors == ()
    assert as_model(tensor, found.factors).relative_error == pytest.approx(
        found.core_errors[-1], rel=1e-5
    )


def test_memory_that_runs_out_shrinks_the_blocks_and_says_so(monkeypatch, caplog):
    tensor, _ = planted(noise=0.3)
    whole = fit(tensor)
    monkeypatch.setattr(fast_cp_module, "compress", failing(compress, n_failures=2))
    smaller = fit(tensor)
    assert caplog.text.count("ran out of memory; trying again with blocks of") == 2
    for a, b in zip(whole.factors, smaller.factors, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(a).max())
    monkeypatch.setattr(fast_cp_module, "compress", failing(compress, n_failures=99))
    with pytest.raises(ProcessingError, match="too little memory for one row"):
        fit(tensor)


def failing(function, n_failures):
    counter = itertools.count()

    def call(*arguments):
        if next(counter) < n_failures:
            raise torch.cuda.OutOfMemoryError("planted")
        return function(*arguments)

    return call


def test_a_component_too_many_does_no_harm():
    tensor, truth = planted(noise=0.0, rank=2)
    found = fit(tensor, rank=4)
    model = as_model(tensor, found.factors)
    assert np.isfinite(model.relative_error)
    assert model.relative_error < 0.01
    assert isinstance(truth, CpModel)


@pytest.mark.gpu
def test_a_gpu_finds_what_the_cpu_finds():
    tensor, _ = planted(noise=0.3)
    cpu, gpu = fit(tensor), fit(tensor, device=torch.device("cuda"))
    assert gpu.polish_errors[-1] == pytest.approx(cpu.polish_errors[-1], rel=1e-5)
    assert (
        match_components(
            as_model(tensor, cpu.factors), as_model(tensor, gpu.factors)
        ).congruence.min()
        > 0.999
    )
