"""Whether a directory can be written: found out before any work, and without writing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from element_facerhythm.errors import PathError, ProjectError
from element_facerhythm.files.names import is_text
from element_facerhythm.io.atomic import remove_leftovers
from element_facerhythm.io.data_paths import place_inside
from element_facerhythm.io.folders import OpenDirectory, mount_of
from element_facerhythm.pipeline.run.lock import project_lock, require_lock_place
from element_facerhythm.pipeline.run.ownership import (
    DirectoryOwner,
    claim_directory,
    require_owner,
)

MARK = ".facerhythm."
"""Beginning of the names of the lock and of the marks of owners."""


def check_writable(
    directory: Path,
    *,
    folders: Iterable[str] = (),
    files: Iterable[str] = (),
    owner: DirectoryOwner | None = None,
) -> None:
    """Refuse a directory that cannot be written, or whose entries are not of the kind that a project has.

    Parameters
    ----------
    directory
        It may be missing.
    folders
        Folders in it that finished files are moved into, those above before those in them.
    files
        Files in it that are read, replaced or removed.
    owner
        The task that it is for; None for a run without a database.

    Raises
    ------
    ProjectError
        It belongs to another task; it is a file or cannot be written; a folder is a file or on another
        file system, a file is none.
    PathError
        A link is in the place of a folder, or leads out of the directory.
    """
    if not is_text(directory.absolute()):
        raise ProjectError(f"{directory}: its name is no text in UTF-8; give another directory")
    if directory.exists() and not directory.is_dir():
        raise ProjectError(f"{directory} is a file; expected a directory for the project")
    existing = next(p for p in (directory, *directory.absolute().parents) if p.exists())
    if not existing.is_dir():
        raise ProjectError(f"{directory} cannot be made: {existing} is a file")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ProjectError(f"{existing} cannot be written to; give another project directory")
    require_owner(directory, owner)
    if not directory.is_dir():
        return
    require_lock_place(directory)
    _check_marks(directory)
    for folder in folders:
        check_folder(directory, folder)
    _check_mounts(directory, folders)
    for file in files:
        _check_file(directory, file)


@contextmanager
def locked_place(directory: Path, file: str, owner: DirectoryOwner | None) -> Iterator[Path]:
    """Make, lock and mark a directory that holds one product; yields the path of its file.

    Parameters
    ----------
    directory
        The directory.
    file
        Name of the product.
    owner
        The task that the directory is for; None for a run without a database.

    Raises
    ------
    RequestError
        As `check_writable` and `pipeline.lock.project_lock`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with project_lock(directory):
        # again, now that no other run can change it
        check_writable(directory, files=(file,), owner=owner)
        remove_leftovers(directory)
        if owner is not None:
            claim_directory(directory, owner)
        yield place_inside(directory, file)


def _check_marks(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.name.startswith(MARK) and entry.is_symlink():
            raise _link_error(entry)


def check_folder(directory: Path, name: str) -> None:
    """Refuse a folder that files are moved into, and that is something else.

    Parameters
    ----------
    directory
        The project directory.
    name
        Name of the folder in it, which may be missing.

    Raises
    ------
    ProjectError
        It is a file.
    PathError
        It is a link, or one in it leads out of the directory.
    """
    folder = directory / name
    if folder.is_symlink():
        raise _link_error(folder)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ProjectError(
            f"{folder} is a file; expected a folder of the project. Remove it, or give another directory"
        )
    for entry in folder.iterdir():
        if entry.is_symlink():
            place_inside(directory, entry.relative_to(directory))


def _check_mounts(directory: Path, folders: Iterable[str]) -> None:
    with OpenDirectory(directory) as root:
        for folder in folders:
            if not (directory / folder).is_dir():
                continue
            with root.folder(directory / folder) as descriptor:
                if mount_of(descriptor) != mount_of(root.descriptor):
                    raise ProjectError(
                        f"{directory / folder} lies on another file system than {directory}, so that no "
                        "finished file can be moved there in one step; put the whole directory on one file "
                        "system, or give another directory"
                    )


def _check_file(directory: Path, file: str) -> None:
    place = place_inside(directory, file)
    try:
        mode = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISREG(mode):
        raise ProjectError(
            f"{directory / file} is no regular file; remove it, or give another directory"
        )


def _link_error(place: Path) -> PathError:
    return PathError(
        f"{place} is a symbolic link to {place.readlink()}; nothing is written through links inside a "
        "project directory. Remove the link, or give another directory"
    )
