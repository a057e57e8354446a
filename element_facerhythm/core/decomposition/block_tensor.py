"""A tensor that is read in blocks of rows, so that it may be larger than memory.

Rows are the entries along one axis, the *row axis*. Every pass of the arithmetic takes the tensor
block after block, each block complete along all other axes, and the blocks are the same whether the
tensor lies in memory or in a file: where it lies changes no number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

ENTRIES_PER_BLOCK = 2**22
"""Entries of a block (16 MiB in float32); a block has one row at least."""

RowReader = Callable[[int, int], npt.NDArray[Any]]


@dataclass(frozen=True)
class BlockTensor:
    """A real tensor whose rows are read on demand.

    Attributes
    ----------
    names
        Axis names, in the order of the tensor.
    shape
        Lengths of the axes.
    row_axis
        Axis along which it is read.
    read_rows
        ``read_rows(start, stop)`` gives (stop - start, ...) entries: the row axis first, the others
        in their order.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    row_axis: int
    read_rows: RowReader

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Size in memory as float32."""
        return 4 * self.size

    @property
    def n_rows(self) -> int:
        """Entries along the row axis."""
        return self.shape[self.row_axis]

    @property
    def axis_order(self) -> tuple[int, ...]:
        """Axes as blocks have them: the row axis first."""
        return (self.row_axis, *(i for i in range(self.ndim) if i != self.row_axis))

    @property
    def block_shape(self) -> tuple[int, ...]:
        """Lengths of the axes in the order of `axis_order`."""
        return tuple(self.shape[axis] for axis in self.axis_order)

    def blocks(
        self, entries_per_block: int = ENTRIES_PER_BLOCK
    ) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        """Yield (first row, rows) from the first row to the last."""
        n_rows = max(1, entries_per_block * self.n_rows // max(1, self.size))
        for start in range(0, self.n_rows, n_rows):
            yield start, self.read_rows(start, min(start + n_rows, self.n_rows))

    def map_rows(self, change: Callable[[int, npt.NDArray[Any]], npt.NDArray[Any]]) -> BlockTensor:
        """Make a tensor whose rows are ``change(first row, rows)``."""
        read = self.read_rows
        return replace(self, read_rows=lambda start, stop: change(start, read(start, stop)))

    def load(self, entries_per_block: int = ENTRIES_PER_BLOCK) -> BlockTensor:
        """Make the same tensor with all rows in memory, in float32 unless it holds float64."""
        first = self.read_rows(0, 1)
        dtype = np.float64 if first.dtype == np.float64 else np.float32
        rows = np.empty(self.block_shape, dtype)
        for start, block in self.blocks(entries_per_block):
            rows[start : start + len(block)] = block
        return replace(self, read_rows=lambda start, stop: rows[start:stop])

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """All entries, in the order of `names`."""
        rows = self.read_rows(0, self.n_rows)
        values = np.moveaxis(rows, 0, self.row_axis)
        return np.array(values, dtype=dtype) if copy else np.asarray(values, dtype=dtype)


def dense_tensor(values: npt.NDArray[Any], names: tuple[str, ...]) -> BlockTensor:
    """Make a block tensor of an array in memory.

    Parameters
    ----------
    values
        Real, of two axes or more.
    names
        Names of the axes.

    Returns
    -------
    BlockTensor
        With the longest axis as rows.
    """
    row_axis = int(np.argmax(values.shape))
    rows = np.moveaxis(values, row_axis, 0)
    return BlockTensor(names, values.shape, row_axis, lambda start, stop: rows[start:stop])
