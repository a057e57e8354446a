"""The place that one input is tried in, and a watch over everything around it.

A place holds `root`, where the input lies and where reading is allowed, and beside it `canary`: files that
nothing but a path in a hostile input leads to. The kernel reports each opening of a canary (inotify), a
listener each connection to the address that inputs name, and what was left in the home, temporary and
current directory is found afterwards.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

TOKEN = "canary-7c1e5f"
"""Stands in every canary; no message may hold it."""

MARKER = "quoted-b93d20"
"""Stands in values of project files, which nobody named on a command line; no message may hold it."""

_IN_ACCESS, _IN_MODIFY, _IN_ATTRIB, _IN_OPEN = 0x1, 0x2, 0x4, 0x20
_IN_MOVED, _IN_CREATE, _IN_DELETE, _IN_ISDIR = 0xC0, 0x100, 0x200, 0x40000000
_WATCHED = _IN_ACCESS | _IN_MODIFY | _IN_ATTRIB | _IN_OPEN | _IN_MOVED | _IN_CREATE | _IN_DELETE
_EVENT = struct.Struct("iIII")
_VERBS = {
    _IN_OPEN: "opened",
    _IN_ACCESS: "read",
    _IN_MODIFY: "changed",
    _IN_ATTRIB: "changed",
    _IN_CREATE: "created",
    _IN_DELETE: "deleted",
}


class Surroundings:
    """One place, made new under `base`; closed by `close`.

    Attributes
    ----------
    root
        Directory of the input, the only one that it may lead to.
    canary
        Directory that nothing may touch.
    url
        Address that nothing may connect to.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root, self.canary = base / "root", base / "canary"
        self._left = [base / name for name in ("home", "tmp", "cwd")]
        for directory in (self.root, self.canary, *self._left):
            directory.mkdir(parents=True)
        self.log = base / "log"
        write_canaries(self.canary)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/of-an-input"
        self._watch = _Watch([self.canary, *(p for p in self.canary.rglob("*") if p.is_dir())])

    def enter(self) -> None:
        """Make the calling process, a child, live here."""
        home, tmp, cwd = self._left
        os.environ.update(HOME=str(home), TMPDIR=str(tmp), MPLCONFIGDIR=str(self.base / "mpl"))
        os.chdir(cwd)

    def clear(self) -> None:
        """Empty everything but the canaries."""
        for directory in (self.root, *self._left):
            for entry in directory.iterdir():
                remove(entry)

    def forget(self) -> None:
        """Forget what was touched up to now, by those who made the input."""
        list(self._touched())

    def touched(self) -> tuple[str, ...]:
        """Sentences about what was touched or left outside `root` since `forget`."""
        left = [
            f"{directory.name}/{entry.name} was left behind"
            for directory in self._left
            for entry in directory.iterdir()
        ]
        return tuple(dict.fromkeys([*self._touched(), *left]))

    def close(self) -> None:
        """End the watch and remove the place."""
        self._watch.close()
        self._listener.close()
        shutil.rmtree(self.base, ignore_errors=True)

    def _touched(self) -> Iterator[str]:
        yield from self._watch.events()
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            connection.close()
            yield "an address in the input was connected to"


class _Watch:
    """Openings and changes of the files of some directories, as the kernel reports them."""

    def __init__(self, directories: list[Path]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._names = {
            libc.inotify_add_watch(self._descriptor, os.fsencode(d), _WATCHED): d.name
            for d in directories
        }
        if self._descriptor < 0 or -1 in self._names:
            raise OSError(ctypes.get_errno(), "inotify cannot watch the canaries")

    def events(self) -> Iterator[str]:
        while True:
            try:
                data = os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                return
            start = 0
            while start < len(data):
                number, mask, _, length = _EVENT.unpack_from(data, start)
                start += _EVENT.size + length
                name = data[start - length : start].rstrip(b"\0").decode()
                verb = next((verb for bit, verb in _VERBS.items() if mask & bit), "moved")
                yield f"{self._names.get(number)}/{name} was {verb}"

    def close(self) -> None:
        os.close(self._descriptor)


def write_canaries(directory: Path) -> None:
    """Write one file of each kind that an input may lead to, all with `TOKEN` in them."""
    (directory / "secret").write_text(f"{TOKEN}: [unclosed\n{TOKEN}\n" * 64)
    (directory / "secret.json").write_text(f'{{"{TOKEN}": 1}}')
    (directory / "secret.yaml").write_text(f"{TOKEN}: 1\n")
    (directory / "secret.ts").write_bytes((b"\x47" + TOKEN.encode().ljust(187, b"\0")) * 20)
    with h5py.File(directory / "secret.h5", "w") as file:
        file["numbers"] = np.arange(777.0, 877.0)
        file[TOKEN] = 1
    (directory / "victim").mkdir()
    for name in ("PointTracker.h5", "TCA.h5", ".old.part", "config.yaml"):
        (directory / "victim" / name).write_text(TOKEN)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole directory."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def fingerprint(path: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Names, inodes, sizes and modification times of a file or of all below a directory."""
    found = [path, *path.rglob("*")] if path.is_dir() else [path]
    states = [(str(p), p.lstat()) for p in found]
    return tuple(sorted((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in states))
