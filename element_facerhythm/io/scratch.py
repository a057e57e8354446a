"""Arrays too large for memory that nobody but this process needs, in files without a name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLOAT = np.dtype(np.float32)


class ScratchRows:
    """A float32 array (T, n) on disk, read and written by slices of rows; it vanishes when it is closed.

    Parameters
    ----------
    folder
        Where there is room.
    shape
        (T, n).

    Raises
    ------
    OSError
        There is no room for it.
    """

    def __init__(self, folder: Path, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._row_bytes = shape[1] * _FLOAT.itemsize
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        if hasattr(os, "posix_fallocate") and shape[0]:
            os.posix_fallocate(self._file.fileno(), 0, shape[0] * self._row_bytes)

    def close(self) -> None:
        """Give the room back."""
        self._file.close()

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        """Rows ``[a:b]``, or the first columns of them ``[a:b, :n]``."""
        rows, n = self._parts(key)
        self._file.seek(rows.start * self._row_bytes)
        raw = self._file.read((rows.stop - rows.start) * self._row_bytes)
        return np.frombuffer(raw, _FLOAT).reshape(-1, self.shape[1])[:, :n].copy()

    def __setitem__(self, key: Any, values: Any) -> None:
        """Put rows; columns beyond those that are given become 0."""
        rows, n = self._parts(key)
        whole = np.zeros((rows.stop - rows.start, self.shape[1]), np.float32)
        whole[:, :n] = values
        self._file.seek(rows.start * self._row_bytes)
        self._file.write(whole.tobytes())

    def _parts(self, key: Any) -> tuple[slice, int]:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        n = self.shape[1] if columns.stop is None else int(columns.stop)
        return rows, n


@contextmanager
def scratch_in(folder: Path) -> Iterator[Callable[[tuple[int, int]], ScratchRows]]:
    """Yield a function that makes arrays in a folder; they vanish when the block ends."""
    with ExitStack() as stack:

        def new_rows(shape: tuple[int, int]) -> ScratchRows:
            rows = ScratchRows(folder, shape)
            stack.callback(rows.close)
            return rows

        yield new_rows
