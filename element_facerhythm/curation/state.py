"""What holds after some changes: the state of components, and the spans and points that are left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from element_facerhythm.curation.changes import (
    Change,
    ExcludePoints,
    ExcludeSpan,
    JudgeComponent,
    MergeComponents,
    SplitComponents,
    Undo,
)


class ComponentItem(NamedTuple):
    """A component of a decomposition with a digest."""

    sha256: str
    model_key: str
    component_index: int


class SpanItem(NamedTuple):
    """A span of a video, whose tracks have a digest; in seconds on its clock."""

    sha256: str
    video_index: int
    start_s: float
    end_s: float


class PointItem(NamedTuple):
    """A point whose tracks have a digest."""

    sha256: str
    point_index: int


@dataclass(frozen=True)
class ComponentState:
    """What was decided about a component.

    Attributes
    ----------
    verdict, name, note
        As of `JudgeComponent`.
    merged_into
        Number of the component that stands for it; None where it stands for itself. That one is merged into
        no other.
    """

    verdict: str = "undecided"
    name: str = ""
    note: str = ""
    merged_into: int | None = None


Item = ComponentItem | SpanItem | PointItem
StateValue = ComponentState | bool
"""Of a component its state, of spans and points whether they are left out."""

UNDECIDED = ComponentState()


@dataclass(frozen=True)
class State:
    """What holds, by digest of the product that it is about.

    Attributes
    ----------
    components
        Those that something was decided about.
    spans
        Spans that are left out; no two of a video touch.
    points
        Points that are left out.
    """

    components: Mapping[ComponentItem, ComponentState] = field(default_factory=dict)
    spans: frozenset[SpanItem] = frozenset()
    points: frozenset[PointItem] = frozenset()


EMPTY = State()


def applied(state: State, change: Change, sha256: str) -> State:
    """Return a state after a change; one that has nothing to change there changes nothing.

    Parameters
    ----------
    state
        Before it.
    change
        Any but an undo, which needs the history: see `history.replay`.
    sha256
        Digest of the product that it is about.
    """
    match change:
        case JudgeComponent():
            return _judged(state, change, sha256)
        case MergeComponents():
            return _merged(state, change, sha256)
        case SplitComponents():
            return _split(state, change, sha256)
        case ExcludeSpan():
            return replace(state, spans=_with_span(state.spans, change, sha256))
        case ExcludePoints():
            chosen = frozenset(PointItem(sha256, index) for index in change.point_indices)
            points = state.points | chosen if change.excluded else state.points - chosen
            return replace(state, points=points)
        case Undo():
            raise TypeError("an undo is not applied to a state, but to a history")


def differences(before: State, after: State) -> dict[Item, StateValue]:
    """Return the items that two states differ in, with what they are in the second.

    Parameters
    ----------
    before, after
        The states.
    """
    found: dict[Item, StateValue] = {}
    for item in {**before.components, **after.components}:
        value = after.components.get(item, UNDECIDED)
        if value != before.components.get(item, UNDECIDED):
            found[item] = value
    found |= dict.fromkeys(sorted(before.spans - after.spans), False)
    found |= dict.fromkeys(sorted(after.spans - before.spans), True)
    found |= dict.fromkeys(sorted(before.points - after.points), False)
    found |= dict.fromkeys(sorted(after.points - before.points), True)
    return found


def accumulated(changes: Iterable[Mapping[Item, StateValue]]) -> State:
    """Return the state that differences, one after the other, lead to from nothing.

    Parameters
    ----------
    changes
        As of `differences`.
    """
    latest: dict[Item, StateValue] = {}
    for changed in changes:
        latest |= changed
    return State(
        {
            item: value
            for item, value in latest.items()
            if isinstance(item, ComponentItem)
            and isinstance(value, ComponentState)
            and value != UNDECIDED
        },
        frozenset(i for i, value in latest.items() if isinstance(i, SpanItem) and value),
        frozenset(i for i, value in latest.items() if isinstance(i, PointItem) and value),
    )


def of_product(state: State, digests: Iterable[str]) -> State:
    """Return the part of a state that is about products with some digests.

    Parameters
    ----------
    state
        Of all products.
    digests
        Of those that are wanted.
    """
    wanted = set(digests)
    return State(
        {item: value for item, value in state.components.items() if item.sha256 in wanted},
        frozenset(item for item in state.spans if item.sha256 in wanted),
        frozenset(item for item in state.points if item.sha256 in wanted),
    )


def _judged(state: State, change: JudgeComponent, sha256: str) -> State:
    item = ComponentItem(sha256, change.model_key, change.component_index)
    said = {name: getattr(change, name) for name in ("verdict", "name", "note")}
    new = {name: value for name, value in said.items() if value is not None}
    return _with_components(state, {item: replace(state.components.get(item, UNDECIDED), **new)})


def _merged(state: State, change: MergeComponents, sha256: str) -> State:
    def item(index: int) -> ComponentItem:
        return ComponentItem(sha256, change.model_key, index)

    into = state.components.get(item(change.into), UNDECIDED).merged_into
    head = change.into if into is None else into
    moved = [
        one
        for index in change.component_indices
        if index != head
        for one in (item(index), *_members(state, item(index)))
    ]
    return _with_components(
        state,
        {
            one: replace(state.components.get(one, UNDECIDED), merged_into=head)
            for one in moved
            if one.component_index != head
        },
    )


def _split(state: State, change: SplitComponents, sha256: str) -> State:
    items = [ComponentItem(sha256, change.model_key, index) for index in change.component_indices]
    alone = [one for item in items for one in (item, *_members(state, item))]
    return _with_components(
        state,
        {
            one: replace(state.components[one], merged_into=None)
            for one in alone
            if one in state.components
        },
    )


def _members(state: State, head: ComponentItem) -> list[ComponentItem]:
    """Components that are merged into one."""
    return [
        item
        for item, value in state.components.items()
        if item[:2] == head[:2] and value.merged_into == head.component_index
    ]


def _with_components(state: State, new: Mapping[ComponentItem, ComponentState]) -> State:
    together = {**state.components, **new}
    decided = {item: value for item, value in together.items() if value != UNDECIDED}
    return replace(state, components=decided)


def _with_span(spans: frozenset[SpanItem], change: ExcludeSpan, sha256: str) -> frozenset[SpanItem]:
    """Spans after one was left out or taken in: those that it touches are joined with it, or cut."""
    start_s, end_s = change.start_s, change.end_s
    own = {s for s in spans if (s.sha256, s.video_index) == (sha256, change.video_index)}
    touched = {s for s in own if s.start_s <= end_s and start_s <= s.end_s}
    if change.excluded:
        first = min([start_s, *(s.start_s for s in touched)])
        last = max([end_s, *(s.end_s for s in touched)])
        pieces = [(first, last)]
    else:
        pieces = [(s.start_s, min(s.end_s, start_s)) for s in touched]
        pieces += [(max(s.start_s, end_s), s.end_s) for s in touched]
    new = {SpanItem(sha256, change.video_index, a, b) for a, b in pieces if a < b}
    return (spans - touched) | new
