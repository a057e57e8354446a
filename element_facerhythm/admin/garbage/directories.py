"""Garbage in the processed directory: project directories and keypoints whose rows were deleted."""

import logging
import os
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from element_facerhythm.admin.garbage.references import References, check_database
from element_facerhythm.errors import ProjectChangedError, RequestError
from element_facerhythm.io.folders import OpenDirectory, clear_directory, mount_of
from element_facerhythm.io.layout import CURATION_FILE
from element_facerhythm.pipeline.run.lock import LOCK_NAME, is_locked, project_lock
from element_facerhythm.pipeline.run.ownership import OWNER

logger = logging.getLogger(__name__)

RENAMED = ".facerhythm-gc-"


@dataclass(frozen=True)
class Directory:
    """A directory that a run made: its place, the size of its files, and when the last one changed."""

    path: Path
    size_bytes: int
    modified_s: float


@dataclass(frozen=True)
class DirectoryReport:
    """What was found in the processed directory, and what was removed; as `ObjectReport`.

    `curated` are directories without rows in which people keep a curation: these are left alone.
    """

    processed_dir: Path
    n_directories: int
    n_referenced: int
    n_young: int
    n_locked: int
    orphans: tuple[Directory, ...]
    removed: tuple[Path, ...]
    curated: tuple[Path, ...] = ()


def collect_directories(
    processed_dir: Path,
    section: str,
    references: Callable[[], References],
    older_than_s: float,
    *,
    delete: bool,
    allow_deleting_all: bool,
) -> DirectoryReport:
    """List directories that runs of this database made and no row refers to, and with `delete` remove them.

    Parameters
    ----------
    processed_dir
        Nothing outside of it is read.
    section
        Name of the schema; a directory that carries another one's mark as well is left alone.
    references
        Reads what rows refer to. It is called after the directories were listed, and again for each
        that is removed.
    older_than_s
        Age in seconds, by the clock of the file system, below which nothing is touched.
    delete, allow_deleting_all
        As of `collect_objects`.

    Raises
    ------
    ConfigurationError
        Rows refer to none of the directories, as in the wrong database.
    """
    found = list(owned_directories(processed_dir, section))
    known = references()
    now = file_system_time(processed_dir) if found else 0.0
    unreferenced = [item for item in found if not known.name(item.path)]
    old = [item for item in unreferenced if now - item.modified_s >= older_than_s]
    free = [item for item in old if item.path.is_dir() and not is_locked(item.path)]
    orphans = [item for item in free if not is_curated(item.path)]
    n_referenced = len(found) - len(unreferenced)
    if delete and orphans and not allow_deleting_all:
        check_database(
            n_referenced, f"{len(found)} project directories of {section} in {processed_dir}"
        )
    removed = [
        item.path
        for item in orphans
        if delete and remove_directory(item, references, older_than_s, processed_dir)
    ]
    return DirectoryReport(
        processed_dir,
        n_directories=len(found),
        n_referenced=n_referenced,
        n_young=len(unreferenced) - len(old),
        n_locked=len(old) - len(free),
        orphans=tuple(orphans),
        removed=tuple(removed),
        curated=tuple(item.path for item in free if item not in orphans),
    )


def owned_directories(processed_dir: Path, section: str) -> Iterator[Directory]:
    """Find the directories with the mark of this schema and of no other; links are not followed.

    A mark is a file: a link of that name does not count.

    Parameters
    ----------
    processed_dir
        Where they are looked for, at any depth; itself it is never one.
    section
        Name of the schema.
    """
    base = processed_dir.resolve()
    waiting = [base]
    while waiting:
        place = waiting.pop()
        entries = list_directory(place)
        owners = {e.name.removeprefix(OWNER): e for e in entries if e.name.startswith(OWNER)}
        if not owners or place == base:
            waiting += [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)]
        elif set(owners) == {section} and owners[section].is_file(follow_symlinks=False):
            yield measure(place)


def is_curated(directory: Path) -> bool:
    """Return whether a curation lies in a directory: what people decided is no garbage."""
    return (directory / CURATION_FILE).exists()


def list_directory(directory: Path) -> list[os.DirEntry[str]]:
    """Entries of a directory in the order of their names; none where it is gone or cannot be read."""
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:  # its run removed it, or its path is too long
        return []


def measure(directory: Path) -> Directory:
    """Size of a directory's files, and the time when the last of them changed."""
    size, modified = 0, directory.stat().st_mtime
    for _, status in files_below(directory):
        size += status.st_size
        modified = max(modified, status.st_mtime)
    return Directory(directory, size, modified)


def files_below(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield everything below a directory with its state; links are not followed."""
    waiting = [directory]
    while waiting:
        for entry in list_directory(waiting.pop()):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # a temporary file of a run that is under way
                continue
            yield Path(entry.path), status
            if stat.S_ISDIR(status.st_mode):
                waiting.append(Path(entry.path))


def file_system_time(directory: Path) -> float:
    """Return the time by the clock that stamps the files of a directory."""
    with tempfile.NamedTemporaryFile(dir=directory, prefix=RENAMED) as probe:
        return os.fstat(probe.fileno()).st_mtime


def remove_directory(
    item: Directory, references: Callable[[], References], older_than_s: float, processed_dir: Path
) -> bool:
    """Remove a directory if it is still old and without rows; return whether it was removed.

    The lock is held until it has another name, so that no run begins in it and none finds a part of it. It
    is renamed and emptied through open directories, so that nothing outside of it is removed where a
    directory is replaced by a link meanwhile.

    Parameters
    ----------
    item
        The directory, as of `owned_directories`.
    references
        Reads what rows refer to; called once the lock is held.
    older_than_s
        Age in seconds of its newest product, by the clock of the file system, below which it stays.
    processed_dir
        The directory that it lies in.

    Raises
    ------
    OSError
        Something in it could not be deleted; it is still there, under its new name.
    """
    with ExitStack() as held:
        try:
            root = held.enter_context(OpenDirectory(processed_dir))
            above = held.enter_context(root.folder(item.path.parent))
            with project_lock(item.path) as lock:
                now = file_system_time(processed_dir)
                unchanged = now - newest_product(item.path) >= older_than_s
                is_kept = is_curated(item.path) or references().name(item.path)
                if not unchanged or is_kept or holds_mount(lock.root):
                    return False
                trash = os.dup(lock.root.descriptor)
                held.callback(os.close, trash)
                name = f"{RENAMED}{uuid.uuid4().hex}"
                os.rename(item.path.name, name, src_dir_fd=above, dst_dir_fd=above)
        except (RequestError, ProjectChangedError, FileNotFoundError):
            return False  # in use, or removed by another collector
        renamed = os.stat(name, dir_fd=above, follow_symlinks=False)
        if os.path.samestat(renamed, os.fstat(trash)):  # else another process has replaced it
            clear_directory(trash)
            os.rmdir(name, dir_fd=above)
    return True


def holds_mount(root: OpenDirectory) -> bool:
    """Return whether something is mounted below a directory: that is never deleted."""
    mount = mount_of(root.descriptor)
    folders = (path for path, status in files_below(root.path) if stat.S_ISDIR(status.st_mode))
    for folder in folders:
        with root.folder(folder) as descriptor:
            if mount_of(descriptor) != mount:
                logger.warning("%s is not removed: something is mounted on %s", root.path, folder)
                return True
    return False


def newest_product(directory: Path) -> float:
    """Time of the newest file of a run, without the lock that is held here."""
    lock = directory / LOCK_NAME
    times = (
        status.st_mtime
        for path, status in files_below(directory)
        if path.suffix in (".json", ".yaml", ".h5") and not path.is_relative_to(lock)
    )
    return max(times, default=0.0)
