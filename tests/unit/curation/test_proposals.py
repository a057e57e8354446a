"""Labels are proposed where nothing was decided, from what was; contradictions are all told."""

from element_facerhythm.core.sessions.matching import ComponentPair
from element_facerhythm.curation.proposals import propose_labels
from element_facerhythm.curation.state import ComponentState

KEEP, NOISE = ComponentState("keep", "whisking"), ComponentState("noise")


def pair(a, i, b, j, congruence):
    return ComponentPair(a, i, b, j, congruence, 1.0, congruence)


def test_what_was_decided_is_proposed_for_what_is_undecided():
    pairs = [pair("a", 0, "c", 3, 0.9), pair("b", 1, "c", 3, 0.95), pair("b", 2, "c", 4, 0.8)]
    (found,) = propose_labels(pairs, {("a", 0): KEEP, ("b", 1): KEEP}, ["a", "b"])
    assert (found.session, found.component_index, found.verdict, found.name) == (
        "c",
        3,
        "keep",
        "whisking",
    )
    assert (found.like_session, found.like_index, found.congruence) == ("b", 1, 0.95)
    assert (found.n_alike, found.is_contested) == (2, False)


def test_what_was_decided_already_and_sources_get_no_proposals():
    pairs = [pair("a", 0, "c", 3, 0.9), pair("a", 0, "b", 1, 0.9)]
    states = {("a", 0): KEEP, ("c", 3): ComponentState(note="seen")}
    assert propose_labels(pairs, states, ["a", "b"]) == ()
    assert len(propose_labels(pairs, states, ["a"])) == 1
    # and a target's own label goes nowhere
    assert propose_labels(pairs, {("b", 1): KEEP}, ["a"]) == ()


def test_contradictions_are_rows_of_their_own_and_marked():
    pairs = [pair("a", 0, "c", 3, 0.9), pair("b", 1, "c", 3, 0.8)]
    found = propose_labels(pairs, {("a", 0): KEEP, ("b", 1): NOISE}, ["a", "b"])
    assert [(one.verdict, one.name, one.is_contested) for one in found] == [
        ("keep", "whisking", True),
        ("noise", "", True),
    ]


def test_a_merged_component_has_the_label_of_the_one_that_stands_for_it():
    states = {("a", 0): ComponentState(merged_into=2), ("a", 2): KEEP}
    (found,) = propose_labels([pair("a", 0, "c", 3, 0.9)], states, ["a"])
    assert (found.name, found.like_index) == ("whisking", 0)
    assert propose_labels([pair("a", 0, "c", 3, 0.9)], {("a", 0): states["a", 0]}, ["a"]) == ()
