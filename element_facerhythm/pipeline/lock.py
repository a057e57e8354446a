"""One run at a time in a project directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from element_facerhythm.errors import ProjectError

LOCK_NAME = ".facerhythm.lock"


@contextmanager
def project_lock(project_dir: Path) -> Iterator[None]:
    """Hold the lock of a project directory; the system frees it when the process ends, however.

    Raises
    ------
    ProjectError
        Another process holds it.
    """
    descriptor = os.open(project_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _try_lock(descriptor):
            raise ProjectError(
                f"another run is writing {project_dir}; wait for it, or give another directory"
            )
        yield
    finally:
        os.close(descriptor)


def is_locked(project_dir: Path) -> bool:
    """Return whether a process holds the lock of a project directory; nothing is written to find out."""
    try:
        descriptor = os.open(project_dir / LOCK_NAME, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
