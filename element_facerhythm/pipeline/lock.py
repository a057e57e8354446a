"""One run at a time in a project directory, on any file system that renames atomically.

The lock is one directory below `.facerhythm.run/` that is never copied, only renamed: `free` while nobody
runs, `held-<token>` while a run does. Whoever renames it owns it; a rename has one winner, so no two runs
ever do. A run keeps the temporary files of everything it writes inside that directory and publishes them
by a rename out of it. When the lock is taken away from a run that seemed dead (killed, frozen, cut off from
the file system) and that run goes on after all, its temporary files are not under their old names any more:
each of its renames fails, and it can replace nothing. Safety rests on that; time decides only how long
others wait.

A holder writes a counter every `BEAT_S` seconds. Others compare what they read with what they read
before, by a clock of their own: no clocks of two machines are ever compared.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from element_facerhythm.errors import ProjectBusyError, ProjectLostError
from element_facerhythm.io.h5 import staging_in
from element_facerhythm.pipeline.owner import owner_is_gone, this_owner

LOCK_NAME = ".facerhythm.run"
LEASE_VARIABLE = "FACERHYTHM_LOCK_LEASE"
DEFAULT_LEASE_S = 30.0
BEATS_PER_LEASE = 15
_LOOKS_PER_BEAT = 10
_FREE, _HELD = "free", "held-"
_OWNER_FILE, _BEAT_FILE = "owner.json", "beat"


def lease_s() -> float:
    """Seconds without a sign of life after which a lock is taken over."""
    return float(os.environ.get(LEASE_VARIABLE, DEFAULT_LEASE_S))


class ProjectLock:
    """A held lock; see `project_lock`.

    Parameters
    ----------
    base
        The directory of the lock.
    token
        Name of this holder, different for every run.
    """

    def __init__(self, base: Path, token: str) -> None:
        self.base = base
        self.place = base / f"{_HELD}{token}"

    @property
    def lost(self) -> bool:
        """Whether another run took the lock over."""
        return not self.place.is_dir()

    def withdraw(self, path: Path) -> None:
        """Remove a file or directory of the project; nothing happens where there is none.

        It is moved into the lock first, which fails once the lock is lost.

        Raises
        ------
        FileNotFoundError
            The lock was lost.
        """
        away = self.place / f"{path.name}.{uuid.uuid4().hex[:8]}"
        try:
            path.rename(away)
        except FileNotFoundError:
            if self.lost:
                raise
            return
        if away.is_dir():
            shutil.rmtree(away, ignore_errors=True)
        else:
            away.unlink(missing_ok=True)


@contextmanager
def project_lock(project_dir: Path) -> Iterator[ProjectLock]:
    """Hold the lock of a project directory; whatever `io.h5.atomic_path` writes meanwhile goes through it.

    The lock of a process of this machine that is gone is taken over at once, any other one when it gave no
    sign of life for `lease_s()` seconds.

    Raises
    ------
    ProjectBusyError
        Another run holds it and is alive.
    ProjectLostError
        Another run took it over meanwhile; what was not published by then is not, and never will be.
    """
    base = project_dir / LOCK_NAME
    lock = ProjectLock(base, uuid.uuid4().hex[:12])
    _provide(base)
    _acquire(lock, lease_s())
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(lock, over, lease_s()), daemon=True)
    keeper.start()
    try:
        with staging_in(lock.place):
            yield lock
    except Exception as error:
        if lock.lost:
            raise ProjectLostError(
                f"{project_dir} was taken over by another run, because this one gave no sign of life for "
                f"{lease_s():.0f} s; it published nothing since. Leave the directory to the other run"
            ) from error
        raise
    finally:
        over.set()
        keeper.join()
        _release(lock)


def is_locked(project_dir: Path) -> bool:
    """Whether a run seems to hold the lock of a project directory; to be sure, take it.

    A holder of another machine that gave no sign of life for ten leases, by the clock of this one, counts as
    gone.
    """
    name = _present(project_dir / LOCK_NAME)
    if name is None or name == _FREE:
        return False
    place = project_dir / LOCK_NAME / name
    try:
        silent_s = time.time() - (place / _BEAT_FILE).stat().st_mtime
    except FileNotFoundError:  # taken or released this very moment
        return True
    return silent_s < 10 * lease_s() and not owner_is_gone(_read(place / _OWNER_FILE))


def _provide(base: Path) -> None:
    """Make the lock where there is none, with everything in it; an existing one is left alone."""
    if _present(base) is not None:
        return
    draft = base.with_name(f"{LOCK_NAME}.{uuid.uuid4().hex[:8]}")
    (draft / _FREE).mkdir(parents=True)
    try:
        draft.rename(base)  # refused where somebody was faster
    except OSError:
        shutil.rmtree(draft)
        if not base.is_dir():
            raise


def _present(base: Path) -> str | None:
    """Name of the one directory in the lock; None where there is none, or it was just being renamed."""
    try:
        names = [name for name in os.listdir(base) if name == _FREE or name.startswith(_HELD)]  # noqa: PTH208
    except FileNotFoundError:
        return None
    return names[0] if names else None


def _acquire(lock: ProjectLock, patience_s: float) -> None:
    """Rename the directory of the lock to this holder's name, once nobody else is alive behind it."""
    seen: tuple[str | None, str] | None = None
    since = time.monotonic()
    while True:
        name = _present(lock.base)
        if name == _FREE:
            if _take(lock, name):
                return
            continue
        owner = _read(lock.base / str(name) / _OWNER_FILE)
        if name is not None and owner_is_gone(owner) and _take(lock, name):
            return
        state = (name, _read(lock.base / str(name) / _BEAT_FILE))
        if seen is not None and state[0] == seen[0] and state != seen and state[1]:
            raise ProjectBusyError(
                f"another run is writing {lock.base.parent} ({_describe(owner)}); wait for it, or give "
                "another directory"
            )
        if state != seen:
            seen, since = state, time.monotonic()
        elif time.monotonic() - since > patience_s:
            if name is None:
                raise ProjectBusyError(
                    f"{lock.base} is damaged; delete it when no run is under way"
                )
            if _take(lock, name):
                return
        time.sleep(patience_s / BEATS_PER_LEASE / _LOOKS_PER_BEAT)


def _take(lock: ProjectLock, name: str) -> bool:
    """Rename the lock from `name`; False where another one was faster."""
    try:
        (lock.base / name).rename(lock.place)
    except FileNotFoundError:
        # over NFS a rename that was done and asked for again says this, too
        if lock.lost:
            return False
    _empty(lock.place)  # temporary files of a run that was killed
    _write(lock.place / _BEAT_FILE, "0")
    _write(lock.place / _OWNER_FILE, json.dumps(this_owner()))
    return True


def _keep(lock: ProjectLock, over: threading.Event, patience_s: float) -> None:
    """Show that this holder lives, until it is over or the lock is lost."""
    for beat in count(1):
        if over.wait(patience_s / BEATS_PER_LEASE) or lock.lost:
            return
        # a full disk is no reason to stop: the next beat may fit again
        with suppress(OSError):
            _write(lock.place / _BEAT_FILE, str(beat))


def _release(lock: ProjectLock) -> None:
    """Give the lock back, unless it was lost."""
    if lock.lost:
        return
    _empty(lock.place)
    with suppress(FileNotFoundError):  # lost this very moment
        lock.place.rename(lock.base / _FREE)


def _empty(directory: Path) -> None:
    for entry in list(directory.iterdir()) if directory.is_dir() else ():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _read(path: Path) -> str:
    """Content of a small file; empty where it is not there."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _describe(owner: str) -> str:
    try:
        about = json.loads(owner)
        return f"process {about['pid']} on {about['node']}"
    except (ValueError, KeyError):
        return "its owner is not known"
