"""Files that a table names: relative to the table, or to a root directory."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from element_facerhythm.errors import PathError

SEPARATOR = ";"
_GLOB = re.compile(r"[*?\[]")


def find_files(text: str, directories: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Files that a cell names, in order.

    Parameters
    ----------
    text
        A path, several separated by `;`, or patterns with `*`; numbers in the names of what a pattern finds
        are sorted as numbers.
    directories
        What the paths are relative to, if they are not absolute; all of them are searched.

    Returns
    -------
    The files, and a note for each pattern that says what it found.

    Raises
    ------
    PathError
        A file is not there, or there in several directories.
    """
    if _there(text, directories):  # also one whose name has a ; or a *
        return [find_file(text, directories)], []
    found: list[Path] = []
    notes = []
    for part in filter(None, (part.strip() for part in text.split(SEPARATOR))):
        if not _GLOB.search(part) or _there(part, directories):
            found.append(find_file(part, directories))
            continue
        matches = _matches(part, directories)
        notes.append(f"{part}: {', '.join(path.name for path in matches)}")
        found += matches
    if not found:
        raise PathError(f"{text!r} names no file")
    return found, notes


def find_file(text: str, directories: Sequence[Path]) -> Path:
    """Return the one file that a path leads to from the directories.

    Parameters
    ----------
    text
        The path.
    directories
        What it is relative to, if it is not absolute; all of them are searched.

    Raises
    ------
    PathError
        There is none, or there are several.
    """
    found = _there(text, directories)
    if not found:
        where = "" if Path(text).is_absolute() else f" in {' or '.join(map(str, directories))}"
        raise PathError(f"{text} does not exist{where}")
    if len(found) > 1:
        raise PathError(
            f"{text} may be {' or '.join(map(str, found))}; say which one by its whole path"
        )
    return found[0]


def natural_key(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sort by numbers as numbers: part2 comes before part10."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [(int(p), "") if i % 2 else (0, p) for i, p in enumerate(parts)], str(path)


def _there(text: str, directories: Sequence[Path]) -> list[Path]:
    try:
        places = [
            directory / text for directory in directories
        ]  # an absolute path stays what it is
        distinct: dict[Path, Path] = {}
        for place in places:
            if place.exists():
                distinct.setdefault(place.resolve(), place)
        return list(distinct.values())
    except (OSError, ValueError):  # too long for a name, or a NUL
        return []


def _matches(pattern: str, directories: Sequence[Path]) -> list[Path]:
    found = [
        [
            Path(name)
            for name in glob.iglob(str(_literal(directory) / pattern))  # noqa: PTH207 - an absolute one, too
            if Path(name).is_file()
        ]
        for directory in directories
    ]
    distinct = {tuple(sorted(p.resolve() for p in paths)): paths for paths in found if paths}
    if not distinct:
        raise PathError(f"{pattern} matches no file in {' or '.join(map(str, directories))}")
    if len(distinct) > 1:
        places = " and ".join(str(paths[0].parent) for paths in distinct.values())
        raise PathError(f"{pattern} matches files in {places}; say which by a whole path")
    (paths,) = distinct.values()
    return sorted(paths, key=natural_key)


def _literal(directory: Path) -> Path:
    return Path(glob.escape(str(directory)))
