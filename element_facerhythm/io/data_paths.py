"""Where files lie below a root directory; the one way from a stored or composed path to a place on the disk.

A path is walked part by part. A symbolic link on the way is followed only while every step of it stays
below one of the directories that are allowed: a link that leaves them is refused, also where it would come
back in. Root directories may themselves be links: the person who names them vouches for them.

What is found here is opened by name later. For what must hold even if a directory is exchanged for a link in
the meantime, see `io.folders`.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from element_facerhythm.errors import ConfigurationError, PathError
from element_facerhythm.files.names import MAX_NAME_BYTES

ROOT_VARIABLE = "FACERHYTHM_ROOT_DATA_DIR"

MAX_LINKS = 40
"""Links that one path may lead through, as in Linux itself."""

MAX_PATH_BYTES = 4095


@dataclass(frozen=True)
class Place:
    """Where a walk ended.

    Attributes
    ----------
    path
        Absolute path without symbolic links.
    exists
        Whether something lies there.
    dangling
        The link on the way whose target is missing; None where there is none.
    file_on_the_way
        A file in the place of a directory; None where there is none.
    """

    path: Path
    exists: bool
    dangling: Path | None = None
    file_on_the_way: Path | None = None


class _LeavesError(Exception):
    """A link leads out of the allowed directories; holds the link and where it leads."""

    def __init__(self, link: Path, target: str) -> None:
        super().__init__(link, target)
        self.link, self.target = link, target


def as_directories(given: Any, source: str) -> tuple[Path, ...]:
    """Make absolute paths of one path or several; `given` is not changed.

    Parameters
    ----------
    given
        A path, or an iterable of paths.
    source
        Where it comes from, for the message.

    Raises
    ------
    ConfigurationError
        It is empty, or holds something that is no path.
    """
    items = [given] if isinstance(given, (str, os.PathLike)) else given
    if not isinstance(items, Iterable):
        raise ConfigurationError(f"{source} gave {given!r}; expected a path or a list of paths")
    paths = []
    for item in items:
        if not isinstance(item, (str, os.PathLike)) or not str(item):
            raise ConfigurationError(f"{source} gave {item!r}; expected a path or a list of paths")
        paths.append(Path(item).expanduser().absolute())
    if not paths:
        raise ConfigurationError(f"{source} gave no directory; expected at least one")
    return tuple(paths)


def resolve_path(relative: str | Path, roots: Iterable[str | Path]) -> Path:
    """Absolute path of a file or directory that lies below one of the roots.

    Parameters
    ----------
    relative
        Path as stored in the database, with forward slashes.
    roots
        Directories, searched in order. A link may lead from one of them into another.

    Returns
    -------
    Path
        Absolute path without symbolic links. It exists and lies below a root.

    Raises
    ------
    PathError
        The path is absolute, climbs with `..`, leads out of the roots through a symbolic link, or
        does not exist below any of them.
    ConfigurationError
        There is no root.
    """
    directories = as_directories(list(roots), "roots")
    found, missing = _search(relative, directories)
    if found is not None:
        return found
    why = next((place.dangling for place in missing if place.dangling is not None), None)
    hint = (
        "check the path, or correct the root directories"
        if why is None
        else f"{why} is a symbolic link to something that is not there: get its content (git annex get, "
        "datalad get), or remove the link"
    )
    raise PathError(
        f"{str(relative)!r} does not exist below any root directory ({_listed(directories)}); {hint}"
    )


def expected_path(relative: str | Path, roots: Iterable[str | Path]) -> Path:
    """Return the place that `resolve_path` finds, or where the file would lie below the first root.

    Parameters
    ----------
    relative, roots
        As for `resolve_path`.

    Raises
    ------
    PathError, ConfigurationError
        As `resolve_path`, except that the file may be missing.
    """
    directories = as_directories(list(roots), "roots")
    found, _ = _search(relative, directories)
    return found or resolve_new_path(relative, directories[0], directories)


def resolve_new_path(
    relative: str | Path, root: str | Path, others: Iterable[str | Path] = ()
) -> Path:
    """Absolute path, below `root`, of something that may not exist yet.

    Parameters
    ----------
    relative
        Path relative to `root`.
    root
        The directory that it must lie in.
    others
        Directories that a link may lead into as well.

    Raises
    ------
    PathError
        The path is absolute, climbs with `..`, leads out through a symbolic link or to one whose target is
        missing, or has a file where a directory would have to be.
    """
    base = as_directories(root, "root")[0]
    allowed = (base, *as_roots(others))
    try:
        place = _walk(relative, base, allowed)
    except _LeavesError as leaves:
        raise _refused(relative, leaves, allowed) from None
    if place.dangling is not None:
        raise PathError(
            f"{str(relative)!r} leads to {place.dangling}, a symbolic link to something that is not there; "
            "remove the link, or give another path"
        )
    if place.file_on_the_way is not None:
        raise PathError(
            f"{str(relative)!r} cannot be made below {base}: {place.file_on_the_way} is a file; expected a "
            "directory"
        )
    return place.path


def place_inside(
    directory: str | Path, relative: str | Path, roots: Iterable[str | Path] = ()
) -> Path:
    """Where a file of a project or keypoint directory lies, or would lie.

    Parameters
    ----------
    directory
        The directory; it may be a link itself.
    relative
        Path inside it.
    roots
        Data directories that a link in it may lead into (data sets of DataLad and git-annex keep their
        content beside the project); none by default.

    Returns
    -------
    Path
        `directory / relative` as it is, where no link lies on the way; else the place without links.

    Raises
    ------
    PathError
        A link on the way leaves `directory` and all of `roots`.
    """
    base = as_directories(str(directory), "directory")[0]
    allowed = (base, *as_roots(roots))
    try:
        place = _walk(relative, base, allowed)
    except _LeavesError as leaves:
        raise PathError(
            f"{leaves.link} is a symbolic link to {leaves.target}, outside of {_listed(allowed)}, and is not "
            "followed: put the file itself there. A project whose files are links (DataLad, git-annex) can "
            "be unlocked or copied, or registered below a root directory that holds both"
        ) from None
    if place.dangling is not None:
        raise PathError(
            f"{place.dangling} is a symbolic link to something that is not there: get its content (git annex "
            "get, datalad get), or remove the link"
        )
    plain = Path(directory, relative)
    return plain if place.path == base.resolve() / relative else place.path


def as_roots(roots: Iterable[str | Path]) -> tuple[Path, ...]:
    """Absolute paths of root directories; there may be none."""
    given = tuple(roots)
    return as_directories(given, "roots") if given else ()


def relative_to_roots(path: str | Path, roots: Iterable[str | Path]) -> str:
    """Path of an existing file or directory relative to the first root that holds it, with `/`.

    Parameters
    ----------
    path
        Relative to the working directory where it is not absolute; links in it are followed.
    roots
        Directories, tried in order; links in them are followed, too.

    Raises
    ------
    PathError
        It does not exist, or lies below none of the roots.
    ConfigurationError
        There is no root.
    """
    place = Path(path).expanduser().absolute()
    try:
        real = place.resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError):
        raise PathError(f"{path} does not exist") from None
    except (ValueError, RuntimeError):  # NUL or a lone surrogate; links in a circle
        raise PathError(f"{str(path)!r} is not a path, or links in a circle") from None
    except OSError as error:
        raise PathError(f"{str(path)!r} cannot be looked at: {error.strerror}") from error
    directories = as_directories(list(roots), "roots")
    for root in directories:
        base = root.resolve()
        if real.is_relative_to(base):
            return real.relative_to(base).as_posix()
    raise PathError(
        f"{place} lies outside of the root directories ({_listed(directories)}); move it there, or "
        f"add its directory to the roots ({ROOT_VARIABLE}, or get_facerhythm_root_data_dir() of the "
        "linking module)"
    )


# ------------------------------------------------------------------ the walk


def _search(
    relative: str | Path, directories: Sequence[Path]
) -> tuple[Path | None, tuple[Place, ...]]:
    """Return the place below the first directory that holds it, or all places where it is missing."""
    missing, refused = [], None
    for root in directories:
        try:
            place = _walk(relative, root, directories)
        except _LeavesError as leaves:
            refused = leaves
            continue
        if place.exists:
            return place.path, ()
        missing.append(place)
    if refused is not None:
        raise _refused(relative, refused, directories)
    return None, tuple(missing)


def _refused(relative: str | Path, leaves: _LeavesError, allowed: Sequence[Path]) -> PathError:
    return PathError(
        f"{str(relative)!r} leads through a symbolic link, {leaves.link}, to {leaves.target}, outside of the "
        f"root directories ({_listed(allowed)}); add its real place to the roots"
    )


def _walk(relative: str | Path, root: Path, allowed: Iterable[Path]) -> Place:
    """Walk from `root`, staying below `allowed`.

    Raises
    ------
    _LeavesError
        A link leads out.
    PathError
        It is no relative path, or the system does not let it be looked at.
    """
    parts = _relative_parts(relative)
    try:
        return _steps(root.resolve(), parts, {path: path.resolve() for path in allowed})
    except RuntimeError as error:  # how `Path.resolve` reports a root that links to itself
        raise PathError(f"{root} cannot be found: {error}") from None
    except OSError as error:
        raise PathError(
            f"{str(relative)!r} cannot be looked at below {root}: {error.strerror}"
        ) from error


def _steps(base: Path, parts: Sequence[str], allowed: dict[Path, Path]) -> Place:
    """Go one part at a time; `allowed` are directories as they were given and without links."""
    current, n_links = base, 0
    link = target = base  # the last link that was followed
    waiting = deque(parts)
    n_of_link = 0  # of the parts that wait, those that a link brought
    while waiting:
        part, of_link = waiting.popleft(), n_of_link > 0
        n_of_link = max(0, n_of_link - 1)
        step = current.parent if part == ".." else current / part
        if not any(step.is_relative_to(bound) for bound in allowed.values()):
            raise _LeavesError(link, str(target))
        try:
            mode = step.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError) as error:
            blocked = current if isinstance(error, NotADirectoryError) else None
            return Place(step.joinpath(*waiting), False, link if of_link else None, blocked)
        if not stat.S_ISLNK(mode):
            current = step
            continue
        n_links += 1
        if n_links > MAX_LINKS:
            raise PathError(f"{step}: more than {MAX_LINKS} symbolic links, or links in a circle")
        link, target = step, step.readlink()
        if target.is_absolute():
            current, inner = _enter(link, target, allowed)
        else:
            inner = target.parts
        waiting.extendleft(reversed(inner))
        n_of_link += len(inner)
    return Place(current, bool(parts) or current.exists())


def _enter(link: Path, target: Path, allowed: dict[Path, Path]) -> tuple[Path, tuple[str, ...]]:
    """Begin an absolute target at the directory that it names; `_LeavesError` where it names none."""
    for given, real in allowed.items():
        for spelled in (given, real):
            if target.is_relative_to(spelled):
                return real, target.relative_to(spelled).parts
    raise _LeavesError(link, str(target))


def _relative_parts(relative: str | Path) -> tuple[str, ...]:
    """Parts of a relative path as any system may have written it; PathError where it cannot be one."""
    text = str(relative)
    try:
        n_bytes = len(os.fsencode(text))
    except UnicodeEncodeError:  # half of a character, which no file name holds
        n_bytes = 0
    if not n_bytes or "\0" in text:
        raise PathError(f"{text!r} is not a path; expected one relative to a root directory")
    if PurePosixPath(text).is_absolute() or PureWindowsPath(text).drive:
        raise PathError(f"{text!r} is absolute; paths are stored relative to a root directory")
    parts = PureWindowsPath(text).parts if os.name == "nt" else PurePosixPath(text).parts
    if ".." in parts:
        raise PathError(f"{text!r} climbs out with '..'; paths must stay below a root directory")
    if n_bytes > MAX_PATH_BYTES or any(len(os.fsencode(part)) > MAX_NAME_BYTES for part in parts):
        raise PathError(
            f"{text[:60]!r}... is too long for a path; a name has at most {MAX_NAME_BYTES} bytes, a path "
            f"{MAX_PATH_BYTES}"
        )
    return parts


def _listed(directories: Iterable[Path]) -> str:
    return ", ".join(map(str, directories))
