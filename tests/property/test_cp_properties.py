"""What holds for any tensor: exact undoing, invariances, monotone loss, planted components."""

import dataclasses
from dataclasses import replace

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from element_facerhythm.core.decomposition import (
    AxisPlan,
    CpModel,
    FitSettings,
    decompose,
    match_components,
    model_from_factors,
    order_components,
    rearrange,
    summarise_components,
    undo_factors,
)
from element_facerhythm.core.decomposition.block_tensor import dense_tensor
from element_facerhythm.core.decomposition.compression import as_blocks, compress
from element_facerhythm.core.decomposition.full_tensor_refinement import sweep_blocks
from element_facerhythm.core.decomposition.initialisation import make_starts
from element_facerhythm.core.decomposition.quality import tensor_sums
from element_facerhythm.core.decomposition.tucker_core_fit import core_loss, fit_core

NAMES = ("xy", "points", "frequency", "time")
AXES = ("(xy points)", "frequency", "(time trials)")
seeds = st.integers(0, 2**32 - 1)

plans = st.builds(
    AxisPlan,
    names=st.just(NAMES),
    pairs=st.sampled_from(
        [
            (),
            (("xy", "points"),),
            (("points", "xy"),),
            (("xy", "points"), ("(xy points)", "frequency")),
            (("frequency", "points"), ("xy", "time")),
        ]
    ),
    complex_into=st.sampled_from([None, "time", "xy", "frequency"]),
    element_axis=st.sampled_from(["trials", "session"]),
    method=st.sampled_from(["concatenate", "separate"]),
    concatenate_along=st.just("time"),
    windows=st.sampled_from([None, ((0, 1), None), ((1, 1), (0, 2))]),
)


def numbered(shapes, is_complex):
    """Arrays in which every entry is a number of its own."""
    arrays, start = {}, 0
    for i, shape in enumerate(shapes):
        n = int(np.prod(shape))
        values = np.arange(start, start + n, dtype=float).reshape(shape)
        arrays[f"video{i}"] = values + 1j * (values + 0.5) if is_complex else values
        start += n
    return arrays


@settings(max_examples=150, deadline=None)
@given(
    plan=plans,
    n_points=st.integers(1, 4),
    n_frequencies=st.integers(1, 3),
    n_times=st.tuples(st.integers(2, 4), st.integers(3, 5)),
)
def test_restoring_what_was_rearranged_gives_it_back(plan, n_points, n_frequencies, n_times):
    """With the joint axis folded around other axes, too, every entry returns to its place."""
    shapes = [(2, n_points, n_frequencies, n) for n in n_times]
    arrays = numbered(shapes, plan.complex_into is not None)
    made = rearrange(arrays, plan)
    restored = made.restore(made.tensors)
    for i, (name, array) in enumerate(arrays.items()):
        window = None if plan.windows is None else plan.windows[i]
        kept = array if window is None else array[..., window[0] : window[1] + 1]
        np.testing.assert_array_equal(restored[name], kept)


@settings(max_examples=100, deadline=None)
@given(
    folds_complex=st.booleans(),
    undoes_complex=st.booleans(),
    n_times=st.lists(st.integers(1, 6), min_size=1, max_size=4),
)
def test_undone_factors_are_the_rows_of_their_own_video(folds_complex, undoes_complex, n_times):
    """Loadings that name their own video and time come back under that video, in order."""
    plan = AxisPlan(
        NAMES,
        (("xy", "points"),),
        "time" if folds_complex else None,
        method="concatenate",
    )
    times = [100 * i + np.arange(n, dtype=float) for i, n in enumerate(n_times)]
    labels = {
        str(i): np.broadcast_to(t * (1 + 1j) if folds_complex else t, (2, 3, 4, len(t)))
        for i, t in enumerate(times)
    }
    made = rearrange(labels, plan)
    tensor = np.asarray(made.tensors["0"])
    loadings = {
        made.names[0]: tensor[:, 0, 0][:, None],
        made.names[1]: tensor[0, :, 0][:, None],
        made.names[2]: tensor[0, 0, :][:, None],
    }
    undoes_complex = undoes_complex and folds_complex
    plan = replace(plan, undo_join=True, undo_complex=undoes_complex)
    tree, _ = undo_factors(replace(made, plan=plan), {"0": loadings})
    for i, expected in enumerate(times):
        name = "time" if undoes_complex or not folds_complex else "(time complex)"
        piece = tree["0"]["trials"][f"{name}_{i}"][:, 0]
        if undoes_complex:
            expected = expected * (1 + 1j)
        elif folds_complex:
            expected = np.repeat(expected, 2)
        np.testing.assert_array_equal(piece, expected)


def random_problem(seed, rank=3):
    rng = np.random.default_rng(seed)
    factors = {n: rng.random((k, rank)) for n, k in zip(AXES, (8, 6, 9), strict=True)}
    tensor = np.einsum("ir,jr,kr->ijk", *factors.values()) + 0.3 * rng.random((8, 6, 9))
    return tensor, factors


def summarise(model):
    rng = np.random.default_rng(0)
    return summarise_components(
        model,
        frequencies_hz=np.geomspace(1, 40, 6),
        point_positions=rng.uniform(0, 100, (4, 2)),
        n_points=4,
    )


@settings(max_examples=50, deadline=None)
@given(
    seed=seeds,
    order=st.permutations(range(3)),
    scales=st.lists(st.floats(0.01, 100), min_size=6, max_size=6),
)
def test_order_and_scale_of_loadings_do_not_matter(seed, order, scales):
    tensor, factors = random_problem(seed)
    a, b = np.array(scales[:3]), np.array(scales[3:])
    scaled = {
        AXES[0]: factors[AXES[0]] * a,
        AXES[1]: factors[AXES[1]] * b,
        AXES[2]: factors[AXES[2]] / (a * b),
    }
    shuffled = {name: f[:, list(order)] for name, f in scaled.items()}
    one, other = (
        order_components(model_from_factors(tensor, AXES, f)) for f in (factors, shuffled)
    )
    np.testing.assert_allclose(other.relative_error, one.relative_error, rtol=1e-6)
    np.testing.assert_allclose(other.squared_correlation, one.squared_correlation, rtol=1e-6)
    np.testing.assert_allclose(other.explained_variance, one.explained_variance, atol=1e-9)
    for first, second in zip(summarise(one), summarise(other), strict=True):
        np.testing.assert_allclose(
            dataclasses.astuple(first), dataclasses.astuple(second), rtol=1e-6
        )


def decompose_three_axes(tensor, method, **options):
    spectrogram = tensor.reshape(2, -1, *tensor.shape[1:]).astype(np.float32)
    plan = AxisPlan(pairs=(("xy", "points"),), method="concatenate")
    fit = FitSettings(method, **options)
    return decompose({"0": spectrogram}, plan, fit).models["0"]


@settings(max_examples=10, deadline=None)
@given(
    seed=seeds,
    method=st.sampled_from(["CP_NN_HALS", "CP"]),
    solver=st.sampled_from(["auto", "tensorly"]),
)
def test_more_iterations_never_fit_worse(seed, method, solver):
    tensor, _ = random_problem(seed)
    options = {"method": method, "rank": 3, "seed": seed % 1000, "solver": solver, "tol": 0.0}
    errors = [
        decompose_three_axes(tensor, **options, n_iter_max=n).relative_error
        for n in (1, 2, 3, 5, 8, 13)
    ]
    assert (np.diff(errors) <= 1e-5).all()


@settings(max_examples=15, deadline=None)
# two components that cancel, each 40 times as large as the tensor
@example(seed=36264, shape=(2, 2, 2), nonnegative=False)
@given(
    seed=seeds,
    shape=st.tuples(st.integers(2, 90), st.integers(2, 12), st.integers(2, 90)),
    nonnegative=st.booleans(),
)
def test_the_true_error_never_rises_from_one_accepted_point_to_the_next(seed, shape, nonnegative):
    """Of compressed and of whole tensors, of signed and of non-negative ones, from every start."""
    rng = np.random.default_rng(seed)
    tensor = rng.gamma(0.3, 1.0, shape) if nonnegative else rng.standard_normal(shape)
    blocks = dense_tensor(tensor.astype(np.float32), AXES)
    norm_square = tensor_sums(blocks).square
    held = list(as_blocks(blocks.blocks(), torch.device("cpu")))
    signs, options = [nonnegative] * 3, {"n_starts": 2, "init": "svd", "seed": seed}
    compressed = compress(held, blocks.block_shape, 2, norm_square, seed)
    starts = make_starts(compressed, 2, signs, **options)
    fits = fit_core(compressed, starts, signs, n_iter_max=30, tol=0.0)
    assert (fits.errors.diff(dim=1) <= 0).all()
    told = core_loss(compressed, fits.factors)
    torch.testing.assert_close(fits.errors[:, -1] ** 2, told, rtol=1e-9, atol=1e-9)
    factors = [factor[:1] for factor in fits.factors]
    errors = []
    for _ in range(3):
        factors, told_error = sweep_blocks(held, factors, signs, norm_square)
        rows_first = [factor[0].T.numpy() for factor in factors]
        loadings = [rows_first[blocks.axis_order.index(axis)] for axis in range(3)]
        errors.append(
            model_from_factors(blocks, AXES, dict(zip(AXES, loadings, strict=True))).relative_error
        )
        # products are float32, of components that may be larger than the tensor and cancel
        norms = np.prod([np.linalg.norm(factor, axis=0) for factor in loadings], axis=0)
        rounding = 1e-6 * max(1.0, float(np.linalg.norm(norms)) / norm_square**0.5)
        assert abs(errors[-1] ** 2 - told_error**2) < rounding
    assert (np.diff(np.square(errors)) <= rounding).all()


@settings(max_examples=10, deadline=None)
@given(seed=seeds, scale=st.floats(1e-3, 1e3), method=st.sampled_from(["CP_NN_HALS", "CP"]))
def test_the_unit_of_the_tensor_does_not_matter(seed, scale, method):
    tensor, _ = random_problem(seed)
    options = {"method": method, "rank": 3, "seed": 0, "n_iter_max": 20}
    one = decompose_three_axes(tensor, **options)
    other = decompose_three_axes(tensor * scale, **options)
    np.testing.assert_allclose(other.relative_error, one.relative_error, rtol=1e-4)
    np.testing.assert_allclose(
        other.component_weights, scale * one.component_weights, rtol=1e-2, atol=1e-3 * scale
    )


@settings(max_examples=10, deadline=None)
@given(seed=seeds, order=st.permutations(range(4)))
def test_the_order_of_points_does_not_matter(seed, order):
    """Nor does that of frequencies: loadings are permuted with the tensor (from the same start)."""
    tensor, _ = random_problem(seed)
    spectrogram = tensor.reshape(2, 4, *tensor.shape[1:])
    options = {"method": "CP_NN_HALS", "rank": 2, "seed": 0, "init": "svd", "n_restarts": 1}
    one = decompose_three_axes(tensor, **options, n_iter_max=500)
    shuffled = spectrogram[:, list(order)].reshape(tensor.shape)
    other = decompose_three_axes(shuffled, **options, n_iter_max=500)
    np.testing.assert_allclose(other.relative_error, one.relative_error, rtol=1e-4)


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_planted_components_are_found(seed):
    """Three bumps at distinct places and frequencies, active at their own random times."""
    rng = np.random.default_rng(seed)
    bump = np.exp(-0.5 * ((np.arange(20)[:, None] - np.array([3, 10, 16])) / 1.5) ** 2)
    space = np.concatenate([bump * rng.random(3), bump * rng.random(3)])
    time = rng.gamma(0.5, 1.0, (60, 3))
    scale = 1 / (np.linalg.norm(space, axis=0) * np.linalg.norm(time, axis=0))
    factors = dict(zip(AXES, (space, bump[::-1], time * scale), strict=True))
    tensor = np.einsum("ir,jr,kr->ijk", *factors.values())
    tensor += 0.05 * tensor.mean() * rng.random(tensor.shape)
    fitted = decompose_three_axes(
        tensor, method="CP_NN_HALS", rank=3, seed=0, n_iter_max=300, init="svd", tol=1e-8
    )
    truth = CpModel(AXES, factors, np.ones(3), np.zeros(3), np.zeros(3), 0.0, 1.0)
    assert match_components(truth, fitted).congruence.min() > 0.99
    assert fitted.stability is not None
    assert 0.5 < fitted.stability.min() <= fitted.stability.max() <= 1 + 1e-9
