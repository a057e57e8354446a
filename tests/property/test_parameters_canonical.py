"""One meaning, one spelling; two meanings, two spellings."""

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from element_facerhythm.parameters import (
    Parameters,
    describe_difference,
    parameters_from_mapping,
)

REAL = st.floats(0.001, 1000, allow_nan=False) | st.integers(1, 1000)
COUNT = st.integers(1, 500)
FRACTION = st.floats(0, 1, allow_nan=False) | st.sampled_from([0, 1])


def some(**keys):
    """A section that holds any of these keys, or none."""
    return st.fixed_dictionaries({}, optional=keys)


TREES = some(
    project=some(random_seed=st.integers(0, 2**31) | st.none()),
    Dataset_videos=some(frame_rate_clamp=REAL | st.none()),
    ROIs=some(make_rois=some(point_spacing=COUNT)),
    PointTracker=some(
        contiguous=st.booleans(),
        params_optical_flow=some(
            relaxation=FRACTION,
            mesh_n_neighbors=COUNT,
            kwargs_method=some(winSize=st.lists(st.integers(3, 99), min_size=2, max_size=2)),
        ),
        params_clahe=st.none()
        | st.fixed_dictionaries(
            {"clipLimit": REAL, "tileGridSize": st.lists(COUNT, min_size=2, max_size=2)}
        ),
        frames_freeze=st.none() | st.lists(st.booleans()) | st.lists(st.integers(0, 999)),
    ),
    VQT_Analyzer=some(normalization_factor=FRACTION, one_over_f_exponent=REAL),
    TCA=some(fit=some(params_method=some(rank=COUNT, tol=FRACTION))),
    compat=st.sampled_from(["face-rhythm", None]),
)


def parse(tree):
    return parameters_from_mapping(tree).parameters


def shuffled(value, rng):
    """The same mapping with the keys of every section in another order."""
    if not isinstance(value, dict):
        return value
    items = list(value.items())
    rng.shuffle(items)
    return {key: shuffled(item, rng) for key, item in items}


@given(TREES)
def test_the_tree_reads_back_as_itself(tree):
    parameters = parse(tree)
    again = parse(json.loads(parameters.canonical_json()))
    assert again == parameters
    assert again.sha256() == parameters.sha256()
    assert len(parameters.sha256()) == 64


@given(TREES, st.integers())
def test_the_order_of_keys_does_not_matter(tree, seed):
    assert parse(shuffled(tree, random.Random(seed))).sha256() == parse(tree).sha256()


@given(TREES)
def test_leaving_out_a_default_does_not_matter(tree):
    parameters = parse(tree)
    assert parse(parameters.to_tree()).canonical_json() == parameters.canonical_json()


@given(TREES, TREES)
def test_equal_digests_mean_equal_parameters(first, second):
    a, b = parse(first), parse(second)
    assert (a.sha256() == b.sha256()) == (a == b)
    assert (a == b) == (describe_difference(a, b) == ())


@given(st.integers(-1000, 1000))
def test_a_whole_number_is_one_value_however_it_is_written(number):
    typed = [parse({"VQT_Analyzer": {"one_over_f_exponent": n}}) for n in (number, float(number))]
    assert typed[0].canonical_json() == typed[1].canonical_json()


@given(TREES)
def test_speed_and_paths_do_not_enter(tree):
    noisy = {**tree, "steps": ["TCA"], "figure_saver": {"dpi": 300}}
    noisy["VQT_Analyzer"] = {**tree.get("VQT_Analyzer", {}), "batch_size": 7, "device": "cuda"}
    assert parse(noisy).sha256() == parse(tree).sha256()


def test_zero_has_no_sign():
    negative, positive = (parse({"VQT_Analyzer": {"one_over_f_exponent": z}}) for z in (-0.0, 0.0))
    assert negative.sha256() == positive.sha256()


def test_the_canonical_form_is_compact_and_sorted():
    text = Parameters().canonical_json()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
