"""Parameters of results that were made elsewhere: what is unknown is null, and equals nothing."""

import json

import pytest

from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters import (
    OpenParameters,
    Parameters,
    open_parameters_from_mapping,
)
from element_facerhythm.parameters.open import value_at
from element_facerhythm.parameters.recorded import (
    contradictions,
    leaf_names,
    leaves,
    partly_known,
    with_stated_values,
)

RANK = "TCA.fit.params_method.rank"
CLAHE = "PointTracker.params_clahe"
DEFAULTS = leaves(Parameters().to_tree())


def without(*names: str) -> OpenParameters:
    known = {name: value for name, value in DEFAULTS.items() if name not in names}
    found, refused = partly_known(known, "0" * 64)
    assert refused == ()
    return found


def test_every_parameter_has_a_name_and_a_value():
    assert set(DEFAULTS) == set(leaf_names())
    assert {CLAHE, RANK, "compat", "project.random_seed"} <= set(DEFAULTS)
    assert f"{CLAHE}.clipLimit" not in DEFAULTS  # null switches the whole off


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_set_with_an_unknown_value_equals_no_other_one(name):
    """Not the defaults, not a set in which the null is meant, not that of other results."""
    unknown = without(name)
    tree = json.loads(unknown.canonical_json())
    assert value_at(tree, name) is None
    assert tree["unknown"] == {"names": [name], "results_sha256": "0" * 64}
    known = {other: value for other, value in DEFAULTS.items() if other != name}
    others = [Parameters(), partly_known(known, "1" * 64)[0]]
    assert unknown.sha256() not in {other.sha256() for other in others}
    again = open_parameters_from_mapping(tree, fitted=False).parameters
    assert again.sha256() == unknown.sha256()
    assert not again.is_closed
    with pytest.raises(ParameterError, match="task_mode 'load' alone"):
        again.require_known()


def test_a_null_that_is_meant_is_no_unknown_one():
    off = OpenParameters(Parameters.model_validate({"PointTracker": {"params_clahe": None}}))
    assert off.sha256() != without(CLAHE).sha256()
    off.require_known()


@pytest.mark.parametrize(
    ("known", "refused"),
    [
        ({RANK: "six"}, {RANK}),
        ({"TCA.fit.method": "ConstrainedCP", RANK: 4}, {"TCA.fit.method"}),
        ({CLAHE: {"clipLimit": 3.0}, RANK: 4}, {CLAHE}),
        ({"VQT_Analyzer.params_VQT.F_max": 0.5}, set()),  # below the default of F_min
        ({"VQT_Analyzer.params_VQT.F_min": 90}, set()),
        ({"TCA.fit.method": "RandomizedCP", RANK: 6}, set()),
        ({"TCA.rearrange_data.concat_complexDim": True}, set()),
        (
            {"VQT_Analyzer.params_VQT.F_min": 30, "VQT_Analyzer.params_VQT.F_max": 20, RANK: 4},
            {"VQT_Analyzer.params_VQT.F_min", "VQT_Analyzer.params_VQT.F_max"},
        ),
    ],
)
def test_what_is_known_is_taken_and_what_is_impossible_becomes_unknown(known, refused):
    found, wrong = partly_known(known, "0" * 64)
    assert set(wrong) == refused
    signals = {name for name in leaf_names() if name.startswith("FacialSignal.")}
    assert set(found.unknown_names) == set(leaf_names()) - (set(known) - refused) - signals
    for name in set(known) - refused:
        assert value_at(found.to_tree(), name) == known[name]


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree["unknown"].update(names=[]),
        lambda tree: tree["unknown"].update(names=["TCA.fit.params_method.rang"]),
        lambda tree: tree["unknown"].update(names="all"),
        lambda tree: tree["TCA"]["fit"]["params_method"].update(n_iter_max=None),
    ],
)
def test_a_stored_set_that_was_changed_is_refused(change):
    tree = without(RANK).to_tree()
    change(tree)
    with pytest.raises(ParameterError):
        open_parameters_from_mapping(tree, fitted=False)


def test_only_what_both_know_can_contradict():
    executed = without(RANK, "project.random_seed")
    asked = open_parameters_from_mapping(
        {"project": {"random_seed": 9}, "TCA": {"fit": {"params_method": {"rank": 3}}}}
    ).parameters
    assert contradictions(asked, executed) == ()
    asked = open_parameters_from_mapping({"compat": "face-rhythm"}, fitted=False).parameters
    assert 'compat: "face-rhythm" -> null' in contradictions(asked, executed)


def test_a_person_can_say_what_results_do_not_and_nothing_else():
    executed = without(RANK, CLAHE)
    found = with_stated_values(executed, {"TCA": {"fit": {"params_method": {"rank": 4}}}})
    assert found.unknown_names == (CLAHE,)
    assert value_at(found.to_tree(), RANK) == 4
    both = with_stated_values(found, {"PointTracker": {"params_clahe": None}})
    assert both.is_closed
    assert (
        with_stated_values(executed, {"TCA": {"fit": {"params_method": {"rank": "auto"}}}})
        == executed
    )
    with pytest.raises(ParameterError, match="n_iter_max: 7 -> 200"):
        with_stated_values(executed, {"TCA": {"fit": {"params_method": {"n_iter_max": 7}}}})
    with pytest.raises(ParameterError, match="params_clahe: wrong type or out of range"):
        with_stated_values(executed, {"PointTracker": {"params_clahe": {"clipLimit": 3.0}}})
