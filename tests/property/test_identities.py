"""Identities over many sessions: complete, at most one component of a session each, whatever the order."""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from element_facerhythm.core.sessions.common_axes import OnCommonAxes
from element_facerhythm.core.sessions.identities import join_identities
from element_facerhythm.core.sessions.matching import match_all

RANKS = st.lists(st.integers(1, 4), min_size=2, max_size=5)


def any_sessions(ranks: list[int], seed: int, coarse: bool) -> list[OnCommonAxes]:
    """Sessions with components at random; coarse numbers make many equal congruences."""
    rng = np.random.default_rng(seed)

    def loadings(n: int, rank: int) -> np.ndarray:
        values = rng.random((n, rank))
        return np.round(values) if coarse else values

    return [
        OnCommonAxes(f"session{i}", loadings(4, rank), loadings(3, rank))
        for i, rank in enumerate(ranks)
    ]


@settings(deadline=None)
@given(RANKS, st.integers(0, 2**32 - 1), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_sessions_and_pairs_changes_nothing(ranks, seed, coarse, random):
    sessions = any_sessions(ranks, seed, coarse)
    counts = {one.session: one.spectra.shape[1] for one in sessions}
    pairs = match_all(sessions, 0.5)
    identities = join_identities(counts, pairs)
    shuffled = list(sessions)
    random.shuffle(shuffled)
    again = list(match_all(shuffled, 0.5))
    assert set(again) == set(pairs)
    random.shuffle(again)
    assert (
        join_identities({one.session: counts[one.session] for one in shuffled}, again) == identities
    )
    # every component has one identity, and no identity has two of a session
    members = [member for identity in identities for member in identity.members]
    assert sorted(members) == sorted((s, i) for s, n in counts.items() for i in range(n))
    for identity in identities:
        names = [session for session, _ in identity.members]
        assert len(set(names)) == len(names)


@settings(deadline=None)
@given(st.integers(2, 5), st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_planted_identities_are_found_in_any_order_of_components(n_sessions, seed, random):
    rng = np.random.default_rng(seed)
    places, spectra = np.eye(8), np.eye(8)
    truth, sessions = {}, []
    for i in range(n_sessions):
        present = [k for k in range(8) if rng.random() < 0.6] or [0]
        random.shuffle(present)
        scale = rng.uniform(0.1, 10, len(present)) * rng.choice([-1, 1], len(present))
        sessions.append(OnCommonAxes(f"s{i}", places[:, present] * scale, spectra[:, present]))
        truth |= {(f"s{i}", k): planted for k, planted in enumerate(present)}
    counts = {one.session: one.spectra.shape[1] for one in sessions}
    identities = join_identities(counts, match_all(sessions))
    number = {member: one.number for one in identities for member in one.members}
    for a, b in combinations(truth, 2):
        assert (number[a] == number[b]) == (truth[a] == truth[b])
