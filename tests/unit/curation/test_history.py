"""Any sequence of changes and undos replays to the same state, and what was undone had never been."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from element_facerhythm.curation import (
    Change,
    CuratedResult,
    Curation,
    ExcludePoints,
    ExcludeSpan,
    JudgeComponent,
    MergeComponents,
    SplitComponents,
    Undo,
    active_entries,
    append,
    change_of_row,
    exchange,
    outdated_entries,
    outdated_notes,
    replay,
    row_of_change,
    undo,
)
from element_facerhythm.curation.changes import VERDICTS
from element_facerhythm.curation.history import steps
from element_facerhythm.curation.state import ComponentItem, State, accumulated, of_product
from element_facerhythm.errors import RequestError

RESULT = CuratedResult(
    {"TCA": "a" * 64, "PointTracker": "b" * 64}, {"0": 5, "1": 5}, 12, (10.0, 4.0)
)
REFITTED = replace(RESULT, sha256={**RESULT.sha256, "TCA": "c" * 64})
TIME = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
indices = st.integers(0, 4)
several = st.lists(indices, min_size=1, max_size=3, unique=True).map(tuple)
models = st.sampled_from(["0", "1"])
changes = st.one_of(
    st.builds(
        JudgeComponent, models, indices, st.sampled_from(VERDICTS),
        st.sampled_from([None, "", "whisking", "é, 'x'"]), st.sampled_from([None, "a\nb"]),
    ),
    st.builds(SplitComponents, models, several),
    st.tuples(models, several, indices).filter(lambda v: v[2] not in v[1]).map(
        lambda v: MergeComponents(*v)
    ),
    st.tuples(st.integers(0, 1), st.integers(0, 39), st.integers(1, 20), st.booleans()).map(
        lambda v: ExcludeSpan(v[0], v[1] / 10, (v[1] + v[2]) / 10, v[3])
    ),
    st.builds(
        ExcludePoints, st.lists(st.integers(0, 11), min_size=1, unique=True).map(tuple), st.booleans()
    ),
)  # fmt: skip
actions = st.lists(
    st.one_of(changes, st.integers(1, 30), st.just("last"), st.just("re-fit")), max_size=25
)


def acted(given_actions: list[Any]) -> Curation:
    """What comes of changes, undos of entries by number or of the last, and fits anew; some are refused."""
    curation, result = Curation(), RESULT
    for action in given_actions:
        try:
            if action == "re-fit":
                result = REFITTED if result is RESULT else RESULT
            elif action == "last":
                curation = undo(curation, "ben", time=TIME)
            elif isinstance(action, int):
                curation = undo(curation, "ben", action, TIME)
            else:
                curation = append(curation, action, result, "anna", TIME)
        except RequestError:
            continue
    return curation


def require_sound(state: State) -> None:
    for item, value in state.components.items():
        if value.merged_into is not None:  # the head is of the same fit, and stands for itself
            head = item._replace(component_index=value.merged_into)
            assert head != item
            assert head not in state.components or state.components[head].merged_into is None
    spans = sorted(state.spans)
    for one, other in pairwise(spans):
        assert one.start_s < one.end_s
        assert one[:2] != other[:2] or one.end_s < other.start_s


@given(actions)
def test_replaying_is_repeatable_and_each_state_is_sound(given_actions: list[Any]) -> None:
    curation = acted(given_actions)
    state = replay(curation.entries)
    require_sound(state)
    # what the tables hold: only what each entry changed
    assert accumulated(changed for _, changed in steps(curation)) == state
    # the changes that count, made alone, give the same
    counting = active_entries(curation.entries)
    assert replay(counting) == state
    for entry in curation.entries:
        assert change_of_row(row_of_change(entry.change)) == entry.change


@given(actions)
def test_an_undo_leads_to_the_state_before_and_its_undo_back(given_actions: list[Any]) -> None:
    curation = acted(given_actions)
    counting = active_entries(curation.entries)
    if not counting:
        with pytest.raises(RequestError, match="nothing to undo"):
            undo(curation, "anna")
        return
    undone = undo(curation, "anna")
    assert undone.starts_with(curation) and undone.revision == curation.revision + 1
    assert active_entries(undone.entries) == counting[:-1]
    assert replay(undone.entries) == replay(counting[:-1])
    with pytest.raises(RequestError, match="was undone already"):
        undo(undone, "anna", counting[-1].revision)
    back = undo(undone, "anna", undone.revision)
    assert replay(back.entries) == replay(curation.entries)
    assert active_entries(back.entries) == counting


@given(st.lists(changes, min_size=1, max_size=10))
def test_after_a_fit_anew_nothing_of_before_holds_and_all_of_it_is_told(
    made: list[Change],
) -> None:
    curation = acted(made)
    refitted = of_product(replay(curation.entries), REFITTED.sha256.values())
    assert not refitted.components  # the tracks are the same: spans and points hold
    assert refitted.spans == replay(curation.entries).spans
    told = outdated_entries(curation, REFITTED)
    assert told == tuple(e for e in curation.entries if e.product == "TCA")
    notes = outdated_notes(curation, REFITTED)
    assert len(notes) == bool(told)
    assert all(str(entry.revision) in notes[0] for entry in told)
    assert outdated_entries(curation, RESULT) == ()
    # an undo of what no longer matches leaves what was decided since alone
    decided = append(curation, JudgeComponent("0", 1, name="new"), REFITTED, "ben")
    if told:
        item = ComponentItem("c" * 64, "0", 1)
        undone = undo(decided, "ben", told[-1].revision)
        assert replay(undone.entries).components[item].name == "new"


def test_groups_have_one_head_and_go_along_as_a_whole() -> None:
    curation = acted(
        [
            MergeComponents("0", (1, 2), 0),
            MergeComponents("0", (3,), 2),  # into a member: into its head
            MergeComponents("0", (0,), 4),  # the head: all of them
        ]
    )
    merged = {item[2]: s.merged_into for item, s in replay(curation.entries).components.items()}
    assert merged == {0: 4, 1: 4, 2: 4, 3: 4}
    with pytest.raises(RequestError, match="merged already"):
        append(curation, MergeComponents("0", (4,), 1), RESULT, "anna")
    alone = append(curation, SplitComponents("0", (2,)), RESULT, "anna")
    assert ComponentItem("a" * 64, "0", 2) not in replay(alone.entries).components
    assert not replay(append(alone, SplitComponents("0", (4,)), RESULT, "b").entries).components


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (JudgeComponent("0", 5, verdict="keep"), "no component 5; there are 5"),
        (JudgeComponent("7", 0, verdict="keep"), "no decomposition '7'; expected one of 0, 1"),
        (MergeComponents("0", (1,), 9), "no component 9"),
        (ExcludePoints((3, 12)), "no point 12"),
        (ExcludeSpan(2, 0, 1), "no video 2"),
        (ExcludeSpan(1, 4, 5), "starts at 4 s, and video 1 ends at 4 s"),
        (SplitComponents("0", (1,)), "none of these components is merged"),
    ],
)
def test_what_is_not_there_is_refused(change: Change, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        append(Curation(), change, RESULT, "anna")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: JudgeComponent("0", 1), "nothing is said"),
        (lambda: JudgeComponent("0", 1, verdict="good"), "expected keep, noise, undecided"),
        (lambda: JudgeComponent("0", 1, name="x" * 65), "at most 64"),
        (lambda: JudgeComponent("0", 1, name="a\nb"), "one line"),
        (lambda: JudgeComponent("0", 1, note="\x00"), "control characters"),
        (lambda: JudgeComponent("0", True, verdict="keep"), "not a number"),
        (lambda: JudgeComponent("a/b", 1, verdict="keep"), "model_key"),
        (lambda: MergeComponents("0", (1, 1), 2), "twice"),
        (lambda: MergeComponents("0", (1, 2), 2), "into itself"),
        (lambda: ExcludeSpan(0, 2, 2.0000001), "an end after the start"),
        (lambda: ExcludeSpan(0, float("nan"), 2), "start_s"),
        (lambda: ExcludePoints(()), "1 to 100,000"),
        (lambda: append(Curation(), ExcludePoints((1,)), RESULT, " "), "curator is empty"),
        (lambda: append(Curation(), Undo(1), RESULT, "anna"), "made by `undo`"),
        (lambda: undo(Curation(), "anna", 1), "nothing was entered"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        make()


def test_the_same_again_is_no_entry() -> None:
    once = acted([JudgeComponent("0", 1, verdict="keep"), ExcludeSpan(0, 1, 3)])
    for change in (JudgeComponent("0", 1, verdict="keep"), ExcludeSpan(0, 1.5, 2)):
        assert append(once, change, RESULT, "ben") is once


def test_a_curation_is_taken_in_where_it_goes_on_from_this_one() -> None:
    first = acted([JudgeComponent("0", 1, verdict="keep")])
    longer = append(first, ExcludePoints((1,)), RESULT, "ben", TIME)
    other = append(first, ExcludePoints((2,)), RESULT, "ben", TIME)
    assert exchange(Curation(), longer, RESULT) == exchange(first, longer, RESULT) == longer
    assert exchange(longer, first, RESULT) == longer
    with pytest.raises(RequestError, match="differ from entry 2 on"):
        exchange(longer, other, RESULT)
    assert exchange(first, longer, REFITTED) == longer  # the points still match
    elsewhere = replace(RESULT, sha256={"TCA": "d" * 64, "PointTracker": "e" * 64})
    with pytest.raises(RequestError, match="no entry of this curation is about this result"):
        exchange(Curation(), longer, elsewhere)
