"""What holds for any tensor: exact undoing, invariances, monotone loss, planted components."""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from element_facerhythm.core.decomposition import (
    AxisPlan,
    CpModel,
    decompose,
    match_components,
    model_from_factors,
    order_components,
    rearrange,
    summarise_components,
    undo_factors,
)

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
    tree, _ = undo_factors(
        made, {"0": loadings}, undo_concat_elements=True, undo_concat_complex=undoes_complex
    )
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
    np.testing.assert_allclose(other.explained_variance, one.explained_variance, rtol=1e-6)
    for first, second in zip(summarise(one), summarise(other), strict=True):
        np.testing.assert_allclose(
            dataclasses.astuple(first), dataclasses.astuple(second), rtol=1e-6
        )


def decompose_three_axes(tensor, **options):
    spectrogram = tensor.reshape(2, -1, *tensor.shape[1:]).astype(np.float32)
    return decompose(
        {"0": spectrogram},
        names_dims_concat_array=[["xy", "points"]],
        name_dim_dict_elements="trials",
        method_handling_dict_elements="concatenate",
        **options,
    ).models["0"]


@settings(max_examples=10, deadline=None)
@given(seed=seeds, method=st.sampled_from(["CP_NN_HALS", "CP"]))
def test_more_iterations_never_fit_worse(seed, method):
    tensor, _ = random_problem(seed)
    errors = [
        decompose_three_axes(
            tensor, method=method, rank=3, seed=seed % 1000, n_iter_max=n, init="random", tol=0.0
        ).relative_error
        for n in (1, 2, 3, 5, 8, 13)
    ]
    assert (np.diff(errors) <= 1e-5).all()


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
    truth = CpModel(AXES, factors, np.ones(3), np.zeros(3), 0.0, 0.0)
    assert match_components(truth, fitted).congruence.min() > 0.95
