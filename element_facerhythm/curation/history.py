"""The history of a curation: entries that are only ever added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from element_facerhythm.curation.changes import Change, Undo
from element_facerhythm.curation.state import (
    EMPTY,
    Item,
    State,
    StateValue,
    applied,
    differences,
)
from element_facerhythm.errors import RequestError


@dataclass(frozen=True)
class Entry:
    """One change, with who made it and when.

    Attributes
    ----------
    revision
        Its number in the curation, from 1.
    curator
        Name of the person or account.
    time
        When, UTC, to the second.
    product, sha256
        Name and digest of the product that it is about; of an undo, those of what it undoes.
    change
        What was changed.
    """

    revision: int
    curator: str
    time: datetime
    product: str
    sha256: str
    change: Change


@dataclass(frozen=True)
class Curation:
    """All entries, in their order.

    Attributes
    ----------
    entries
        With the revisions 1, 2, 3 and so on.

    Raises
    ------
    RequestError
        Revisions are not in order, or an undo is of no earlier entry.
    """

    entries: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        for place, entry in enumerate(self.entries):
            if entry.revision != place + 1:
                raise RequestError(
                    f"entry {place + 1} has the revision {entry.revision}; expected {place + 1}"
                )
            if isinstance(entry.change, Undo) and not 0 < entry.change.revision < entry.revision:
                raise RequestError(f"entry {place + 1} undoes none of the entries before it")

    @property
    def revision(self) -> int:
        """Number of the last entry; 0 where there is none."""
        return len(self.entries)

    def starts_with(self, other: Curation) -> bool:
        """Whether another curation is this one as it was earlier."""
        return self.entries[: other.revision] == other.entries


def to_second(time: datetime) -> datetime:
    """Return a time as entries have it: UTC, to the second."""
    return time.astimezone(UTC).replace(microsecond=0)


def active_entries(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries that count: no undo, and none that an undo which counts is of.

    Parameters
    ----------
    entries
        Of a curation, from its beginning.
    """
    undone: set[int] = set()
    for entry in reversed(entries):
        if isinstance(entry.change, Undo) and entry.revision not in undone:
            undone.add(entry.change.revision)
    return tuple(
        entry
        for entry in entries
        if entry.revision not in undone and not isinstance(entry.change, Undo)
    )


def replay(entries: Sequence[Entry]) -> State:
    """Return what holds after the entries of a curation.

    Parameters
    ----------
    entries
        Of a curation, from its beginning.
    """
    state = EMPTY
    for entry in active_entries(entries):
        state = applied(state, entry.change, entry.sha256)
    return state


def steps(curation: Curation) -> Iterator[tuple[Entry, dict[Item, StateValue]]]:
    """Yield each entry with what it changed: the items, and what they are since then.

    Parameters
    ----------
    curation
        From its beginning.
    """
    before = EMPTY
    for entry in curation.entries:
        if isinstance(entry.change, Undo):
            after = replay(curation.entries[: entry.revision])
        else:
            after = applied(before, entry.change, entry.sha256)
        yield entry, differences(before, after)
        before = after


def last_changes(curation: Curation) -> dict[Item, Entry]:
    """Return the entry that last changed each item.

    Parameters
    ----------
    curation
        From its beginning.
    """
    return {item: entry for entry, changed in steps(curation) for item in changed}
