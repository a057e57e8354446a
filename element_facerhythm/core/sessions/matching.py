"""Which component of one session is which of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.decomposition.stability import congruence
from element_facerhythm.core.sessions.common_axes import OnCommonAxes
from element_facerhythm.errors import RequestError

LEAST_CONGRUENCE = 0.75
"""Below it, components of two sessions are not the same. Less than between two fits of one recording: other
movements overlap with it on another day, and rhythms are a little faster or slower."""


@dataclass(frozen=True)
class ComponentPair:
    """Components of two sessions that were assigned to each other.

    Attributes
    ----------
    session, component_index
        The one; its session comes before the other's in the order of the names.
    other_session, other_index
        The other.
    congruence
        Product of the two cosines below, 0 to 1.
    place_cosine, spectrum_cosine
        Between the maps, directions included, and between the spectra.
    """

    session: str
    component_index: int
    other_session: str
    other_index: int
    congruence: float
    place_cosine: float
    spectrum_cosine: float


def match_pair(
    one: OnCommonAxes, other: OnCommonAxes, least: float = LEAST_CONGRUENCE
) -> tuple[ComponentPair, ...]:
    """Assign components of two sessions to each other so that the sum of congruences is largest.

    Pairs below the threshold count as nothing in that sum: they draw no component away from its match.

    Parameters
    ----------
    one, other
        On the same axes (`on_common_axes`).
    least
        Congruence below which nothing is matched: what appears or vanishes has no partner.

    Returns
    -------
    The pairs, by the component of the session whose name comes first.

    Raises
    ------
    RequestError
        The threshold is not above 0 and at most 1.
    """
    from scipy.optimize import linear_sum_assignment

    if not 0 < least <= 1:
        raise RequestError(f"the least congruence is {least:g}; expected above 0 and at most 1")
    first, second = sorted((one, other), key=lambda session: session.session)
    place = congruence([first.places], [second.places])
    spectrum = congruence([first.spectra], [second.spectra])
    alike = place * spectrum
    gain = np.where(alike >= least, alike, 0.0)
    return tuple(
        ComponentPair(
            first.session, int(a), second.session, int(b),
            float(alike[a, b]), float(place[a, b]), float(spectrum[a, b]),
        )
        for a, b in zip(*linear_sum_assignment(-gain), strict=True)
        if alike[a, b] >= least
    )  # fmt: skip


def match_all(
    sessions: Sequence[OnCommonAxes], least: float = LEAST_CONGRUENCE
) -> tuple[ComponentPair, ...]:
    """Assign components of every two of several sessions to each other.

    Parameters
    ----------
    sessions
        On the same axes, with different names; their order does not matter.
    least
        As of `match_pair`.

    Raises
    ------
    RequestError
        Two have the same name, or as of `match_pair`.
    """
    ordered = sorted(sessions, key=lambda session: session.session)
    names = [session.session for session in ordered]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestError(f"two sessions are called {twice}; give each its own name")
    return tuple(
        pair for one, other in combinations(ordered, 2) for pair in match_pair(one, other, least)
    )


def congruence_table(sessions: Sequence[OnCommonAxes]) -> dict[tuple[str, str], Float64Array]:
    """Return all congruences of every two sessions, (R1, R2) by their names, in both orders.

    Parameters
    ----------
    sessions
        On the same axes.
    """
    return {
        (one.session, other.session): congruence(
            [one.places, one.spectra], [other.places, other.spectra]
        )
        for one in sessions
        for other in sessions
        if one is not other
    }
