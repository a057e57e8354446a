"""Disk space, allocated before it is written to.

HDF5 does not survive a failed write: data that it cannot flush crash the process when it ends. So space for
everything that will be written is allocated beforehand, where the file system can do that; where there is
too little, the error is raised here, before anything is computed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE: the file looks as long as what was written
_NOT_OFFERED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def preallocate(path: Path, n_bytes: int) -> bool:
    """Allocate space for the first `n_bytes` of a file, without changing its length or content.

    Parameters
    ----------
    path
        A file that exists; not a link.
    n_bytes
        Counted from its beginning; what it holds already is part of them.

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


def trim_preallocation(path: Path) -> None:
    """Release what was allocated beyond the end of a finished file."""
    os.truncate(path, path.stat().st_size)
