"""Files that appear whole or not at all, in a directory that other processes may change meanwhile."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from element_facerhythm.errors import ProjectChangedError
from element_facerhythm.files.names import short_name
from element_facerhythm.io.folders import OpenDirectory

TEMPORARY_SUFFIX = ".part"
_staging: ContextVar[Staging | None] = ContextVar("facerhythm_staging", default=None)


@dataclass(frozen=True)
class Staging:
    """How files get into a directory that others may change meanwhile.

    Attributes
    ----------
    root
        The directory, held open.
    temporary
        Where temporary files are kept, on the same file system; None for beside the file.
    """

    root: OpenDirectory
    temporary: Path | None = None


@contextmanager
def staging_in(staging: Staging) -> Iterator[None]:
    """Make `atomic_path` and `remove_leftovers` act inside an open directory, through no link."""
    token = _staging.set(staging)
    try:
        yield
    finally:
        _staging.reset(token)


@contextmanager
def writing_inside(directory: Path) -> Iterator[OpenDirectory]:
    """Hold a directory open and keep what `atomic_path` writes inside it, whatever becomes a link."""
    with OpenDirectory(directory) as root, staging_in(Staging(root)):
        yield root


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` (or where `staging_in` says); in the end it becomes `path`.

    The content is flushed to the disk before the rename. When the block raises, the temporary
    file is removed and `path` is as it was.

    Raises
    ------
    ProjectChangedError
        The directory that `staging_in` named was deleted or replaced, or a folder in it exchanged.
    """
    staging = _staging.get()
    beside = staging.temporary if staging and staging.temporary else path.parent
    temporary = beside / short_name(f".{path.name}", f".{uuid.uuid4().hex[:8]}{TEMPORARY_SUFFIX}")
    try:
        yield temporary
        with _open_folder(path.parent) as folder:
            _flush(temporary)
            publish(temporary, path, folder)
    finally:
        temporary.unlink(missing_ok=True)


def publish(temporary: Path, path: Path, folder: int) -> None:
    """Rename a finished temporary file; a file or link of that name is replaced.

    Parameters
    ----------
    temporary
        The file, flushed to the disk.
    path
        What it becomes.
    folder
        Descriptor of the folder of `path`.

    Raises
    ------
    ProjectChangedError
        The two lie on different file systems.
    """
    try:
        os.rename(temporary, path.name, dst_dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        raise ProjectChangedError(
            f"{path.parent} lies on another file system than {temporary.parent}, so that no finished file "
            "can be moved there in one step; put the whole directory on one file system"
        ) from error
    os.fsync(folder)


def remove_leftovers(directory: Path) -> tuple[Path, ...]:
    """Delete the temporary files that a killed run left in `directory`; return their paths."""
    with _open_folder(directory) as folder:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.name.startswith(".")
                and entry.name.endswith(TEMPORARY_SUFFIX)
                and not entry.is_dir(follow_symlinks=False)
            )
        for name in names:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
    return tuple(directory / name for name in names)


@contextmanager
def _open_folder(folder: Path) -> Iterator[int]:
    """Descriptor of a folder; inside the directory of `staging_in`, it is reached through no link."""
    staging = _staging.get()
    if staging is not None and staging.root.holds(folder):
        with staging.root.folder(folder) as descriptor:
            yield descriptor
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _flush(path: Path) -> None:
    """Flush a file to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
