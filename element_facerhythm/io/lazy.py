"""Arrays that stay on disk until a part of them is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from element_facerhythm.errors import ProjectError
from element_facerhythm.files.digest import file_change
from element_facerhythm.io.content_digest import CHANGED_FILE_REMEDY
from element_facerhythm.io.h5_reader import H5Dataset, open_h5

_REMEDY = "restore the project directory or correct the processed data root"


class LazyArray:
    """A dataset of an HDF5 file, or a fixed part of one, that reads only what is asked for.

    It has `shape`, `dtype`, `ndim` and `size`, slices like an array, and becomes one through
    ``numpy.asarray``. The file is opened for each access and closed after it, so a `LazyArray`
    can be kept, pickled and sent to another process.

    Parameters
    ----------
    path
        The HDF5 file.
    dataset
        Name of the dataset inside it.
    index
        Integers and slices applied first, from the leading axis on: ``index=3`` is ``dataset[3]``,
        ``index=(slice(None), 7)`` is ``dataset[:, 7]``.
    sha256
        Expected content digest of the file. Checked at the first access and again when the file's
        size or modification time changed.
    stored_as
        Shape and dtype of the dataset, where they are known: the file is then not touched before
        the first access, so that a row can be fetched where its files are not mounted.

    Raises
    ------
    ProjectError
        The file is gone, is not HDF5, lacks the dataset, or has another digest; or the dataset
        is none that `h5_reader` reads.
    """

    def __init__(
        self,
        path: str | Path,
        dataset: str,
        index: int | slice | tuple[int | slice, ...] | None = None,
        sha256: str | None = None,
        stored_as: tuple[tuple[int, ...], DTypeLike] | None = None,
    ) -> None:
        self.path = Path(path)
        self.dataset = dataset
        self.sha256 = sha256
        self.index = () if index is None else index if isinstance(index, tuple) else (index,)
        full_shape, self.dtype = self._look() if stored_as is None else _known(stored_as)
        if len(self.index) > len(full_shape):
            raise ProjectError(
                f"index {self.index} has more axes than {self._name} of shape {full_shape}"
            )
        self._axes = _select(tuple(range(n) for n in full_shape), self.index)

    @property
    def _name(self) -> str:
        return f"dataset {self.dataset!r} of {self.path}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes that `index` leaves."""
        return tuple(len(axis) for axis in self._axes if isinstance(axis, range))

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
        """Size of the array in memory."""
        return self.size * int(self.dtype.itemsize)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"LazyArray({self._name}, shape={self.shape}, dtype={self.dtype})"

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read the selected part; integers and slices read no more than that."""
        keys = _expand(key if isinstance(key, tuple) else (key,), self.ndim)
        simple = tuple(k if isinstance(k, (int, np.integer, slice)) else slice(None) for k in keys)
        axes = list(self._axes)
        kept = [i for i, axis in enumerate(axes) if isinstance(axis, range)]
        for position, part in zip(kept, simple, strict=True):
            axes[position] = _select((cast(range, axes[position]),), (cast(slice, part),))[0]
        values = self._read(axes)
        rest = tuple(
            slice(None) if s is k else k
            for s, k in zip(simple, keys, strict=True)
            if not isinstance(s, (int, np.integer))
        )
        return np.asarray(values[rest]) if rest else values

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read the whole array into memory."""
        if copy is False:
            raise ValueError(f"{self._name} lies on disk; it cannot be had without a copy")
        values = self._read(list(self._axes))
        return values if dtype is None else values.astype(dtype, copy=False)

    def _read(self, axes: list[int | range]) -> NDArray[Any]:
        forward = tuple(axis if isinstance(axis, int) else _as_slice(axis) for axis in axes)
        with self._opened() as node:
            values = node[forward]
        flips = tuple(
            slice(None, None, -1 if axis.step < 0 else 1)
            for axis in axes
            if isinstance(axis, range)
        )
        return np.asarray(values[flips]) if flips else values

    def _look(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        with self._opened() as node:
            node.require_plausible()
            return node.shape, node.dtype

    def _locate(self) -> Path:
        """Path of the file, which is there and unchanged.

        Raises
        ------
        ProjectError
            It is gone, or has another digest.
        """
        if not self.path.is_file():
            raise ProjectError(f"{self.path} does not exist; it held {self.dataset!r}. {_REMEDY}")
        change = None if self.sha256 is None else file_change(self.path, self.sha256)
        if change is not None:
            raise ProjectError(
                f"{self.path} has changed since it was recorded: {change}. {CHANGED_FILE_REMEDY}"
            )
        return self.path

    @contextmanager
    def _opened(self) -> Iterator[H5Dataset]:
        with open_h5(self._locate(), _REMEDY) as file:
            yield file.dataset(self.dataset)


def _known(stored_as: tuple[tuple[int, ...], DTypeLike]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    shape, dtype = stored_as
    return tuple(shape), np.dtype(dtype)


def _select(axes: tuple[range, ...], keys: tuple[int | slice, ...]) -> tuple[int | range, ...]:
    """Apply one integer or slice to each leading axis, as numpy would."""
    chosen: list[int | range] = [axis[key] for axis, key in zip(axes, keys, strict=False)]
    return (*chosen, *axes[len(keys) :])


def _expand(keys: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
    """Replace an ellipsis and append whole axes, so that there is one key per axis."""
    if any(key is None for key in keys):
        raise IndexError("a LazyArray takes no new axes; read it and reshape the result")
    places = [i for i, key in enumerate(keys) if key is Ellipsis]
    place = places[0] if places else len(keys)
    n_fill = ndim - (len(keys) - len(places))
    if n_fill < 0 or len(places) > 1:
        raise IndexError(f"{len(keys)} indices for an array of {ndim} axes")
    return (*keys[:place], *([slice(None)] * n_fill), *keys[place + len(places) :])


def _as_slice(axis: range) -> slice:
    """Slice with a positive step over the entries of a range, which HDF5 can read."""
    if len(axis) == 0:
        return slice(0, 0)
    low, high = min(axis[0], axis[-1]), max(axis[0], axis[-1])
    return slice(low, high + 1, abs(axis.step))
