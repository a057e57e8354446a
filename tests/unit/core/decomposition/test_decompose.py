"""Decompositions of tensors whose components are known, and what is refused."""

import numpy as np
import pytest
import tensorly as tl
import torch

from element_facerhythm.core.decomposition import (
    CpModel,
    decompose,
    evaluate_factors,
    largest_rank,
    match_components,
)
from element_facerhythm.core.decomposition.tensorly_cp import leading_singular_vectors
from element_facerhythm.errors import ParameterError, ProcessingError

N_POINTS, N_FREQUENCIES, N_TIMES = 6, 8, (15, 10)
OPTIONS = {
    "names_dims_concat_array": [["xy", "points"]],
    "name_dim_dict_elements": "trials",
    "method_handling_dict_elements": "concatenate",
    "method": "CP_NN_HALS",
    "rank": 3,
    "seed": 0,
    "n_iter_max": 200,
    "init": "random",
    "tol": 1e-9,
    "undo_concat_elements": True,
}


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
        0.0,
        0.0,
    )
    videos = np.split(tensor, [N_TIMES[0]], axis=3)
    return {str(i): video for i, video in enumerate(videos)}, truth


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("CP_NN_HALS", {}),
        ("CP_NN_HALS", {"init": "svd", "n_restarts": 1}),
        ("CP_NN_HALS", {"nn_modes": [0, 1]}),
        ("CP", {}),
        ("CP", {"init": "svd", "n_restarts": 1}),
        ("CP_NN_HALS", {"solver": "tensorly"}),
        ("CP_NN_HALS", {"solver": "tensorly", "init": "svd", "svd": "truncated_svd"}),
        (
            "CP_NN_HALS",
            {
                "solver": "tensorly",
                "backend": "pytorch",
                "init": "svd",
                "svd": "randomized_svd",
            },
        ),
        ("CP", {"solver": "tensorly", "n_iter_max": 500}),
        ("CP", {"linesearch": True, "init": "svd"}),
        ("CP", {"solver": "tensorly", "backend": "pytorch", "n_iter_max": 500}),
        ("RandomizedCP", {"n_samples": 60}),
    ],
)
def test_planted_components_are_found(method, changes):
    spectrograms, truth = planted(signed=method != "CP_NN_HALS")
    result = decompose(spectrograms, **{**OPTIONS, "method": method, **changes})
    model = result.models["0"]
    assert match_components(truth, model).congruence.min() > 0.95
    assert model.relative_error < 0.05
    np.testing.assert_array_equal(model.weights, 1)
    assert (np.diff(model.explained_variance) <= 0).all()
    assert tl.get_backend() == "numpy"  # as before


def test_constrained_cp_keeps_its_constraint():
    spectrograms, _ = planted()
    result = decompose(
        spectrograms, **{**OPTIONS, "method": "ConstrainedCP", "init": "svd", "non_negative": True}
    )
    assert min(f.min() for f in result.models["0"].factors.values()) >= 0


def test_the_result_has_facerhythms_names():
    spectrograms, _ = planted()
    result = decompose(spectrograms, **OPTIONS)
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
    model = decompose(spectrograms, **{**OPTIONS, "method": "CP", "n_iter_max": 500}).models["0"]
    fitted = np.einsum("ir,jr,kr->ijk", *model.factors.values())
    tensor = np.concatenate(list(spectrograms.values()), axis=3).reshape(fitted.shape)
    assert np.linalg.norm(fitted - tensor) / np.linalg.norm(tensor) < 1e-2


@pytest.mark.parametrize("backend", ["numpy", "pytorch"])
def test_iterating_in_steps_is_tensorlys_own_run(backend):
    spectrograms, _ = planted(noise=0.5)
    tensor = np.concatenate(list(spectrograms.values()), axis=3).reshape(12, 8, 25)
    seen = []
    model = decompose(
        spectrograms,
        **{**OPTIONS, "n_iter_max": 40, "tol": 1e-4, "backend": backend, "solver": "tensorly"},
        on_iteration=seen.append,
    ).models["0"]
    with tl.backend_context(backend, local_threadsafe=True):
        estimator = tl.decomposition.CP_NN_HALS(
            3, n_iter_max=40, init="random", tol=1e-4, random_state=0
        )
        whole = estimator.fit_transform(tl.tensor(tensor))
    assert model.n_iterations == len(estimator.errors_) < 40
    assert seen == list(range(1, model.n_iterations + 1))
    theirs = np.sort(np.asarray(whole.factors[1]), axis=1)
    np.testing.assert_allclose(np.sort(model.factors["frequency"], axis=1), theirs, rtol=1e-5)


@pytest.mark.parametrize("solver", ["auto", "tensorly"])
@pytest.mark.parametrize("init", ["svd", "random"])
def test_the_seed_decides_the_result(init, solver):
    spectrograms, _ = planted(noise=1.0)
    options = {**OPTIONS, "init": init, "n_iter_max": 3, "n_restarts": 1, "solver": solver}
    first, second = (decompose(spectrograms, **options).models["0"] for _ in range(2))
    other = decompose(spectrograms, **{**options, "random_state": 7}).models["0"]
    for name in first.names:
        np.testing.assert_array_equal(first.factors[name], second.factors[name])
    same = all(np.array_equal(first.factors[n], other.factors[n]) for n in first.names)
    assert same == (init == "svd")


def test_separate_videos_have_models_of_their_own():
    spectrograms, _ = planted()
    seen = []
    result = decompose(
        spectrograms,
        **{
            **OPTIONS,
            "method_handling_dict_elements": "separate",
            "undo_concat_elements": False,
            "n_iter_max": 5,
            "n_restarts": 1,
        },
        on_iteration=seen.append,
    )
    assert list(result.models) == ["0", "1"]
    assert result.models["1"].factors["time"].shape == (10, 3)
    assert seen == list(range(1, 11))


def test_normalisation_centres_and_scales_each_trace():
    spectrograms, _ = planted(noise=1.0)
    plain = decompose(spectrograms, **{**OPTIONS, "method": "CP", "n_iter_max": 20})
    result = decompose(
        spectrograms,
        **{**OPTIONS, "method": "CP", "n_iter_max": 20},
        mean_subtract=True,
        std_divide=True,
        normalize_dim="time",
    )
    tensor = np.concatenate(list(spectrograms.values()), axis=3).reshape(12, 8, 25).astype(float)
    centred = tensor - tensor.mean(axis=2, keepdims=True)
    scaled = centred / tensor.std(axis=2, ddof=1, keepdims=True)
    fitted = np.einsum("ir,jr,kr->ijk", *result.models["0"].factors.values())
    error = np.linalg.norm(scaled - fitted) / np.linalg.norm(scaled)
    assert result.models["0"].relative_error == pytest.approx(error, rel=1e-4)
    assert plain.models["0"].relative_error != pytest.approx(error, rel=1e-2)


def test_complex_spectrograms_enter_as_magnitudes_or_folded():
    spectrograms, _ = planted()
    turned = {name: array * np.exp(1j) for name, array in spectrograms.items()}
    magnitudes = decompose(turned, **{**OPTIONS, "n_iter_max": 3}).models["0"]
    assert magnitudes.factors["(time trials)"].shape == (25, 3)
    folded = decompose(
        turned,
        **{**OPTIONS, "method": "CP", "n_iter_max": 3},
        concat_complex_dim=True,
        undo_concat_complex=True,
    )
    assert folded.names_before[2] == "((time complex) trials)"
    assert np.iscomplexobj(folded.factors_rearranged["0"]["trials"]["time_1"])


def test_factors_from_elsewhere_are_evaluated_in_their_own_order():
    spectrograms, truth = planted(noise=0)
    models = evaluate_factors(
        spectrograms,
        names=truth.names,
        name_dim_dict_elements="trials",
        factors={"0": truth.factors},
    )
    assert models["0"].relative_error < 1e-6
    np.testing.assert_array_equal(models["0"].factors["frequency"], truth.factors["frequency"])
    with pytest.raises(ParameterError, match=r"factors for \['1'\]"):
        evaluate_factors(
            spectrograms,
            names=truth.names,
            name_dim_dict_elements="trials",
            factors={"1": truth.factors},
        )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": "CP_HALS"}, "method is 'CP_HALS'"),
        ({"n_iter": 5}, "did you mean 'n_iter_max'"),
        ({"n_samples": 50}, "'n_samples' is no option of CP_NN_HALS"),
        ({"init": "ones"}, "init is 'ones'"),
        ({"tol": -1.0}, "tol is -1.0"),
        ({"rank": 0}, "rank is 0"),
        ({"rank": 97}, "rank is 97.*with 96 components"),
        ({"n_iter_max": 2.5}, "n_iter_max is 2.5"),
        ({"backend": "jax"}, "backend is 'jax'"),
        ({"solver": "mine"}, "solver is 'mine'"),
        ({"n_restarts": 0}, "n_restarts is 0"),
        (
            {
                "names_dims_concat_array": [
                    ["xy", "points"],
                    ["points", "time"],
                    ["time", "frequency"],
                ]
            },
            "folded into one",
        ),
        ({"method": "RandomizedCP", "n_samples": None}, "n_samples = None"),
        ({"fixed_modes": [2]}, "fixed_modes names the last axis"),
        ({"undo_concat_complex": True}, "undo_concat_complexDim is true"),
        ({"names_dims_concat_array": [["xy"]]}, "expected two axis names"),
        ({"normalize_dim": "frames", "mean_subtract": True}, "no axis 'frames'"),
    ],
)
def test_impossible_requests_are_refused(changes, told):
    spectrograms, _ = planted()
    with pytest.raises(ParameterError, match=told):
        decompose(spectrograms, **{**OPTIONS, **changes})


def test_harmless_options_of_other_methods_are_accepted():
    spectrograms, _ = planted()
    options = {"verbose": True, "n_samples": None, "random_state": None, "fixed_modes": None}
    assert decompose(spectrograms, **{**OPTIONS, "n_iter_max": 2}, **options).models["0"].rank == 3


def test_bad_numbers_are_named():
    spectrograms, _ = planted()
    spectrograms["1"][1, 4, 3, 2] = np.inf
    with pytest.raises(
        ProcessingError, match=r"video '1' has 1 values.*xy 1, points 4, frequency 3, frame 2"
    ):
        decompose(spectrograms, **OPTIONS)
    spectrograms["1"][1, 4, 3, 2] = 0
    for video in spectrograms.values():
        video[:, 2] = 1.0
    with pytest.raises(ProcessingError, match="16 of 96 traces do not vary along 'time'"):
        decompose(spectrograms, **OPTIONS, std_divide=True)


def test_negative_values_are_told_to_a_non_negative_method(caplog):
    spectrograms, _ = planted(signed=True)
    decompose(spectrograms, **{**OPTIONS, "n_iter_max": 1})
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
    model = decompose(spectrograms, **OPTIONS, device="cuda").models["0"]
    assert match_components(truth, model).congruence.min() > 0.95
