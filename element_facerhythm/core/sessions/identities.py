"""One identity for what is the same component in many sessions, whatever their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from element_facerhythm.core.sessions.matching import ComponentPair

Member = tuple[str, int]
"""Name of the session, number of the component."""


@dataclass(frozen=True)
class Identity:
    """Components of several sessions that are the same, or one component that no other session has.

    Attributes
    ----------
    number
        From 0, by the first member.
    members
        (session, component), at most one of each session, in the order of the names.
    """

    number: int
    members: tuple[Member, ...]


def join_identities(
    n_components: Mapping[str, int], pairs: Sequence[ComponentPair]
) -> tuple[Identity, ...]:
    """Join pairs into identities by chaining, the surest first.

    Every two sessions are compared with each other, and none is the one that decides. Pairs are taken from
    the largest congruence to the smallest. A pair joins the two groups that its components are in, unless
    both groups hold a component of the same session: then the pair contradicts surer ones, and is dropped. So
    what is missing from one session, or unlike in it, is still followed through the others.

    Parameters
    ----------
    n_components
        Number of components of each session, by its name.
    pairs
        Of every two sessions (`match_all`).

    Returns
    -------
    Identities; every component is a member of exactly one. They do not depend on the order of sessions or
    pairs: pairs of equal congruence are taken in the order of the names.
    """
    group = {(s, i): {s: i} for s in sorted(n_components) for i in range(n_components[s])}
    for pair in sorted(pairs, key=_surest_first):
        one = group[pair.session, pair.component_index]
        other = group[pair.other_session, pair.other_index]
        if one is other or one.keys() & other.keys():
            continue
        one |= other
        for member in other.items():
            group[member] = one
    distinct = {id(members): members for members in group.values()}
    ordered = sorted(tuple(sorted(members.items())) for members in distinct.values())
    return tuple(Identity(number, members) for number, members in enumerate(ordered))


def _surest_first(pair: ComponentPair) -> tuple[float, str, int, str, int]:
    # rounded: the last bits differ between machines, and would decide
    return (-round(pair.congruence, 9), pair.session, pair.component_index,
            pair.other_session, pair.other_index)  # fmt: skip


def member_congruence(
    identity: Identity, congruences: Mapping[tuple[str, str], np.ndarray]
) -> dict[Member, float]:
    """Mean congruence of each member with the others; NaN for one that is alone.

    Parameters
    ----------
    identity
        The identity.
    congruences
        (R1, R2) by the names of two sessions (`congruence_table`).
    """
    found = {}
    for session, index in identity.members:
        others = [m for m in identity.members if m[0] != session]
        values = [congruences[session, name][index, number] for name, number in others]
        found[session, index] = float(np.mean(values)) if values else float("nan")
    return found
