"""How many numbers of an array are not finite, counted block by block."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.io.content_digest import blocks_of


class _Sliceable(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, key: Any, /) -> NDArray[Any]: ...


def n_not_finite(array: _Sliceable, axis: int) -> NDArray[np.int64]:
    """Count NaN and infinite entries along an axis of an array of numbers, which need not fit in memory.

    Parameters
    ----------
    array
        In memory or on disk.
    axis
        Axis along which each entry is counted separately.

    Returns
    -------
    (n,) number of such entries at each place of the axis.
    """
    counts = np.zeros(array.shape[axis], dtype=np.int64)
    others = tuple(i for i in range(len(array.shape)) if i != axis)
    for block in blocks_of(array.shape, array.dtype.itemsize):
        whole = tuple(slice(i, i + 1) if isinstance(i, int) else i for i in block)
        wrong = ~np.isfinite(np.asarray(array[whole]))
        counts[whole[axis] if axis < len(whole) else slice(None)] += wrong.sum(axis=others)
    return counts
