"""One run at a time in a project directory, on any file system that renames atomically.

The lock is one directory below `.facerhythm.run/` that is never copied, only renamed: `free` while there is
no run, `held-<token>` during one. The process that renames it owns it; only one of several processes succeeds
in a rename, so no two runs ever own it. A run keeps the temporary files of everything it writes inside that
directory and publishes them by a rename out of it. When the lock is taken away from a run that seemed dead
(killed, frozen, cut off from the file system) and that run continues after all, its temporary files are no
longer under their old names: each of its renames fails, and it can replace nothing. Safety depends on that
alone; the lease only sets how long other processes wait.

A holder writes a counter every `BEAT_S` seconds. Another process compares successive values of it, and times
them by its own clock: clocks of two machines are never compared.
"""

from __future__ import annotations

import json
import os
import re
import stat
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from element_facerhythm.errors import (
    FaceRhythmError,
    ProjectBusyError,
    ProjectChangedError,
    ProjectError,
    ProjectLostError,
)
from element_facerhythm.files.names import short_name
from element_facerhythm.io.atomic import Staging, staging_in
from element_facerhythm.io.folders import (
    OpenDirectory,
    clear_directory,
    open_directory,
    read_small,
    write_small,
)
from element_facerhythm.pipeline.run.owner import owner_is_gone, this_owner

LOCK_NAME = ".facerhythm.run"
LEASE_VARIABLE = "FACERHYTHM_LOCK_LEASE"
DEFAULT_LEASE_S = 30.0
BEATS_PER_LEASE = 15
_LOOKS_PER_BEAT = 10
_FREE, _HELD = "free", "held-"
_OWNER_FILE, _BEAT_FILE = "owner.json", "beat"
_HOST_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")


def lease_s() -> float:
    """Seconds without a heartbeat after which a lock is taken over."""
    return float(os.environ.get(LEASE_VARIABLE, DEFAULT_LEASE_S))


class ProjectLock:
    """A lock to hold; see `project_lock`.

    Parameters
    ----------
    root
        The project directory, held open.
    token
        Name of this holder, different for every run.
    """

    def __init__(self, root: OpenDirectory, token: str) -> None:
        self.root = root
        self.base = root.path / LOCK_NAME
        self.name = f"{_HELD}{token}"
        self.place = self.base / self.name

    @property
    def lost(self) -> bool:
        """Whether this holder no longer has the lock, for any reason."""
        if self.root.change() is not None:
            return True
        try:
            status = os.stat(
                self._within(self.name), dir_fd=self.root.descriptor, follow_symlinks=False
            )
        except (FileNotFoundError, NotADirectoryError):
            return True
        return not stat.S_ISDIR(status.st_mode)

    def withdraw(self, path: Path) -> None:
        """Remove a file or directory of the project; nothing happens where there is none.

        It is moved into the lock first, which fails once the lock is lost.

        Raises
        ------
        FileNotFoundError
            The lock was lost.
        ProjectChangedError
            The directory was deleted or replaced, or the folder of `path` exchanged.
        """
        away = short_name(path.name, f".{uuid.uuid4().hex[:8]}")
        within = self._within(self.name, away)
        with self.root.folder(path.parent) as folder:
            try:
                os.rename(path.name, within, src_dir_fd=folder, dst_dir_fd=self.root.descriptor)
            except FileNotFoundError:
                if self.lost:
                    raise
                return
        # nothing else of the lock: the product that replaces this one is being written in it
        self.empty(away)

    def empty(self, *names: str) -> None:
        """Delete what lies in the lock under these names; without names, also what a killed run left."""
        # what cannot be deleted now is tried again by the next holder
        with suppress(OSError, ProjectChangedError), self.root.folder(self.place) as place:
            clear_directory(place, names or None)

    def write(self, name: str, text: str) -> None:
        """Write a short text into the held lock.

        Parameters
        ----------
        name
            Name of the file in it; one that is there is replaced.
        text
            Its content.

        Raises
        ------
        ProjectChangedError
            The directory was deleted or replaced, or the lock was lost.
        """
        with self.root.folder(self.place) as place:
            write_small(place, name, text)

    def take(self, name: str) -> bool:
        """Rename the lock from `name` to this holder's; False where another one was faster."""
        here = self.root.descriptor
        try:
            os.rename(self._within(name), self._within(self.name), src_dir_fd=here, dst_dir_fd=here)
        except FileNotFoundError:
            # over NFS, a rename that succeeded and was sent again ends in this error, too
            if self.lost:
                return False
        self.empty()
        try:
            self.write(_BEAT_FILE, "0")
            self.write(_OWNER_FILE, json.dumps(this_owner()))
        except ProjectChangedError:
            if self.root.change() is None and self.lost:
                return False
            raise
        return True

    def release(self) -> None:
        """Release the lock, unless it was lost."""
        if self.lost:
            return
        self.empty()
        here = self.root.descriptor
        with suppress(OSError):  # just lost; otherwise its heartbeats end, and others take it
            os.rename(
                self._within(self.name), self._within(_FREE), src_dir_fd=here, dst_dir_fd=here
            )

    def why_lost(self) -> FaceRhythmError:
        """Return an error that says what happened to the lock."""
        directory, change = self.root.path, self.root.change()
        if change is not None:
            return ProjectChangedError(
                f"{directory} {change} during the run; what this run had not published is lost. Run again, "
                "once no other process moves or deletes the directory"
            )
        if not _is_directory(self.root):
            return ProjectChangedError(
                f"{self.base} was deleted or replaced during the run, and with it the lock of {directory}; "
                "this run published nothing since. Run again, and leave that directory alone meanwhile"
            )
        return ProjectLostError(
            f"{directory} was taken over by another run, because this one gave no heartbeat for "
            f"{lease_s():.0f} s; it published nothing since. Leave the directory to the other run"
        )

    def _within(self, *names: str) -> str:
        """Path of something in the lock, relative to the project directory."""
        return os.path.join(LOCK_NAME, *names)  # noqa: PTH118  of an open directory


@contextmanager
def project_lock(project_dir: Path) -> Iterator[ProjectLock]:
    """Hold the lock of a project directory; what `io.atomic.atomic_path` writes meanwhile goes through it.

    The lock of a process of this machine that is gone is taken over at once, any other one when it gave no
    heartbeat for `lease_s()` seconds.

    Raises
    ------
    ProjectBusyError
        Another run holds it and is alive.
    ProjectError
        The place of the lock holds something else.
    ProjectLostError
        Another run took it over meanwhile; what was not published by then is not, and never will be.
    ProjectChangedError
        The directory, or the lock in it, was deleted or replaced meanwhile.
    """
    with OpenDirectory(project_dir) as root:
        lock = ProjectLock(root, uuid.uuid4().hex[:12])
        try:
            _provide(root)
            _acquire(lock, lease_s())
        except PermissionError as error:
            raise ProjectError(
                f"the lock {lock.base} cannot be taken ({error.strerror}): it belongs to another account. "
                "Give another directory, or have its owner give you the right to write"
            ) from None
        over = threading.Event()
        keeper = threading.Thread(target=_keep, args=(lock, over, lease_s()), daemon=True)
        keeper.start()
        try:
            with staging_in(Staging(root, lock.place)):
                yield lock
        except Exception as error:
            if lock.lost:
                raise lock.why_lost() from error
            raise
        finally:
            over.set()
            keeper.join()
            lock.release()


def is_locked(project_dir: Path) -> bool:
    """Whether a run seems to hold the lock of a project directory; to be sure, take it.

    A holder of another machine that gave no heartbeat for ten leases, by the clock of this one, counts as
    gone. Where the place of the lock holds something else, no run can take it: that counts as held.
    """
    with OpenDirectory(project_dir) as root:
        try:
            name = _present(root)
        except ProjectError:
            return True
        if name is None or name == _FREE:
            return False
        within = f"{LOCK_NAME}/{name}"
        try:
            beat = os.stat(f"{within}/{_BEAT_FILE}", dir_fd=root.descriptor, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):  # just taken or released
            return True
        silent_s = time.time() - beat.st_mtime
        return silent_s < 10 * lease_s() and not owner_is_gone(_read(root, name, _OWNER_FILE))


def require_lock_place(project_dir: Path) -> None:
    """Raise ProjectError where something else than a lock lies in its place; writes nothing."""
    if project_dir.is_dir():
        with OpenDirectory(project_dir) as root:
            _present(root)


def _provide(root: OpenDirectory) -> None:
    """Make the lock where there is none, with everything in it; an existing one is left alone."""
    if _present(root) is not None:
        return
    here, draft = root.descriptor, f"{LOCK_NAME}.{uuid.uuid4().hex[:8]}"
    os.mkdir(draft, dir_fd=here)
    os.mkdir(f"{draft}/{_FREE}", dir_fd=here)
    try:
        os.rename(draft, LOCK_NAME, src_dir_fd=here, dst_dir_fd=here)  # not over one that is in use
    except OSError:
        os.rmdir(f"{draft}/{_FREE}", dir_fd=here)
        os.rmdir(draft, dir_fd=here)
        if not _is_directory(root):
            raise


def _is_directory(root: OpenDirectory) -> bool:
    """Whether the place of the lock holds a directory."""
    try:
        status = os.stat(LOCK_NAME, dir_fd=root.descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode)


def _present(root: OpenDirectory) -> str | None:
    """Name of the one directory in the lock; None where there is none, or it was just being renamed.

    Raises
    ------
    ProjectError
        A file or a link lies in the place of the lock, or of the directory in it.
    """
    try:
        descriptor = open_directory(LOCK_NAME, root.descriptor)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise ProjectError(
            f"{root.path / LOCK_NAME} is a file or a symbolic link; expected the directory by which runs "
            "lock the project. Remove it, or give another directory"
        ) from None
    try:
        with os.scandir(descriptor) as entries:
            names = [e.name for e in entries if e.name == _FREE or e.name.startswith(_HELD)]
        if not names:
            return None
        status = os.stat(names[0], dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:  # just renamed
        return None
    finally:
        os.close(descriptor)
    if not stat.S_ISDIR(status.st_mode):
        raise ProjectError(
            f"{root.path / LOCK_NAME / names[0]} is a file or a symbolic link; expected the directory that a "
            "run renames to itself. Remove it, or give another directory"
        )
    return names[0]


def _acquire(lock: ProjectLock, patience_s: float) -> None:
    """Rename the directory of the lock to this holder's name, once no other live process holds it."""
    seen: tuple[str | None, str] | None = None
    since = time.monotonic()
    while True:
        name = _present(lock.root)
        if name == _FREE:
            if lock.take(name):
                return
            continue
        owner = _read(lock.root, str(name), _OWNER_FILE)
        if name is not None and owner_is_gone(owner) and lock.take(name):
            return
        state = (name, _read(lock.root, str(name), _BEAT_FILE))
        if seen is not None and state[0] == seen[0] and state != seen and state[1]:
            raise ProjectBusyError(
                f"another run is writing {lock.root.path} ({_describe(owner)}); wait for it, or give "
                "another directory"
            )
        if state != seen:
            seen, since = state, time.monotonic()
        elif time.monotonic() - since > patience_s:
            if name is None:
                raise ProjectBusyError(
                    f"{lock.base} is damaged; delete it when no run is under way"
                )
            if lock.take(name):
                return
        time.sleep(patience_s / BEATS_PER_LEASE / _LOOKS_PER_BEAT)


def _keep(lock: ProjectLock, over: threading.Event, patience_s: float) -> None:
    """Write heartbeats of this holder, until it is done or the lock is lost."""
    for beat in count(1):
        if over.wait(patience_s / BEATS_PER_LEASE) or lock.lost:
            return
        # a full disk is no reason to stop: the next heartbeat may succeed
        with suppress(OSError, ProjectChangedError):
            lock.write(_BEAT_FILE, str(beat))


def _read(root: OpenDirectory, *names: str) -> str:
    """Content of a small file of the lock; empty where it is not there."""
    return read_small("/".join((LOCK_NAME, *names)), folder=root.descriptor)


def _describe(owner: str) -> str:
    try:
        about = json.loads(owner)
        pid, node = int(about["pid"]), str(about["node"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return "its owner is not known"
    # nothing but a valid name is quoted of a file that any account may have put there
    return f"process {pid} on {node}" if _HOST_NAME.fullmatch(node) else f"process {pid}"
