"""New entries, checked against the result that they are about; and entries that are of another one."""

from __future__ import annotations

from datetime import UTC, datetime

from element_facerhythm.curation.changes import (
    Change,
    MergeComponents,
    SplitComponents,
    Undo,
    require_line,
)
from element_facerhythm.curation.history import Curation, Entry, active_entries, replay, to_second
from element_facerhythm.curation.results import CuratedResult
from element_facerhythm.curation.state import applied, differences
from element_facerhythm.errors import RequestError


def append(
    curation: Curation,
    change: Change,
    result: CuratedResult,
    curator: str,
    time: datetime | None = None,
) -> Curation:
    """Add a change to a curation.

    Parameters
    ----------
    curation
        As it is; it is not changed.
    change
        Any but an undo, for which there is `undo`.
    result
        That it is about.
    curator
        Who makes it.
    time
        When; now where None.

    Returns
    -------
    The curation with one entry more; without, where everything is as the change says already.

    Raises
    ------
    RequestError
        There is no such component, point, video or time; or components are merged that are in one group.
    """
    if isinstance(change, Undo):
        raise RequestError("an undo is made by `undo`, which looks for what it undoes")
    result.require(change)
    sha256 = result.sha256[change.product]
    before = replay(curation.entries)
    if not differences(before, applied(before, change, sha256)):
        if isinstance(change, MergeComponents):
            raise RequestError("these components are merged already, into one of them")
        if isinstance(change, SplitComponents):
            raise RequestError("none of these components is merged with another one")
        return curation
    return _with(curation, curator, time, change.product, sha256, change)


def undo(
    curation: Curation, curator: str, revision: int | None = None, time: datetime | None = None
) -> Curation:
    """Undo an entry, by a further one.

    Parameters
    ----------
    curation
        As it is; it is not changed.
    curator
        Who undoes it.
    revision
        Number of the entry; the last one that counts where None. Of an undo, what that undid counts again.
    time
        When; now where None.

    Raises
    ------
    RequestError
        There is nothing to undo, no such entry, or it was undone already.
    """
    if revision is None:
        counting = active_entries(curation.entries)
        if not counting:
            raise RequestError("there is nothing to undo")
        revision = counting[-1].revision
    if not 0 < revision <= curation.revision:
        raise RequestError(
            f"there is no entry {revision} to undo; expected 1 to {curation.revision}"
            if curation.revision
            else f"there is no entry {revision} to undo: nothing was entered"
        )
    entry = curation.entries[revision - 1]
    undone = _with(curation, curator, time, entry.product, entry.sha256, Undo(revision))
    if active_entries(undone.entries) == active_entries(curation.entries):
        raise RequestError(f"entry {revision} was undone already")
    return undone


def outdated_entries(curation: Curation, result: CuratedResult) -> tuple[Entry, ...]:
    """Return the entries that count and are about a product that was computed anew since.

    Parameters
    ----------
    curation
        From its beginning.
    result
        As it is now.
    """
    return tuple(
        entry
        for entry in active_entries(curation.entries)
        if result.sha256.get(entry.product) != entry.sha256
    )


def exchange(own: Curation, other: Curation, result: CuratedResult) -> Curation:
    """Return a curation that is brought up to another one, such as that of a file.

    Parameters
    ----------
    own
        As it is here; it may be empty.
    other
        That is taken in; it must go on from `own`, or be what `own` went on from.
    result
        That `own` is about.

    Returns
    -------
    The longer of the two, with who made each entry and when.

    Raises
    ------
    RequestError
        Both were changed since they were one, or no entry of the other is about this result.
    """
    if own.starts_with(other):
        return own
    if not other.starts_with(own):
        n_same = next(
            (n for n, pair in enumerate(zip(own.entries, other.entries, strict=False)) if pair[0] != pair[1]),
            min(own.revision, other.revision),
        )  # fmt: skip
        raise RequestError(
            f"both curations were changed since they were one: they differ from entry {n_same + 1} on. "
            "Nothing was taken over: decide which one is to stay, and enter the rest there"
        )
    counting = active_entries(other.entries)
    if counting and len(outdated_entries(other, result)) == len(counting):
        raise RequestError(
            "no entry of this curation is about this result: its decomposition and its tracks have other "
            "digests. Is it of another recording, or was this one computed anew? `facerhythm curate "
            "suggest` looks for components that are alike"
        )
    return other


def _with(
    curation: Curation,
    curator: str,
    time: datetime | None,
    product: str,
    sha256: str,
    change: Change,
) -> Curation:
    require_line("curator", curator)
    if not curator.strip():
        raise RequestError("curator is empty; expected the name of who decides")
    revision = curation.revision + 1
    entry = Entry(revision, curator, to_second(time or datetime.now(UTC)), product, sha256, change)
    return Curation((*curation.entries, entry))
