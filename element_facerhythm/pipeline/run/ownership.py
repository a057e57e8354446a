"""The one task of a database that a directory belongs to.

A directory holds the results of one task: rows refer to its files by their digests, and a second task that
wrote into it would take the first one's arrays away. The task is written into the directory before anything
else is, in a small file whose name ends with the schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from element_facerhythm.errors import ProjectError
from element_facerhythm.files.texts import parse_json
from element_facerhythm.io.folders import OpenDirectory, read_small, write_small

OWNER = ".facerhythm.owner-"
"""Beginning of the name of the file; the rest is the schema."""

_MOST_CHARACTERS = 1000


@dataclass(frozen=True)
class DirectoryOwner:
    """A task, with what distinguishes it from every other one.

    Attributes
    ----------
    database
        What the server calls itself, which stays the same under another host name; empty where it does not
        say.
    schema, table
        Where the task is entered.
    key
        Its primary key, as JSON.
    """

    database: str
    schema: str
    table: str
    key: str

    @classmethod
    def of_task(
        cls, database: str, schema: str, table: str, key: Mapping[str, Any]
    ) -> DirectoryOwner:
        """Owner with this primary key; values that JSON lacks (dates, UUIDs) are kept as text.

        Parameters
        ----------
        database, schema, table
            As of the attributes.
        key
            Primary key of the task.
        """
        return cls(database, schema, table, json.dumps(dict(key), sort_keys=True, default=str))

    @property
    def mark(self) -> str:
        """Name of the file in the directory."""
        return f"{OWNER}{self.schema}"

    def __str__(self) -> str:
        return f"{self.table} {self.key} of {self.schema}"


def require_owner(directory: Path, owner: DirectoryOwner | None) -> None:
    """Refuse a directory that belongs to another task.

    Parameters
    ----------
    directory
        Where results are to be written; it need not exist.
    owner
        The task that asks; None for a run without a database, which no directory of a task is for.

    Raises
    ------
    ProjectError
        It belongs to another task, or lies inside the directory of one.
    """
    for mark in sorted(directory.glob(f"{OWNER}*")):
        stored = _read(mark)
        if owner is not None and mark.name == owner.mark and stored in (None, owner):
            continue
        whose = mark.name.removeprefix(OWNER) if stored is None else stored
        raise ProjectError(
            f"{directory} belongs to {whose}{_elsewhere(stored, owner)}, and a directory holds the results "
            "of one task: give another directory. If that task is gone for good, and its results with it, "
            f"remove {mark.name} from the directory"
        )
    if owner is None:
        return
    for above in directory.absolute().parents:
        if (above / owner.mark).exists():
            raise ProjectError(
                f"{directory} lies inside {above}, which belongs to another task of {owner.schema}: give a "
                "directory beside it"
            )


def is_owned_by(directory: Path, owner: DirectoryOwner) -> bool:
    """Whether a directory says that it belongs to this task.

    Parameters
    ----------
    directory
        The project directory; it may be missing.
    owner
        The task.
    """
    return _read(directory / owner.mark) == owner


def claim_directory(directory: Path, owner: DirectoryOwner) -> None:
    """Write the name of its task into a directory; the caller holds its lock.

    Parameters
    ----------
    directory
        The project directory.
    owner
        The task that it is to belong to.

    Raises
    ------
    ProjectError
        It belongs to another task, or lies inside the directory of one.
    """
    require_owner(directory, owner)
    mark = directory / owner.mark
    if _read(mark) is None:
        with OpenDirectory(directory) as root:
            write_small(root.descriptor, mark.name, json.dumps(asdict(owner), indent=1))


def _read(mark: Path) -> DirectoryOwner | None:
    """Owner that a mark names; None where it is missing, empty, or says something else."""
    try:
        content = parse_json(read_small(mark))
        owner = DirectoryOwner(**{name: str(value) for name, value in content.items()})
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    # any account that may write here may have written it, and messages quote it
    text = f"{owner} {owner.database}"
    return owner if text.isprintable() and len(text) <= _MOST_CHARACTERS else None


def _elsewhere(stored: DirectoryOwner | None, owner: DirectoryOwner | None) -> str:
    """Return a remark where two tasks of one name are of two servers."""
    if stored is None or owner is None or stored.database == owner.database:
        return ""
    return f" on another server ({stored.database}; this one is {owner.database})"
