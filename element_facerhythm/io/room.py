"""Room on the disk, taken before it is written to.

HDF5 cannot stand a write that fails: what it then cannot flush takes the process down when it ends. So the
room for everything that will be written is taken beforehand, where the file system can do that; where there
is none, the error comes from here, before anything is computed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE: the file looks as long as what was written
_NOT_OFFERED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def take_room(path: Path, n_bytes: int) -> bool:
    """Take room for the first `n_bytes` of a file, without changing what it looks like.

    Returns
    -------
    bool
        False where the file system (some network file systems) or the system does not offer that.

    Raises
    ------
    OSError
        There is no room (ENOSPC, EDQUOT).
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        outcome = libc.fallocate(descriptor, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(n_bytes))
        code = ctypes.get_errno()
    finally:
        os.close(descriptor)
    if outcome == 0:
        return True
    if code in _NOT_OFFERED:
        return False
    raise OSError(code, f"{os.strerror(code)}, for {n_bytes / 1e6:,.1f} MB", str(path))


def give_room_back(path: Path) -> None:
    """Give back what was taken behind the end of a finished file."""
    os.truncate(path, path.stat().st_size)
