"""Regular files: opened without blocking, and checked for changes by their signatures."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from element_facerhythm.errors import PathError

T = TypeVar("T")

_S_TO_NS = 1_000_000_000
# Kernels stamp changes with the time of their last clock tick (1 to 10 ms), some file systems with whole
# seconds, FAT with every second one. Two changes within that time can bear the same stamp.
_TICK_NS = 50_000_000
_COARSE_TICK_NS = 2 * _S_TO_NS

_KINDS = (
    (stat.S_ISDIR, "directory"),
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


class Signature(NamedTuple):
    """What the file system says of a file; any change of its content changes it.

    `changed_ns` (ctime) cannot be set by a program, which `modified_ns` can (`cp -p`, `rsync -t`).
    """

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int

    def detects_changes_after(self, now_ns: int) -> bool:
        """Whether every change after `now_ns` gives another signature.

        Not right after a change: the next one may fall into the same tick of the clock.
        """
        coarse = self.changed_ns % _S_TO_NS == 0
        return now_ns - self.changed_ns > (_COARSE_TICK_NS if coarse else _TICK_NS)


NO_SIGNATURE = Signature(0, 0, 0, 0, 0)


def signature_of(file: Path | int) -> Signature:
    """Signature of a path, or of an opened descriptor; OSError where there is no such file."""
    status = os.stat(file)  # noqa: PTH116 - takes descriptors, too
    return Signature(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


def signature_of_all(paths: Sequence[Path]) -> Signature:
    """Signature of several files together, their names and order included; OSError where one is missing."""
    digest, sizes, changed = hashlib.sha256(), 0, 0
    for path in paths:
        one = signature_of(path)
        digest.update(f"{path.name!r} {tuple(one)}\n".encode())
        sizes, changed = sizes + one.size_bytes, max(changed, one.changed_ns)
    number = int.from_bytes(digest.digest()[:8], "big") >> 1
    return Signature(0, len(paths), sizes, number, changed)


def kind_of(mode: int) -> str:
    """Word for what a mode of `stat` belongs to: `regular file`, `directory`, `named pipe`, ..."""
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "regular file")


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; what is none is not opened, so that nothing can block.

    Raises
    ------
    PathError
        The path is a directory, a device, a named pipe or a socket.
    OSError
        It does not exist or may not be read.
    """
    _require_regular(path, path.stat().st_mode)
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - Path.open takes no opener
    try:
        _require_regular(path, os.fstat(file.fileno()).st_mode)  # it may have been exchanged since
    except PathError:
        file.close()
        raise
    return file


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a named pipe without a writer would block


def _require_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise PathError(f"{path} is a {kind_of(mode)}; expected a regular file")


class FileMemory(Generic[T]):
    """What was computed from contents of files, remembered for as long as the files do not change.

    Parameters
    ----------
    max_entries
        The values used last are kept.
    """

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, path: Path, compute: Callable[[BufferedReader], T]) -> T:
        """Value of a file: remembered, or what `compute` makes of the opened file.

        The signature is taken of the opened file, before and after; a value is remembered if the two
        are equal and the last change is older than the file system's clock is coarse.

        Parameters
        ----------
        path
            The file; under another name, its value is computed again.
        compute
            Called with the file, opened at its beginning; what it raises is passed on, and not remembered.

        Raises
        ------
        PathError, OSError
            See `open_regular`.
        """
        now_ns = time.time_ns()
        with open_regular(path) as file:
            before = signature_of(file.fileno())
            # the name counts, too: ffmpeg chooses its demuxer by it where contents leave it open
            key = (path.name, before)
            with self._lock:
                if key in self._values:
                    self._values.move_to_end(key)
                    return self._values[key]
            value = compute(file)
            if signature_of(file.fileno()) == before and before.detects_changes_after(now_ns):
                self._remember(key, value)
        return value

    def recall_all(self, paths: Sequence[Path], compute: Callable[[], T]) -> T:
        """Value of several files together: remembered, or what `compute` makes of them.

        It is remembered as by `recall`.

        Parameters
        ----------
        paths
            The files; their order counts.
        compute
            Opens the files itself.

        Raises
        ------
        OSError
            One is missing.
        """
        now_ns = time.time_ns()
        before = signature_of_all(paths)
        key = (paths[0].parent if paths else None, before)
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = compute()
        if signature_of_all(paths) == before and before.detects_changes_after(now_ns):
            self._remember(key, value)
        return value

    def _remember(self, key: Hashable, value: T) -> None:
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._max_entries:
                self._values.popitem(last=False)
