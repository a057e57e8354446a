"""The process that owns a lock, and whether it has certainly ended."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import psutil


def this_owner() -> dict[str, str | int | float]:
    """Describe this process so that another one can check whether it still runs."""
    return {
        "node": platform.node(),
        "machine": _machine(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
    }


def owner_is_gone(text: str) -> bool:
    """Whether the described process ran on this machine and does not any more; False where that is open.

    Parameters
    ----------
    text
        `this_owner()` as JSON; anything else says nothing.
    """
    try:
        owner = json.loads(text)
        same_machine = owner["machine"] == _machine()
        pid, started = int(owner["pid"]), float(owner["started"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return False
    return same_machine and pid > 0 and not _runs(pid, started)


def _runs(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, OverflowError):  # the second: no system counts as far
        return False
    except psutil.AccessDenied:
        return True


def _machine() -> str:
    """Name of what process numbers are counted in: a boot of a machine, or a container on it."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    if not boot.exists():
        return f"{platform.node()} {psutil.boot_time():.0f}"
    inside = namespace.readlink() if namespace.is_symlink() else ""
    return f"{platform.node()} {boot.read_text().strip()} {inside}"
