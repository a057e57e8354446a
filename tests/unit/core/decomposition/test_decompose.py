"""Decompositions of tensors whose components are known, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import tensorly as tl
import torch

from element_facerhythm.core.decomposition import (
    AxisPlan,
    CpModel,
    FitSettings,
    TensorScaling,
    decompose,
    evaluate_factors,
    largest_rank,
    match_components,
)
from element_facerhythm.core.decomposition.settings import AS_IT_IS
from element_facerhythm.core.decomposition.tensorly_cp import (
    fit_tensorly,
    leading_singular_vectors,
)
from element_facerhythm.errors import ParameterError, ProcessingError
from element_facerhythm.parameters import parameters_from_mapping

N_POINTS, N_FREQUENCIES, N_TIMES = 6, 8, (15, 10)
PLAN = AxisPlan(pairs=(("xy", "points"),), method="concatenate", undo_join=True)
FIT = FitSettings("CP_NN_HALS", rank=3, seed=0)
CPU = torch.device("cpu")


def run(spectrograms, plan=PLAN, scaling=AS_IT_IS, on_iteration=None, **fit):
    """Decompose with other settings of the fit than usual."""
    settings = replace(FIT, **fit)
    return decompose(spectrograms, plan, settings, scaling, on_iteration=on_iteration)


def joined(spectrograms):
    """Give the tensor that is decomposed."""
    return np.concatenate(list(spectrograms.values()), axis=3).reshape(12, 8, 25)


def planted(seed=0, rank=3, signed=False, noise=0.01):
    """Spectrograms of two videos and the factors they were made of."""
    rng = np.random.default_rng(seed)
    shape = (2 * N_POINTS, N_FREQUENCIES, sum(N_TIMES))
    draw = rng.standard_normal if signed else lambda size: rng.gamma(0.5, 1.0, size)
    factors = [draw((n, rank)) for n in shape]
    tensor = np.einsum("ir,jr,kr->ijk", *factors)
    tensor = tensor + noise * np.abs(tensor).mean() * rng.random(shape)
    tensor = tensor.reshape(2, N_POINTS, N_FREQUENCIES, -1).astype(np.float32)
    truth = CpModel(
        ("(xy points)", "frequency", "(time trials)"),
        dict(zip(("(xy points)", "frequency", "(time trials)"), factors, strict=True)),
        np.ones(rank),
        np.zeros(rank),
        np.zeros(rank),
        0.0,
        1.0,
    )
    videos = np.split(tensor, [N_TIMES[0]], axis=3)
    return {str(i): video for i, video in enumerate(videos)}, truth


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("CP_NN_HALS", {}),
        ("CP_NN_HALS", {"init": "svd", "n_restarts": 1}),
        ("CP_NN_HALS", {"nn_modes": (0, 1)}),
        ("CP", {}),
        ("CP", {"init": "svd", "n_restarts": 1}),
        ("CP_NN_HALS", {"solver": "tensorly"}),
        ("CP_NN_HALS", {"solver": "tensorly", "init": "svd", "svd": "truncated_svd"}),
        ("CP", {"solver": "tensorly", "n_iter_max": 500}),
        ("RandomizedCP", {"n_samples": 60}),
    ],
)
def test_planted_components_are_found(method, changes):
    spectrograms, truth = planted(signed=method != "CP_NN_HALS")
    result = run(spectrograms, method=method, **changes)
    model = result.models["0"]
    assert match_components(truth, model).congruence.min() > 0.95
    assert model.relative_error < 0.05
    np.testing.assert_array_equal(model.weights, 1)
    assert (np.diff(model.squared_correlation) <= 0).all()
    assert tl.get_backend() == "numpy"  # as before


@pytest.mark.parametrize(
    ("method", "changes"),
    [("CP_NN_HALS", {"init": "svd", "svd": "randomized_svd"}), ("CP", {"n_iter_max": 500})],
)
def test_tensorly_finds_planted_components_with_pytorch(method, changes):
    """As on a GPU."""
    spectrograms, truth = planted(signed=method != "CP_NN_HALS")
    settings = replace(FIT, method=method, **changes)
    tensor = joined(spectrograms)
    factors, weights, _ = fit_tensorly(tensor, settings, CPU, lambda n_done: None, "pytorch")
    factors = dict(zip(truth.names, factors, strict=True))
    nan = np.full(3, np.nan)
    model = CpModel(truth.names, factors, weights, nan, nan, np.nan, np.nan)
    assert match_components(truth, model).congruence.min() > 0.95
    assert tl.get_backend() == "numpy"  # as before


def test_the_result_has_facerhythms_names():
    spectrograms, _ = planted()
    result = run(spectrograms)
    run_data = result.run_data
    assert run_data["names_dims_array_preDecomp"] == ["(xy points)", "frequency", "(time trials)"]
    assert run_data["names_dims_array"] == ["(xy points)", "frequency", "time"]
    assert run_data["name_dim_dictElements"] == "trials"
    assert run_data["name_dim_dictElements_preDecomp"] == "0"
    pieces = run_data["factors_rearranged"]["0"]["trials"]
    assert {name: piece.shape for name, piece in pieces.items()} == {
        "time_0": (15, 3),
        "time_1": (10, 3),
    }
    joined = np.concatenate([pieces["time_0"], pieces["time_1"]])
    np.testing.assert_array_equal(joined, run_data["factors"]["0"]["(time trials)"])


def test_the_factors_alone_reconstruct():
    spectrograms, _ = planted(noise=0)
    model = run(spectrograms, method="CP", n_iter_max=500).models["0"]
    fitted = np.einsum("ir,jr,kr->ijk", *model.factors.values())
    tensor = joined(spectrograms)
    assert np.linalg.norm(fitted - tensor) / np.linalg.norm(tensor) < 1e-2


@pytest.mark.parametrize("backend", ["numpy", "pytorch"])
def test_iterating_in_steps_is_tensorlys_own_run(backend):
    spectrograms, _ = planted(noise=0.5)
    tensor, seen = joined(spectrograms), []
    settings = replace(FIT, n_iter_max=40, tol=1e-4)
    factors, _, n_iterations = fit_tensorly(tensor, settings, CPU, seen.append, backend)
    with tl.backend_context(backend, local_threadsafe=True):
        estimator = tl.decomposition.CP_NN_HALS(
            3, n_iter_max=40, init="random", tol=1e-4, random_state=0
        )
        whole = estimator.fit_transform(tl.tensor(tensor))
    assert n_iterations == len(estimator.errors_) < 40
    assert seen == list(range(1, n_iterations + 1))
    for ours, theirs in zip(factors, whole.factors, strict=True):
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("solver", ["auto", "tensorly"])
@pytest.mark.parametrize("init", ["svd", "random"])
def test_the_seed_decides_the_result(init, solver):
    spectrograms, _ = planted(noise=1.0)
    options = {"init": init, "n_iter_max": 3, "n_restarts": 1, "solver": solver}
    first, second = (run(spectrograms, **options).models["0"] for _ in range(2))
    other = run(spectrograms, **options, seed=7).models["0"]
    for name in first.names:
        np.testing.assert_array_equal(first.factors[name], second.factors[name])
    same = all(np.array_equal(first.factors[n], other.factors[n]) for n in first.names)
    assert same == (init == "svd")


def test_separate_videos_have_models_of_their_own():
    spectrograms, _ = planted()
    seen = []
    plan = replace(PLAN, method="separate", undo_join=False)
    result = run(spectrograms, plan, on_iteration=seen.append, n_iter_max=5, n_restarts=1)
    assert list(result.models) == ["0", "1"]
    assert result.models["1"].factors["time"].shape == (10, 3)
    assert seen == list(range(1, 11))


def test_normalisation_centres_and_scales_each_trace():
    spectrograms, _ = planted(noise=1.0)
    plain = run(spectrograms, method="CP", n_iter_max=20)
    scaling = TensorScaling(mean_subtract=True, std_divide=True, axis="time")
    result = run(spectrograms, scaling=scaling, method="CP", n_iter_max=20)
    tensor = joined(spectrograms).astype(float)
    centred = tensor - tensor.mean(axis=2, keepdims=True)
    scaled = centred / tensor.std(axis=2, ddof=1, keepdims=True)
    fitted = np.einsum("ir,jr,kr->ijk", *result.models["0"].factors.values())
    error = np.linalg.norm(scaled - fitted) / np.linalg.norm(scaled)
    assert result.models["0"].relative_error == pytest.approx(error, rel=1e-4)
    assert plain.models["0"].relative_error != pytest.approx(error, rel=1e-2)


def test_complex_spectrograms_enter_as_magnitudes_or_folded():
    spectrograms, _ = planted()
    turned = {name: array * np.exp(1j) for name, array in spectrograms.items()}
    magnitudes = run(turned, n_iter_max=3).models["0"]
    assert magnitudes.factors["(time trials)"].shape == (25, 3)
    plan = replace(PLAN, complex_into="time", undo_complex=True)
    folded = run(turned, plan, method="CP", n_iter_max=3)
    assert folded.names_before[2] == "((time complex) trials)"
    assert np.iscomplexobj(folded.factors_rearranged["0"]["trials"]["time_1"])


def test_factors_from_elsewhere_are_evaluated_in_their_own_order():
    spectrograms, truth = planted(noise=0)
    plan = AxisPlan.from_names(truth.names, element_axis="trials")
    models = evaluate_factors(spectrograms, plan, {"0": truth.factors})
    assert models["0"].relative_error < 1e-6
    np.testing.assert_array_equal(models["0"].factors["frequency"], truth.factors["frequency"])
    with pytest.raises(ParameterError, match=r"factors for \['1'\]"):
        evaluate_factors(spectrograms, plan, {"1": truth.factors})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": "CP_HALS"}, "method is 'CP_HALS'"),
        ({"n_samples": 50}, "'n_samples' is no option of CP_NN_HALS"),
        ({"method": "CP", "exact": True}, "'exact' is no option of CP"),
        ({"init": "ones"}, "init is 'ones'"),
        ({"svd": "full"}, "svd is 'full'"),
        ({"cvg_criterion": "error"}, "cvg_criterion is 'error'"),
        ({"tol": -1.0}, "tol is -1.0"),
        ({"tol": np.nan}, "tol is nan"),
        ({"rank": 0}, "rank is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"n_iter_max": 2.5}, "n_iter_max is 2.5"),
        ({"n_iter_max": True}, "n_iter_max is True"),
        ({"solver": "mine"}, "solver is 'mine'"),
        ({"n_restarts": 0}, "n_restarts is 0"),
        ({"method": "RandomizedCP", "n_samples": None}, "n_samples = None"),
    ],
)
def test_impossible_settings_are_refused(changes, told):
    with pytest.raises(ParameterError, match=told):
        replace(FIT, **changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rank": 97}, "rank is 97.*with 96 components"),
        ({"fixed_modes": (2,)}, "fixed_modes names the last axis"),
        (
            {"plan": AxisPlan(pairs=(("xy", "points"), ("points", "time"), ("time", "frequency")))},
            "folded into one",
        ),
        ({"scaling": TensorScaling(True, axis="frames")}, "no axis 'frames'"),
    ],
)
def test_what_does_not_fit_the_tensor_is_refused(changes, told):
    spectrograms, _ = planted()
    with pytest.raises(ParameterError, match=told):
        run(spectrograms, **changes)


@pytest.mark.parametrize("n_samples", [5, 6, 7])
def test_samples_are_enough_for_a_parameter_file_where_they_are_for_a_fit(n_samples):
    asked = {"method": "RandomizedCP", "params_method": {"rank": 6, "n_samples": n_samples}}
    answers = []
    for ask in (
        lambda: parameters_from_mapping({"TCA": {"fit": asked}}),
        lambda: FitSettings("RandomizedCP", rank=6, seed=0, n_samples=n_samples),
    ):
        try:
            ask()
            answers.append("taken")
        except ParameterError as error:
            assert "above the rank" in str(error)
            answers.append("refused")
    assert answers == ["taken" if n_samples > 6 else "refused"] * 2


def test_bad_numbers_are_named():
    spectrograms, _ = planted()
    spectrograms["1"][1, 4, 3, 2] = np.inf
    with pytest.raises(
        ProcessingError, match=r"video '1' has 1 values.*xy 1, points 4, frequency 3, frame 2"
    ):
        run(spectrograms)
    spectrograms["1"][1, 4, 3, 2] = 0
    for video in spectrograms.values():
        video[:, 2] = 1.0
    with pytest.raises(ProcessingError, match="16 of 96 traces do not vary along 'time'"):
        run(spectrograms, scaling=TensorScaling(std_divide=True))


def test_negative_values_are_told_to_a_non_negative_method(caplog):
    spectrograms, _ = planted(signed=True)
    run(spectrograms, n_iter_max=1)
    assert "negative values" in caplog.text


def test_the_largest_rank_is_the_product_of_the_shorter_axes():
    assert largest_rank((238, 30, 52)) == 30 * 52
    assert largest_rank((4, 100, 2)) == 8


@pytest.mark.parametrize("shape", [(7, 40), (40, 7), (9, 9)])
@pytest.mark.parametrize("as_torch", [True, False])
def test_leading_singular_vectors_are_those_of_the_svd(shape, as_torch):
    matrix = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    given = torch.as_tensor(matrix) if as_torch else matrix
    left, values, right = (np.asarray(a) for a in leading_singular_vectors(given, 4))
    u, s, v = np.linalg.svd(matrix.astype(float), full_matrices=False)
    np.testing.assert_allclose(values, s[:4], rtol=1e-5)
    np.testing.assert_allclose(np.abs(np.sum(left * u[:, :4], axis=0)), 1, rtol=1e-5)
    np.testing.assert_allclose(np.abs(np.sum(right * v[:4], axis=1)), 1, rtol=1e-5)


def test_a_deficient_matrix_still_gives_finite_unit_vectors():
    matrix = np.outer(np.arange(6.0), np.ones(20)).astype(np.float32)
    matrix[0] = 0
    left, values, right = leading_singular_vectors(matrix, 5)
    assert values[0] > 1
    assert np.abs(values[1:]).max() < 1e-4
    np.testing.assert_allclose(np.linalg.norm(right, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(left.T @ left, np.eye(5), atol=1e-5)


@pytest.mark.gpu
def test_a_gpu_finds_the_same_components():
    spectrograms, truth = planted()
    model = decompose(spectrograms, PLAN, FIT, device="cuda").models["0"]
    assert match_components(truth, model).congruence.min() > 0.95
