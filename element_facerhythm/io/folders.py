"""Directories held open, so that exchanging one for a symbolic link meanwhile has no effect.

A name says where something lies now; an open directory stays the directory that it was. What is written or
deleted in a project goes by way of these: each folder is opened from the one above it, without following a
link, and files are renamed or deleted in the open folder.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from element_facerhythm.errors import ConfigurationError, PathError, ProjectChangedError

if not hasattr(os, "O_DIRECTORY"):
    raise ConfigurationError(
        f"projects are written through directories that are held open, which {sys.platform} does not "
        "offer; use Linux or macOS (on Windows: Linux in WSL)"
    )
_TO_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TO_PASS = _TO_READ | getattr(os, "O_PATH", 0)  # needs no right to list
_MAX_SMALL_FILE = 1 << 16
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)  # the last: a socket


class OpenDirectory:
    """A directory held open, with the folders below it; a context manager.

    Parameters
    ----------
    path
        The directory. Links on the way to it are followed, once, here.
    make
        Make it, and what lies above it, where it is missing.

    Attributes
    ----------
    path
        As it was given.
    real
        Without links.
    descriptor
        Of the open directory.

    Raises
    ------
    PathError
        It is no directory, or a part of its path was exchanged for a link at this moment.
    """

    def __init__(self, path: Path, *, make: bool = False) -> None:
        self.path = path
        self.real = path.resolve()
        try:
            self.descriptor = _open_below(None, self.real.parts, make=make)
        except (NotADirectoryError, FileNotFoundError) as error:
            why = "does not exist" if isinstance(error, FileNotFoundError) else "is not a directory"
            raise PathError(f"{path} {why}; expected a directory") from None

    def __enter__(self) -> OpenDirectory:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; further calls do nothing."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def change(self) -> str | None:
        """Return what became of the directory since it was opened; None where it is still in its place."""
        mine = os.fstat(self.descriptor)
        try:
            now = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return "was deleted or moved away"
        return None if os.path.samestat(mine, now) else "was replaced by another one"

    @contextmanager
    def folder(self, folder: Path, *, make: bool = False) -> Iterator[int]:
        """Descriptor of a folder that lies in this directory, or of the directory itself.

        Parameters
        ----------
        folder
            Its path, as one in `path` or `real`.
        make
            Make it where it is missing.

        Raises
        ------
        ProjectChangedError
            The directory is not in its place any more, or the folder is missing, a link or a file.
        """
        change = self.change()
        if change is not None:
            raise ProjectChangedError(
                f"{self.path} {change} while it was being written; nothing more was written"
            )
        try:
            descriptor = _open_below(self.descriptor, self.parts_of(folder), make=make)
        except (NotADirectoryError, FileNotFoundError) as error:
            missing = isinstance(error, FileNotFoundError)
            why = "was deleted" if missing else "became a symbolic link or a file"
            raise ProjectChangedError(
                f"{folder} {why} while {self.path} was being written; nothing was written there"
            ) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def holds(self, folder: Path) -> bool:
        """Whether a path is that of this directory or of something in it, by its name."""
        absolute = folder.absolute()
        return absolute.is_relative_to(self.path.absolute()) or absolute.is_relative_to(self.real)

    def parts_of(self, folder: Path) -> tuple[str, ...]:
        """Names of the folders from this directory to one in it."""
        absolute = folder.absolute()
        base = self.path.absolute()
        return absolute.relative_to(base if absolute.is_relative_to(base) else self.real).parts


def _open_below(start: int | None, parts: tuple[str, ...], *, make: bool) -> int:
    """Open a directory part by part, following no link; without `start`, `parts` begin with "/"."""
    current = os.open(parts[0], _TO_PASS) if start is None else os.dup(start)
    names = parts[1:] if start is None else parts
    try:
        for name in (*names, "."):
            if make and name != ".":
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=current)
            below = open_directory(name, current, _TO_READ if name == "." else _TO_PASS)
            os.close(current)
            current = below
    except BaseException:
        os.close(current)
        raise
    return current


def open_directory(name: str, above: int, flags: int = _TO_READ) -> int:
    """Open a directory in an open one, and return its descriptor.

    Parameters
    ----------
    name
        Of the directory; not followed where it is a link.
    above
        Descriptor of the directory that it lies in.
    flags
        For `os.open`; the default lets it be listed.

    Raises
    ------
    NotADirectoryError
        It is a file or a link.
    """
    try:
        return os.open(name, flags, dir_fd=above)
    except OSError as error:
        if (
            error.errno == errno.ELOOP
        ):  # some systems say so of a link, others that it is no directory
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name) from None
        raise


def mount_of(descriptor: int) -> tuple[int, int]:
    """Device and, where the system states it, number of the mount that an open directory lies on.

    Files can be renamed within one mount only; one device may be mounted in several places.
    """
    device = os.fstat(descriptor).st_dev
    try:
        text = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
    except OSError:
        return device, 0
    numbers = [line.split()[1] for line in text.splitlines() if line.startswith("mnt_id:")]
    return device, int(numbers[0]) if numbers else 0


def clear_directory(descriptor: int, names: Iterable[str] | None = None) -> None:
    """Delete entries of an open directory, with everything in them.

    Links are deleted and not followed; of what is mounted below it, nothing is deleted. Folders are moved up
    and emptied one by one, so that the depth of a tree does not matter.

    Parameters
    ----------
    descriptor
        The directory.
    names
        Which entries; None deletes all.

    Raises
    ------
    OSError
        Something could not be deleted; the rest was.
    """
    mount = mount_of(descriptor)
    waiting = [name for name, _ in _entries(descriptor)] if names is None else list(names)
    failures = []
    while waiting:
        try:
            _delete_or_flatten(waiting.pop(), descriptor, mount, waiting)
        except FileNotFoundError:  # another process was quicker
            continue
        except OSError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _delete_or_flatten(name: str, above: int, mount: tuple[int, int], waiting: list[str]) -> None:
    """Delete a file, link or folder; the folders in it move up beside it, and join those that wait."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=above)
        return
    inner = open_directory(name, above)
    try:
        if mount_of(inner) != mount:
            raise OSError(errno.EXDEV, "something is mounted here, and is left alone", name)
        for entry, is_folder in _entries(inner):
            if is_folder:
                new = uuid.uuid4().hex
                os.rename(entry, new, src_dir_fd=inner, dst_dir_fd=above)
                waiting.append(new)
            else:
                os.unlink(entry, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=above)


def _entries(descriptor: int) -> list[tuple[str, bool]]:
    """Names in an open directory, and whether each is a folder."""
    with os.scandir(descriptor) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]


def write_small(folder: int, name: str, text: str) -> None:
    """Write a short text into an open folder, whole or not at all; a link of that name is replaced.

    Parameters
    ----------
    folder
        Descriptor of the folder.
    name
        Of the file in it; a file of that name is replaced.
    text
        Written in UTF-8; `read_small` returns 64 KiB of it at most.
    """
    draft = f".{name}.{uuid.uuid4().hex[:8]}"
    descriptor = os.open(
        draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder
    )
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=folder)
        raise


def read_small(
    path: str | Path, *, folder: int | None = None, owner: int | None = None, end: bool = False
) -> str:
    """Beginning of a small text file; empty where there is none.

    Parameters
    ----------
    path
        The file; its last part is not followed where it is a link, and nothing but a file is read.
    folder
        Open folder that `path` is relative to.
    owner
        Number of the account that the file must belong to; None for any.
    end
        Read the end of a longer file, not its beginning.
    """
    try:
        # without blocking: there may be a pipe in its place
        descriptor = os.open(
            path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
        )
    except OSError as error:
        if error.errno in _NO_FILE:
            return ""
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or owner not in (None, status.st_uid):
        os.close(descriptor)
        return ""
    with os.fdopen(descriptor, "rb") as file:
        if end:
            file.seek(max(0, status.st_size - _MAX_SMALL_FILE))
        return file.read(_MAX_SMALL_FILE).decode("utf-8", errors="replace")
