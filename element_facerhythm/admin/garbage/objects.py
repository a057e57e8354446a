"""Garbage in the object store."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from element_facerhythm.admin.garbage.references import check_database
from element_facerhythm.storage import ObjectStore, StoredObject
from element_facerhythm.storage.object_store import ANNOUNCEMENT_LIFE

BATCH = 100
"""Objects that are announced together; see `ObjectStore.announced`."""


@dataclass(frozen=True)
class ObjectReport:
    """What was found in the store, and what was removed.

    Attributes
    ----------
    n_objects, n_referenced, n_young
        All objects; those that rows refer to; those that none does, but that are too young to judge.
    orphans
        Objects that no row refers to.
    removed
        Names of those that were removed.
    """

    store: str
    n_objects: int
    n_referenced: int
    n_young: int
    orphans: tuple[StoredObject, ...]
    removed: tuple[str, ...]


def collect_objects(
    store: ObjectStore,
    section: str,
    referenced: Callable[[], frozenset[str]],
    older_than: timedelta,
    *,
    delete: bool,
    allow_deleting_all: bool,
) -> ObjectReport:
    """List objects that no row refers to, and with `delete` remove them.

    Parameters
    ----------
    store, section
        The store, and the part of it that belongs to this database.
    referenced
        Reads the references. It is called after the objects were listed, so that an object that was
        put there and entered meanwhile counts as in use.
    older_than
        Age, by the store's clock, below which nothing is touched.
    delete
        Remove them.
    allow_deleting_all
        Remove them also where rows refer to nothing that is there.

    Raises
    ------
    ConfigurationError
        Rows refer to none of the objects, as in the wrong database.
    """
    everything = store.listing(section)
    live = referenced()
    now = store.clock(section)
    listed = [item for item in everything if not is_passing(item)]
    unreferenced = [item for item in listed if item.name not in live]
    orphans = [item for item in unreferenced if now - item.modified >= older_than]
    n_referenced = len(listed) - len(unreferenced)
    if delete and orphans and not allow_deleting_all:
        check_database(n_referenced, f"{len(listed)} objects of {section} in the {store}")
    removed: tuple[str, ...] = ()
    if delete:
        removed = tuple(_remove_objects(store, section, orphans, older_than))
        for item in everything:  # left by a collector that died
            if is_passing(item) and now - item.modified >= max(older_than, ANNOUNCEMENT_LIFE):
                store.remove(item.name)
    n_young = len(unreferenced) - len(orphans)
    return ObjectReport(str(store), len(listed), n_referenced, n_young, tuple(orphans), removed)


def is_passing(item: StoredObject) -> bool:
    """Return whether an object is an announcement or a reading of the clock, and no result."""
    return item.name.split("/")[2] in ("collecting", "clock")


def _remove_objects(
    store: ObjectStore, section: str, orphans: Sequence[StoredObject], older_than: timedelta
) -> Iterator[str]:
    """Announce objects and remove them, unless they were renewed since; yield the names of those removed."""
    left = [item.name for item in orphans]
    while left:
        batch, left = left[:BATCH], left[BATCH:]
        with store.announced(section, batch) as may_remove:
            now = store.clock(section)
            while batch and may_remove():
                name = batch.pop()
                if _is_old(store.look(name), now, older_than) and may_remove():
                    store.remove_once(name)
                    yield name
        left = batch + left


def _is_old(item: StoredObject | None, now: datetime, older_than: timedelta) -> bool:
    """Return whether an object is still there, and still old."""
    return item is not None and now - item.modified >= older_than
