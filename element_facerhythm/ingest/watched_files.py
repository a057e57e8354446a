"""Files below a watched directory: which a pattern names, and whether they are still being written."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from element_facerhythm.errors import RequestError
from element_facerhythm.files.path_pattern import PathPattern
from element_facerhythm.files.regular import Signature, signature_of

TEMPORARY_ENDINGS = (
    "~", ".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".download", ".swp",
)  # fmt: skip
TEMPORARY_BEGINNINGS = (".", "~", "#")
_S_TO_NS = 1_000_000_000


@dataclass(frozen=True)
class WatchedFile:
    """A file that the pattern names: its path, and the texts of the pattern's fields."""

    path: Path
    texts: dict[str, str]


def matching_files(
    directory: Path, pattern: PathPattern, on_fault: Callable[[Path, str], None]
) -> Iterator[WatchedFile]:
    """Files below a directory that a pattern names; only names and kinds are read.

    Symbolic links, hidden files and those with the names that programs give to unfinished files
    (`TEMPORARY_ENDINGS`) are left out; nothing is opened.

    Parameters
    ----------
    directory
        Where to look.
    pattern
        Which files.
    on_fault
        Called with the path of a directory that cannot be read, or of a file that the pattern reads in
        several ways, and the reason.
    """
    yield from _below(directory, (), pattern, on_fault)


def _below(
    directory: Path,
    parts: tuple[str, ...],
    pattern: PathPattern,
    on_fault: Callable[[Path, str], None],
) -> Iterator[WatchedFile]:
    try:
        with os.scandir(directory) as entries:
            found = [
                (
                    entry.name,
                    entry.is_dir(follow_symlinks=False),
                    entry.is_file(follow_symlinks=False),
                )
                for entry in entries
                if not is_temporary(entry.name)
            ]
    except OSError as error:
        on_fault(directory, f"cannot be read: {error.strerror}")
        return
    for name, is_directory, is_file in sorted(found):
        inside = (*parts, name)
        if is_directory and pattern.leads_on(inside):
            yield from _below(directory / name, inside, pattern, on_fault)
        elif is_file:
            try:
                texts = pattern.match("/".join(inside))
            except RequestError as error:
                on_fault(directory / name, str(error))
                continue
            if texts is not None:
                yield WatchedFile(directory / name, texts)


def is_temporary(name: str) -> bool:
    """Whether a name is hidden, or one that programs give to unfinished files."""
    return name.startswith(TEMPORARY_BEGINNINGS) or name.lower().endswith(TEMPORARY_ENDINGS)


class UnchangedFiles:
    """Determines which files have not changed for some time.

    Either by the file's own times of its last change, which also serve the first poll, or by this machine's
    clock since the file was first seen with these times, as the clock of a file server may differ.

    Parameters
    ----------
    unchanged_s
        Seconds without a change.
    """

    def __init__(self, unchanged_s: float) -> None:
        self._unchanged_ns = unchanged_s * _S_TO_NS
        self._seen: dict[Path, tuple[Signature, int]] = {}

    def is_unchanged(self, path: Path) -> bool:
        """Whether a file has not changed for so long; False where it is gone."""
        try:
            now = signature_of(path)
        except OSError:
            self._seen.pop(path, None)
            return False
        signature, since_ns = self._seen.get(path, (None, 0))
        if signature != now:
            since_ns = time.monotonic_ns()
            self._seen[path] = now, since_ns
        # a copy that keeps the time of modification (`cp -p`, `rsync -t`) still sets ctime
        age_ns = time.time_ns() - max(now.modified_ns, now.changed_ns)
        seen_ns = time.monotonic_ns() - since_ns
        return max(age_ns, seen_ns) >= self._unchanged_ns

    def forget(self, path: Path) -> None:
        """Forget a file."""
        self._seen.pop(path, None)
