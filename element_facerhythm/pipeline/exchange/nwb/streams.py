"""Datasets that are laid out when a file is written, and filled from disk afterwards, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from pynwb import H5DataIO

BLOCK_BYTES = 32 << 20
"""Of an array that is read at once."""
_CHUNK_BYTES = 1 << 20
_COMPRESSED = {"compression": "gzip", "compression_opts": 4, "shuffle": True}


class Streams:
    """Datasets that are still empty, and what fills them."""

    def __init__(self) -> None:
        self._fills: list[Callable[[], None]] = []

    def lay_out(
        self, shape: tuple[int, ...], dtype: npt.DTypeLike, chunks: tuple[int, ...] | None = None
    ) -> H5DataIO:
        """Make a compressed dataset that is empty until `fill`.

        Parameters
        ----------
        shape
            Of the dataset.
        dtype
            Of its entries.
        chunks
            Shape of what is compressed as one; by default whole rows, of 1 MiB together.
        """
        itemsize = np.dtype(dtype).itemsize
        if chunks is None:
            row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * itemsize
            chunks = (max(1, min(shape[0], _CHUNK_BYTES // max(row_bytes, 1))), *shape[1:])
        return H5DataIO(shape=shape, dtype=np.dtype(dtype), chunks=chunks, **_COMPRESSED)

    def then(self, fill: Callable[[], None]) -> None:
        """Call `fill` once the file is written; it finds the datasets as `H5DataIO.dataset`."""
        self._fills.append(fill)

    def fill(self) -> None:
        """Fill all datasets, in the order in which they were laid out."""
        for fill in self._fills:
            fill()


def compressed(values: npt.ArrayLike) -> Any:
    """Return an array in memory as it is stored; one without entries cannot be compressed."""
    array = np.asarray(values)
    return H5DataIO(data=array, **_COMPRESSED) if array.size and array.ndim else array


def blocks(n: int, row_bytes: int) -> Iterator[slice]:
    """Cut rows into blocks of `BLOCK_BYTES` at most, of one row at least.

    Parameters
    ----------
    n
        Number of rows.
    row_bytes
        Size of a row.
    """
    step = max(1, BLOCK_BYTES // max(row_bytes, 1))
    for first in range(0, n, step):
        yield slice(first, min(first + step, n))
