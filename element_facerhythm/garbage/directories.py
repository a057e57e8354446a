"""Garbage in the processed directory: project directories and keypoints whose rows were deleted."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from element_facerhythm.errors import ProjectError
from element_facerhythm.garbage.references import References, check_database
from element_facerhythm.pipeline.lock import is_locked, project_lock
from element_facerhythm.pipeline.ownership import OWNER

RENAMED = ".facerhythm-gc-"


@dataclass(frozen=True)
class Directory:
    """A directory that a run made: its place, the size of its files, and when the last one changed."""

    path: Path
    size_bytes: int
    modified_s: float


@dataclass(frozen=True)
class DirectoryReport:
    """What was found in the processed directory, and what was removed; as `ObjectReport`."""

    processed_dir: Path
    n_directories: int
    n_referenced: int
    n_young: int
    n_locked: int
    orphans: tuple[Directory, ...]
    removed: tuple[Path, ...]


def collect_directories(
    processed_dir: Path,
    section: str,
    references: Callable[[], References],
    older_than_s: float,
    *,
    delete: bool,
    even_all: bool,
) -> DirectoryReport:
    """List directories that runs of this database made and no row refers to, and remove them if told to.

    Parameters
    ----------
    processed_dir
        Nothing outside of it is looked at.
    section
        Name of the schema; a directory that carries another one's mark as well is left alone.
    references
        Reads what rows refer to. It is called after the directories were listed, and again for each
        that is removed.
    older_than_s
        Age in seconds, by the clock of the file system, below which nothing is touched.
    delete, even_all
        As of `collect_objects`.

    Raises
    ------
    ConfigurationError
        Rows refer to none of the directories, which is what the wrong database looks like.
    """
    found = list(owned_directories(processed_dir, section))
    known = references()
    now = file_system_time(processed_dir) if found else 0.0
    loose = [item for item in found if not known.name(item.path)]
    old = [item for item in loose if now - item.modified_s >= older_than_s]
    orphans = [item for item in old if not is_locked(item.path)]
    n_referenced = len(found) - len(loose)
    if delete and orphans and not even_all:
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
        n_young=len(loose) - len(old),
        n_locked=len(old) - len(orphans),
        orphans=tuple(orphans),
        removed=tuple(removed),
    )


def owned_directories(processed_dir: Path, section: str) -> Iterator[Directory]:
    """Find the directories with the mark of this schema and of no other; links are not followed."""
    base = processed_dir.resolve()
    for place, names, files in os.walk(base):
        owners = {name.removeprefix(OWNER) for name in files if name.startswith(OWNER)}
        if not owners or Path(place) == base:
            continue
        names.clear()  # what lies in a project directory belongs to it
        if owners == {section}:
            yield measure(Path(place))


def measure(directory: Path) -> Directory:
    """Size of a directory's files, and the time when the last of them changed."""
    size, modified = 0, directory.stat().st_mtime
    for place, names, files in os.walk(directory):
        for name in (*names, *files):
            try:
                status = (Path(place) / name).lstat()
            except FileNotFoundError:  # a temporary file of a run that is under way
                continue
            size += status.st_size
            modified = max(modified, status.st_mtime)
    return Directory(directory, size, modified)


def file_system_time(directory: Path) -> float:
    """Return the time by the clock that stamps the files of a directory."""
    with tempfile.NamedTemporaryFile(dir=directory, prefix=RENAMED) as probe:
        return os.fstat(probe.fileno()).st_mtime


def remove_directory(
    item: Directory, references: Callable[[], References], older_than_s: float, processed_dir: Path
) -> bool:
    """Remove a directory if it is still old and without rows; whether it was removed.

    The lock is held meanwhile, so that no run begins in it; it gets another name first, so that none
    finds half of it.
    """
    try:
        with project_lock(item.path):
            now = file_system_time(processed_dir)
            unchanged = now - newest_product(item.path) >= older_than_s
            if not unchanged or references().name(item.path):
                return False
            grave = item.path.with_name(f"{RENAMED}{uuid.uuid4().hex}")
            item.path.rename(grave)
    except (ProjectError, FileNotFoundError):  # in use, or another collector was quicker
        return False
    shutil.rmtree(grave)
    return True


def newest_product(directory: Path) -> float:
    """Time of the newest file of a run; the lock that is held here does not count."""
    files = (*directory.glob("*.json"), *directory.glob("*.yaml"), *directory.rglob("*.h5"))
    return max((path.stat().st_mtime for path in files), default=0.0)
