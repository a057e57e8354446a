"""Whether a number of each session differs between conditions, with sessions within animals.

Animals are what a conclusion is about, so they are what is counted: sessions of one animal are averaged, and
every animal counts once. Either each animal is recorded in both conditions, and compared with itself, or each
is in one of them.

Intervals are percentiles of differences with animals drawn anew, and sessions of each drawn anew within it
(hierarchical bootstrap: Saravanan, Berman and Sober 2020, Neurons Behav. Data Anal. Theory 3(5)). With few
animals these are too narrow; the percentiles are moved outwards as Student's t asks for (Hesterberg 2015, Am.
Stat. 69:371). p is the share of ways to deal conditions to animals that make as large a difference: all of
them, where there are few.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.errors import ParameterError

_BLOCK = 2_000_000  # drawn sessions at a time
_MOST_DRAWS = 1_000_000
_EQUAL = 1e-9  # of a difference: two are as large, whatever the order in which they were summed


@dataclass(frozen=True)
class SessionValue:
    """A number of one session.

    Attributes
    ----------
    animal, condition
        Whose session, and what it is compared by.
    value
        The number; NaN where there is none, which does not count.
    """

    animal: str
    condition: str
    value: float


@dataclass(frozen=True)
class GroupSettings:
    """How often animals are drawn, and conditions dealt.

    Attributes
    ----------
    n_bootstrap, n_permutations
        Draws for the interval; conditions are dealt in every way where there are no more ways than so many.
    confidence
        Of the interval, between 0 and 1.
    seed
        Of all random numbers.

    Raises
    ------
    ParameterError
        A number is out of its range.
    """

    n_bootstrap: int = 10_000
    n_permutations: int = 10_000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_bootstrap", "n_permutations"):
            if not 1 <= getattr(self, name) <= _MOST_DRAWS:
                raise ParameterError(
                    f"{name} {getattr(self, name)}: expected a number from 1 to {_MOST_DRAWS}"
                )
        if not 0 < self.confidence < 1:
            raise ParameterError(
                f"confidence {self.confidence:g}: expected a number between 0 and 1"
            )


@dataclass(frozen=True)
class GroupDifference:
    """A condition compared with the reference.

    Attributes
    ----------
    reference, condition
        The two.
    is_paired
        Each animal is in both.
    reference_mean, condition_mean
        Means over animals of the means over their sessions.
    difference, low, high
        Of the second less the first, and its interval.
    p_value, least_p_value
        Two-sided; and the smallest that so few animals can have.
    n_reference_animals, n_condition_animals, n_reference_sessions, n_condition_sessions
        That count.
    """

    reference: str
    condition: str
    is_paired: bool
    reference_mean: float
    condition_mean: float
    difference: float
    low: float
    high: float
    p_value: float
    least_p_value: float
    n_reference_animals: int
    n_condition_animals: int
    n_reference_sessions: int
    n_condition_sessions: int


Sessions = dict[str, Float64Array]
"""Values of the sessions of each animal, in one condition."""


def compare_conditions(
    values: Sequence[SessionValue],
    reference: str | None = None,
    settings: GroupSettings | None = None,
) -> tuple[GroupDifference, ...]:
    """Compare every condition with one of them.

    Parameters
    ----------
    values
        Of all sessions.
    reference
        The condition that others are compared with; None for the first one.
    settings
        Draws, and confidence.

    Returns
    -------
    One for each other condition, in the order in which they come.

    Raises
    ------
    ParameterError
        There are not two conditions, one has fewer than two animals, or some animals are in both and others
        in one.
    """
    settings = settings or GroupSettings()
    return tuple(_compared(first, own, settings) for first, own in _pairs(values, reference))


def check_design(pairs: Sequence[tuple[str, str]], reference: str | None = None) -> None:
    """Refuse a design that cannot be compared, before any number is known.

    Parameters
    ----------
    pairs
        Animal and condition of each session.
    reference
        As of `compare_conditions`.

    Raises
    ------
    ParameterError
        As of `compare_conditions`.
    """
    list(_pairs([SessionValue(animal, condition, 0.0) for animal, condition in pairs], reference))


@dataclass(frozen=True, eq=False)
class _Condition:
    name: str
    sessions: Sessions


def _pairs(
    values: Sequence[SessionValue], reference: str | None
) -> Iterator[tuple[_Condition, _Condition]]:
    names = list(dict.fromkeys(value.condition for value in values))
    if len(names) < 2:
        raise ParameterError(
            f"the only condition is {names[0]!r}; expected two at least"
            if names
            else "no session counts"
        )
    first = names[0] if reference is None else reference
    if first not in names:
        raise ParameterError(f"no session has the condition {first!r}; expected {', '.join(names)}")
    conditions = {name: _Condition(name, _by_animal(values, name)) for name in names}
    for name in names:
        if name != first:
            _check_animals(conditions[first], conditions[name])
            yield conditions[first], conditions[name]


def _by_animal(values: Sequence[SessionValue], condition: str) -> Sessions:
    found: dict[str, list[float]] = {}
    for one in values:
        if one.condition == condition and np.isfinite(one.value):
            found.setdefault(one.animal, []).append(one.value)
    return {animal: np.array(own, np.float64) for animal, own in found.items()}


def _check_animals(first: _Condition, second: _Condition) -> None:
    for condition in (first, second):
        animals = list(condition.sessions)
        if len(animals) < 2:
            only = f"one animal ({animals[0]})" if animals else "no animal with a value"
            raise ParameterError(
                f"condition {condition.name!r} has {only}: more sessions do not make up for it, as what is "
                "compared are animals; expected two animals in each condition at least"
            )
    in_both = first.sessions.keys() & second.sessions.keys()
    in_one = first.sessions.keys() ^ second.sessions.keys()
    if in_both and in_one:
        raise ParameterError(
            f"animals {', '.join(sorted(in_both))} have sessions of {first.name!r} and of {second.name!r}, "
            f"animals {', '.join(sorted(in_one))} of one of them; expected all animals in both, or each in "
            "one: leave out some of them"
        )


def _compared(first: _Condition, second: _Condition, settings: GroupSettings) -> GroupDifference:
    is_paired = first.sessions.keys() == second.sessions.keys()
    means = [
        {animal: float(own.mean()) for animal, own in condition.sessions.items()}
        for condition in (first, second)
    ]
    first_mean, second_mean = (float(np.mean(list(own.values()))) for own in means)
    if is_paired:
        paired = np.array([means[1][animal] - own for animal, own in means[0].items()])
        p_value, least = _flipped(paired, settings)
    else:
        p_value, least = _dealt(
            np.array(list(means[0].values())), np.array(list(means[1].values())), settings
        )
    low, high = _interval(first.sessions, second.sessions, settings, is_paired=is_paired)
    return GroupDifference(
        first.name,
        second.name,
        is_paired,
        first_mean,
        second_mean,
        second_mean - first_mean,
        low,
        high,
        p_value,
        least,
        len(first.sessions),
        len(second.sessions),
        sum(map(len, first.sessions.values())),
        sum(map(len, second.sessions.values())),
    )


def _flipped(differences: Float64Array, settings: GroupSettings) -> tuple[float, float]:
    """Compute p of the mean of differences within animals, signs dealt anew, and the least p."""
    n = len(differences)
    is_exact = 2.0**n <= settings.n_permutations
    if is_exact:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        rng = np.random.default_rng([settings.seed, 3])
        signs = rng.choice([-1.0, 1.0], (settings.n_permutations, n))
    return _p_value(signs @ differences / n, float(differences.mean()), 2, is_exact=is_exact)


def _dealt(
    first: Float64Array, second: Float64Array, settings: GroupSettings
) -> tuple[float, float]:
    """Compute p of the difference of means, conditions dealt to the animals anew, and the least p."""
    pooled, n = np.concatenate([first, second]), len(first)
    is_exact = math.comb(len(pooled), n) <= settings.n_permutations
    if is_exact:
        chosen = np.array(list(itertools.combinations(range(len(pooled)), n)))
    else:
        rng = np.random.default_rng([settings.seed, 3])
        order = rng.random((settings.n_permutations, len(pooled)))
        chosen = np.argsort(order, axis=1)[:, :n]
    sums = pooled[chosen].sum(axis=1)
    dealt = (pooled.sum() - sums) / len(second) - sums / n
    ties = 2 if len(second) == n else 1  # the same animals, the other way round
    return _p_value(dealt, float(second.mean() - first.mean()), ties, is_exact=is_exact)


def _p_value(
    dealt: Float64Array, observed: float, ties: int, *, is_exact: bool
) -> tuple[float, float]:
    n_as_large = int((np.abs(dealt) >= abs(observed) * (1 - _EQUAL)).sum())
    if is_exact:  # the observed one is among them
        return n_as_large / len(dealt), ties / len(dealt)
    return (1 + n_as_large) / (1 + len(dealt)), 1 / (1 + len(dealt))


def _interval(
    first: Sessions, second: Sessions, settings: GroupSettings, *, is_paired: bool
) -> tuple[float, float]:
    rng = np.random.default_rng([settings.seed, 4])
    animals = list(first)
    sides = [_padded(first, animals), _padded(second, animals if is_paired else list(second))]
    size = max(values.size for values, _ in sides)
    step = max(_BLOCK // size, 1)
    found = []
    for start in range(0, settings.n_bootstrap, step):
        n_draws = min(step, settings.n_bootstrap - start)
        chosen = [rng.integers(0, len(values), (n_draws, len(values))) for values, _ in sides]
        if is_paired:
            chosen[1] = chosen[0]
        means = [_drawn_means(*side, own, rng) for side, own in zip(sides, chosen, strict=True)]
        found.append(means[1] - means[0])
    outside = _outside([len(values) for values, _ in sides], settings, is_paired=is_paired)
    low, high = np.quantile(np.concatenate(found), [outside, 1 - outside])
    return float(low), float(high)


def _padded(
    sessions: Sessions, animals: Sequence[str]
) -> tuple[Float64Array, npt.NDArray[np.int64]]:
    """Return (A, M) values of sessions, and (A,) how many there are of each animal."""
    counts = np.array([len(sessions[animal]) for animal in animals])
    values = np.zeros((len(animals), counts.max()))
    for row, animal in zip(values, animals, strict=True):
        row[: len(sessions[animal])] = sessions[animal]
    return values, counts


def _drawn_means(
    values: Float64Array,
    counts: npt.NDArray[np.int64],
    chosen: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> Float64Array:
    """(S,) means over (S, A) drawn animals of means over their sessions, drawn anew."""
    own = counts[chosen][:, :, None]
    slot = np.arange(values.shape[1])
    session = np.floor(rng.random((*chosen.shape, len(slot))) * own).astype(np.int64)
    drawn = np.where(slot < own, values[chosen[:, :, None], session], 0.0)
    means: Float64Array = (drawn.sum(axis=2) / own[:, :, 0]).mean(axis=1)
    return means


def _outside(n_animals: Sequence[int], settings: GroupSettings, *, is_paired: bool) -> float:
    """Share of the draws outside of the interval, on either side."""
    fewest = min(n_animals)
    freedom = fewest - 1 if is_paired else sum(n_animals) - 2
    t = stats.t.ppf((1 - settings.confidence) / 2, freedom)
    return float(stats.norm.cdf(t * math.sqrt(fewest / (fewest - 1))))
