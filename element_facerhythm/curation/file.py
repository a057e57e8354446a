"""``curation.json``: a curation beside the products of a project, written whole, and never over another's."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import element_facerhythm
from element_facerhythm.curation.changes import (
    DECOMPOSITION,
    TRACKS,
    Undo,
    change_of_row,
    require_line,
    row_of_change,
)
from element_facerhythm.curation.history import Curation, Entry, replay, to_second
from element_facerhythm.curation.state import State
from element_facerhythm.errors import CurationConflictError, ProjectError, RequestError
from element_facerhythm.io.atomic import writing_inside
from element_facerhythm.io.config import read_json, write_json
from element_facerhythm.io.data_paths import place_inside
from element_facerhythm.io.layout import CURATION_FILE, CURATION_LOCK

FORMAT_VERSION = 1
"""Raised when older readers would err."""
_LONGEST_WAIT_S = 20.0
_ENTRY = {"revision", "curator", "time", "product", "sha256", "change"}
_TOP = {"format_version", "package_version", "entries", "state"}


def curation_path(directory: Path) -> Path:
    """Where the curation of a project lies, or would lie; PathError where a link leads out."""
    return place_inside(directory, CURATION_FILE)


def read_curation(directory: Path) -> Curation:
    """Read the curation of a project directory; an empty one where there is no file.

    Raises
    ------
    ProjectError
        As of `read_curation_file`.
    PathError
        The file is a link that leads out of the directory.
    """
    path = curation_path(directory)
    return read_curation_file(path) if path.is_file() else Curation()


def read_curation_file(path: Path) -> Curation:
    """Read a file that holds a curation.

    Raises
    ------
    ProjectError
        It is malformed, or of a newer format; the message names the place in it.
    """
    stored = read_json(path)
    version = stored.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ProjectError(f"{path}: format_version is no number; expected a curation")
    if version > FORMAT_VERSION:
        raise ProjectError(
            f"{path} has format version {version}; this package reads up to {FORMAT_VERSION}. Upgrade "
            "element-facerhythm"
        )
    entries = stored.get("entries")
    unknown = sorted(set(stored) - _TOP)
    if unknown or not isinstance(entries, list):
        what = f"holds {reprlib.repr(unknown[0])}" if unknown else "entries is no list"
        raise ProjectError(f"{path}: {what}; expected {', '.join(sorted(_TOP))}")
    try:
        return Curation(tuple(_entries(path, entries)))
    except ProjectError:
        raise
    except RequestError as error:
        raise ProjectError(f"{path}: entries: {error}") from error


def write_curation(directory: Path, curation: Curation, based_on: int) -> Path:
    """Write the curation of a project directory, unless it was changed meanwhile.

    Parameters
    ----------
    directory
        The project directory.
    curation
        What is written: the curation that was read, with further entries.
    based_on
        Revision of the curation that was read.

    Returns
    -------
    The path of the file.

    Raises
    ------
    CurationConflictError
        The file is not the one that was read: another person or process has written it.
    ProjectError
        The directory cannot be written, or the file is malformed.
    """
    path = curation_path(directory)
    try:
        with _lock(directory), writing_inside(directory):
            stored = read_curation(directory)
            if stored.revision != based_on or not curation.starts_with(stored):
                raise CurationConflictError(
                    f"{path} was changed since it was read: it has {stored.revision} entries, and had "
                    f"{based_on}. Nothing was written: look at it again, and repeat what you decide"
                )
            write_curation_file(path, curation)
    except PermissionError as error:
        raise ProjectError(
            f"{directory} cannot be written to by this account, so its curation stays as it is"
        ) from error
    return path


def write_curation_file(path: Path, curation: Curation) -> None:
    """Write a file with a curation, whole; a file of that name is replaced.

    Parameters
    ----------
    path
        The file.
    curation
        What it holds.
    """
    document = {
        "format_version": FORMAT_VERSION,
        "package_version": element_facerhythm.__version__,
        "entries": [_row(entry) for entry in curation.entries],
        "state": state_rows(replay(curation.entries)),
    }
    write_json(path, document)


def state_rows(state: State) -> dict[str, list[dict[str, Any]]]:
    """Return what holds, for readers that replay nothing: lists of components, spans and points.

    Parameters
    ----------
    state
        As of `replay`.
    """
    return {
        "components": [
            {**item._asdict(), **asdict(value)} for item, value in sorted(state.components.items(), key=_key)
        ],
        "excluded_spans": [item._asdict() for item in sorted(state.spans)],
        "excluded_points": [item._asdict() for item in sorted(state.points)],
    }  # fmt: skip


def _key(pair: Any) -> Any:
    return pair[0]


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "revision": entry.revision,
        "curator": entry.curator,
        "time": entry.time.isoformat(),
        "product": entry.product,
        "sha256": entry.sha256,
        "change": row_of_change(entry.change),
    }


def _entries(path: Path, rows: list[Any]) -> Iterator[Entry]:
    for place, row in enumerate(rows):
        where = f"{path}: entries[{place}]"
        if not isinstance(row, Mapping) or set(row) != _ENTRY:
            raise ProjectError(f"{where} is no entry; expected {', '.join(sorted(_ENTRY))}")
        try:
            yield entry_of_row(row)
        except RequestError as error:
            raise ProjectError(f"{where}: {error}") from error


def entry_of_row(row: Mapping[str, Any]) -> Entry:
    """Return an entry from its values as a file holds them.

    Parameters
    ----------
    row
        `revision`, `curator`, `time` (a text in ISO 8601, with its zone), `product`, `sha256` and `change`.

    Raises
    ------
    RequestError
        One of them is not what it must be.
    """
    revision, product, sha256 = row["revision"], row["product"], row["sha256"]
    if not isinstance(revision, int) or isinstance(revision, bool):
        raise RequestError("revision is no number")
    require_line("curator", row["curator"])
    if product not in (DECOMPOSITION, TRACKS):
        raise RequestError(f"product is not {DECOMPOSITION} or {TRACKS}")
    is_digest = isinstance(sha256, str) and len(sha256) == 64
    if not is_digest or set(sha256) - set("0123456789abcdef"):
        raise RequestError("sha256 is no digest of 64 hexadecimal digits")
    try:
        change = change_of_row(row["change"])
    except RequestError as error:
        raise RequestError(f"change: {error}") from error
    if not isinstance(change, Undo) and change.product != product:
        raise RequestError(f"product is {product}, and the change is about {change.product}")
    return Entry(revision, row["curator"], _time(row["time"]), product, sha256, change)


def _time(text: Any) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return to_second(time)
    except (TypeError, ValueError, OverflowError):
        pass  # told below
    raise RequestError("time is no time with its zone, such as 2026-03-01T10:30:00+00:00")


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    """Let no other process look and write meanwhile; the system ends the lock with its process."""
    from filelock import FileLock, Timeout

    place = place_inside(directory, CURATION_LOCK)
    lock = FileLock(place, timeout=_LONGEST_WAIT_S, mode=0o666)
    try:
        lock.acquire()
    except Timeout as error:
        raise CurationConflictError(
            f"another process has been writing the curation of {directory} for {_LONGEST_WAIT_S:g} s; "
            "try again"
        ) from error
    except NotImplementedError as error:
        raise ProjectError(
            f"{directory} lies on a file system without locks, so that two people could overwrite each "
            "other's decisions: copy the project elsewhere, or keep its curation in the database"
        ) from error
    try:
        yield
    finally:
        lock.release()
