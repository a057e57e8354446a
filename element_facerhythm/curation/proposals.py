"""What was decided in one session, proposed for what is alike in others; never taken by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from element_facerhythm.core.sessions.identities import Member
from element_facerhythm.core.sessions.matching import ComponentPair
from element_facerhythm.curation.state import UNDECIDED, ComponentState


@dataclass(frozen=True)
class LabelProposal:
    """A label that a component may have, as a row.

    Attributes
    ----------
    session, component_index
        The component, about which nothing was decided.
    verdict, name
        What was decided about the one that it is like.
    like_session, like_index
        That component; of several with this label, the most alike.
    congruence
        How alike the two are, 0 to 1.
    n_alike
        Sessions in which a matched component has this label.
    is_contested
        Whether another session proposes another label for it; each is a row then.
    """

    session: str
    component_index: int
    verdict: str
    name: str
    like_session: str
    like_index: int
    congruence: float
    n_alike: int
    is_contested: bool


def propose_labels(
    pairs: Sequence[ComponentPair], states: Mapping[Member, ComponentState], sources: Sequence[str]
) -> tuple[LabelProposal, ...]:
    """Propose verdicts and names of some sessions for matched components of others.

    Parameters
    ----------
    pairs
        Components of every two sessions that were assigned to each other.
    states
        What was decided, by session and component; a component that is not there is undecided. One that was
        merged stands for the one that it was merged into.
    sources
        Names of the sessions whose labels are proposed.

    Returns
    -------
    Proposals by component, the most alike first. There is none for a component about which anything was
    decided, nor from one that has neither a verdict nor a name.
    """
    found: dict[Member, dict[tuple[str, str], list[tuple[float, Member]]]] = {}
    for pair in pairs:
        ends = (pair.session, pair.component_index), (pair.other_session, pair.other_index)
        for known, target in (ends, ends[::-1]):
            if known[0] not in sources or target[0] in sources:
                continue
            if states.get(target, UNDECIDED) != UNDECIDED:
                continue
            label = _label(known, states)
            if label is not None:
                by_label = found.setdefault(target, {})
                by_label.setdefault(label, []).append((pair.congruence, known))
    return tuple(
        LabelProposal(
            *target, *label, *best, congruence,
            n_alike=len(alike), is_contested=len(by_label) > 1,
        )
        for target, by_label in sorted(found.items())
        for label, alike in sorted(by_label.items(), key=lambda item: (-max(item[1])[0], item[0]))
        for congruence, best in (max(alike, key=lambda one: (one[0], one[1])),)
    )  # fmt: skip


def _label(known: Member, states: Mapping[Member, ComponentState]) -> tuple[str, str] | None:
    """Verdict and name of a component; None where it has neither."""
    state = states.get(known, UNDECIDED)
    if state.merged_into is not None:
        state = states.get((known[0], state.merged_into), UNDECIDED)
    label = state.verdict, state.name
    return None if label == (UNDECIDED.verdict, UNDECIDED.name) else label
