"""Differences between conditions are those of animals, however many sessions each has."""

import itertools

import numpy as np
import pytest

from element_facerhythm.core.group_comparison import (
    GroupSettings,
    SessionValue,
    compare_conditions,
)
from element_facerhythm.errors import ParameterError

QUICK = GroupSettings(n_bootstrap=1000, n_permutations=1000)


def sessions(rng, n_animals, effect, *, paired, n_sessions=(2, 6), own_effect=0.3):
    """Animals differ with a standard deviation of 1, sessions of one by 0.5."""
    for number, condition in enumerate(("saline", "drug")):
        for animal in range(n_animals):
            name = f"m{animal}" if paired else f"{condition}{animal}"
            level = np.random.default_rng([animal if paired else 100 * number + animal, 9])
            mean = level.normal() + number * (effect + own_effect * paired * level.normal())
            for _ in range(rng.integers(*n_sessions)):
                yield SessionValue(name, condition, mean + 0.5 * rng.normal())


@pytest.mark.parametrize("paired", [True, False])
def test_a_planted_difference_is_found_and_its_numbers_are_those_of_animals(paired):
    rng = np.random.default_rng(1)
    values = list(sessions(rng, 8, 2.5, paired=paired))
    (found,) = compare_conditions(values, "saline", QUICK)
    means = {
        (v.animal, v.condition): np.mean(
            [w.value for w in values if (w.animal, w.condition) == (v.animal, v.condition)]
        )
        for v in values
    }
    by_condition = {
        name: np.mean([m for (_, c), m in means.items() if c == name])
        for name in ("saline", "drug")
    }
    assert found.is_paired == paired
    assert found.reference_mean == pytest.approx(by_condition["saline"])
    assert found.difference == pytest.approx(by_condition["drug"] - by_condition["saline"])
    assert 0 < found.low < found.difference < found.high and found.low < 2.5 < found.high
    assert found.p_value <= 2 * max(found.least_p_value, 1 / 1001) < 0.02
    assert (found.n_reference_animals, found.n_condition_animals) == (8, 8)
    assert found.n_reference_sessions == sum(v.condition == "saline" for v in values)
    assert compare_conditions(values, "saline", QUICK) == (found,)


def test_p_is_the_share_of_all_ways_to_deal_conditions():
    first, second = [1.0, 2.0, 4.0], [3.0, 5.0, 7.0, 8.0]
    values = [SessionValue(f"a{i}", "a", x) for i, x in enumerate(first)]
    values += [SessionValue(f"b{i}", "b", x) for i, x in enumerate(second)]
    (found,) = compare_conditions(values)
    pooled, observed = first + second, np.mean(second) - np.mean(first)
    dealt = [
        np.mean([x for i, x in enumerate(pooled) if i not in chosen])
        - np.mean([pooled[i] for i in chosen])
        for chosen in itertools.combinations(range(7), 3)
    ]
    assert found.p_value == np.mean(np.abs(dealt) >= observed - 1e-12)
    assert found.least_p_value == 1 / 35


def test_more_sessions_of_the_same_animals_do_not_make_a_difference():
    """Fifty sessions of each of eight animals without a difference: a t-test of sessions would find one."""
    n_certain, n_within = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        values = [
            SessionValue(f"{c}{a}", c, mean + 0.2 * rng.normal())
            for c in "ab"
            for a in range(4)
            for mean in [rng.normal()]
            for _ in range(50)
        ]
        (found,) = compare_conditions(
            values, settings=GroupSettings(n_bootstrap=500, n_permutations=500)
        )
        n_certain += found.p_value <= 0.05
        n_within += found.low <= 0 <= found.high
    assert n_certain <= 7  # 3 are expected
    assert n_within >= 52  # 57


def test_sessions_without_a_number_do_not_count_and_each_condition_is_compared():
    rng = np.random.default_rng(3)
    values = [
        SessionValue(f"m{a}", c, rng.normal())
        for c in ("base", "low", "high")
        for a in range(3)
        for _ in range(2)
    ]
    without = [*values, SessionValue("m0", "base", float("nan"))]
    found = compare_conditions(without, settings=QUICK)
    assert [(d.reference, d.condition) for d in found] == [("base", "low"), ("base", "high")]
    assert found == compare_conditions(values, settings=QUICK)
    assert found[0].least_p_value == 0.25


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("", "no session counts"),
        ("m1 a, m2 a", "only condition is 'a'"),
        ("m1 a, m1 a, m2 b, m3 b", r"'a' has one animal \(m1\): more sessions do not make up"),
        ("m1 a, m2 a, m1 b, m3 b", "animals m1 have sessions of 'a' and of 'b', animals m2, m3"),
    ],
)
def test_designs_that_cannot_be_compared_say_why(rows, says):
    pairs = [row.split() for row in rows.split(", ") if row]
    with pytest.raises(ParameterError, match=says):
        compare_conditions([SessionValue(animal, condition, 1.0) for animal, condition in pairs])
    with pytest.raises(ParameterError, match="no session has the condition 'c'; expected a, b"):
        compare_conditions(
            [SessionValue(f"m{i}", "ab"[i % 2], 1.0) for i in range(4)], reference="c"
        )
