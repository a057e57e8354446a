"""What is not said stays open, and is told apart from what is."""

import json

import pytest

from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters import (
    OpenParameters,
    Parameters,
    open_parameters_from_mapping,
    parameters_from_mapping,
    read_open_parameters,
)
from element_facerhythm.parameters.open import FITTED_NAMES, value_at
from element_facerhythm.parameters.open_reading import parse_setting

VQT = "VQT_Analyzer.params_VQT"
RANK = "TCA.fit.params_method.rank"


def opened(tree=None, **options):
    return open_parameters_from_mapping(tree or {}, **options).parameters


def nested(name, value):
    for key in reversed(name.split(".")):
        value = {key: value}
    return value


def test_nothing_said_leaves_open_what_depends_on_the_camera_and_nothing_else():
    parameters = opened()
    assert parameters.open_names == FITTED_NAMES
    tree, defaults = parameters.to_tree(), Parameters().to_tree()
    for name in FITTED_NAMES:
        assert value_at(tree, name) == "auto"
        node = value_at(tree, name.rpartition(".")[0])
        node[name.rpartition(".")[2]] = value_at(defaults, name)
    assert tree == defaults


@pytest.mark.parametrize("name", FITTED_NAMES)
def test_what_is_said_is_closed_and_auto_is_as_if_nothing_was_said(name):
    value = value_at(Parameters().to_tree(), name)
    tree = nested(name, value)
    if name.endswith("tileGridSize"):
        tree["PointTracker"]["params_clahe"]["clipLimit"] = 40.0
    assert opened(tree).open_names == tuple(n for n in FITTED_NAMES if n != name)
    auto = json.loads(json.dumps(tree))
    node = value_at(auto, name.rpartition(".")[0])
    node[name.rpartition(".")[2]] = "auto"
    assert opened(auto).sha256() == opened().sha256()


def test_auto_opens_a_whole_section_and_is_the_default_where_nothing_is_fitted():
    bare = opened({"VQT_Analyzer": "auto"}, fitted=False)
    assert bare.open_names == tuple(name for name in FITTED_NAMES if name.startswith("VQT"))
    odd = opened({"TCA": {"fit": {"params_method": {"n_iter_max": "auto"}}}})
    assert odd.sha256() == opened().sha256()


def test_the_stored_text_gives_the_same_parameters_back():
    parameters = opened({"VQT_Analyzer": {"params_VQT": {"F_min": 70.0}}, "TCA": {"fit": {
        "method": "RandomizedCP", "params_method": {"n_samples": 4}}}})  # fmt: skip
    stored = json.loads(parameters.canonical_json())
    assert stored["VQT_Analyzer"]["params_VQT"]["F_max"] == "auto"
    again = opened(stored, fitted=False)
    assert again.sha256() == parameters.sha256()
    assert again.open_names == parameters.open_names


def test_a_closed_set_has_the_digest_that_it_always_had():
    assert OpenParameters(Parameters()).sha256() == Parameters().sha256()
    assert opened(Parameters().to_tree()).sha256() == Parameters().sha256()


@pytest.mark.parametrize("options", [{"fitted": False}, {"compat": "face-rhythm"}])
def test_face_rhythms_defaults_are_bare(options):
    parameters = opened(**options)
    assert parameters.is_closed
    tree = {"compat": options.get("compat"), "PointTracker": {"method": "flow"}}
    expected = parameters_from_mapping(tree).parameters
    assert parameters.stand_in == expected


def test_it_knows_what_it_may_have_become():
    parameters = opened({"TCA": {"fit": {"params_method": {"tol": 0.5}}}})
    good = {"TCA": {"fit": {"params_method": {"tol": 0.5, "rank": 3}}}, "ROIs": {"make_rois": {
        "point_spacing": 4}}}  # fmt: skip
    assert parameters.allows(parameters_from_mapping(good).parameters)
    for other in (
        {},
        {**good, "PointTracker": {"params_clahe": None}},
        {**good, "project": {"random_seed": 1}},
    ):
        assert not parameters.allows(parameters_from_mapping(other).parameters)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"TCA": {"fit": {"params_method": {"rnak": "auto"}}}}, "did you mean .*rank"),
        ({"VQT_Analyzer": {"params_VQT": {"F_max": "fast"}}}, "F_max: given .*fast"),
        ({"VQT_Analyzer": {"params_VQT": "fast"}}, "params_VQT"),
        ({"PointTracker": {"params_clahe": {"clipLimit": 2.0}}}, "tileGridSize is missing"),
        (
            {"VQT_Analyzer": {"params_VQT": {"F_min": 70.0, "F_max": 60.0}}},
            "F_min 70.0 must be below F_max 60.0",
        ),
        ([1], "expected a mapping"),
    ],
)
def test_what_is_wrong_is_told_as_ever(tree, message):
    with pytest.raises(ParameterError, match=message):
        opened(tree)


def test_settings_lie_over_the_file_and_over_a_runs_own(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(
        "TCA: {fit: {params_method: {rank: 3, tol: 0.5}}}\nROIs: {make_points: {point_spacing: 4}}\n"
    )
    given = read_open_parameters(
        path, settings=["rank=6", "point_spacing=8", "params_clahe=null", f"{VQT}.F_max=auto"]
    ).parameters
    known = given.stand_in
    assert (known.TCA.fit.params_method.rank, known.TCA.fit.params_method.tol) == (6, 0.5)
    assert known.ROIs.make_rois.point_spacing == 8
    assert known.PointTracker.params_clahe is None
    assert f"{VQT}.F_max" in given.open_names and RANK not in given.open_names
    own = read_open_parameters(None, settings=["rank=6"], base=Parameters()).parameters
    assert own.is_closed
    assert own.stand_in.TCA.fit.params_method.rank == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rank", "expected SECTION.KEY=VALUE"),
        ("=3", "expected SECTION.KEY=VALUE"),
        ("TCA.fit.params_method.rnak=3", r"nearest known one is 'TCA\.fit\.params_method\.rank'"),
        ("F_mx=3", r"nearest known one is 'VQT_Analyzer\.params_VQT\.F_max'"),
        ("contiguous=true", "Dataset_videos.contiguous, PointTracker.contiguous"),
        ("rank=[3", "no YAML"),
    ],
)
def test_a_wrong_setting_is_told(text, message):
    with pytest.raises(ParameterError, match=message):
        parse_setting(text)


def test_settings_of_keys_that_change_nothing_are_reported():
    loaded = open_parameters_from_mapping({}, settings=["TCA.verbose=2"])
    assert loaded.unused == ("TCA.verbose",)


def test_compat_has_one_digest_for_one_set_of_numbers():
    """What it decides stands as it is computed with, and what was typed in vain is told."""
    plain = open_parameters_from_mapping({"compat": "face-rhythm"})
    tracker = {"params_optical_flow": {"refine": True}}
    typed = open_parameters_from_mapping({"compat": "face-rhythm", "PointTracker": tracker})
    assert typed.parameters.sha256() == plain.parameters.sha256()
    assert plain.notes == ()
    assert typed.notes == (
        "PointTracker.params_optical_flow.refine is False with compat: face-rhythm; True is not used",
    )
    tree = typed.parameters.to_tree()
    assert tree["VQT_Analyzer"]["params_VQT"]["averaging"] == "exact"
    again = open_parameters_from_mapping(tree, fitted=False).parameters
    assert again.sha256() == plain.parameters.sha256()
