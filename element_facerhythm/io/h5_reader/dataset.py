"""Datasets of an open HDF5 file: read whole within limits, or in parts."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.io.h5_reader.limits import Box, fault_of_stored_chunks
from element_facerhythm.io.h5_reader.node import H5Node, n_entries
from element_facerhythm.io.h5_reader.text_lengths import fault_of_texts

_MAX_TEXTS = 10_000


class H5Dataset(H5Node):
    """A dataset of an open file, whose numbers lie in the file; sliced, it reads what is asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        shape: tuple[int, ...] = self._raw.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of an entry."""
        dtype: np.dtype[Any] = self._raw.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in memory, as declared."""
        return n_entries(self.shape) * int(self.dtype.itemsize)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read a part of an array of numbers."""
        self.require_plausible()
        with self._source.reading(self.name):
            self._source.refuse_if(
                self.name, fault_of_stored_chunks(self._raw, _box(key, self.shape))
            )
            return np.asarray(self._raw[key])

    def require_plausible(self) -> None:
        """Refuse, before a part is read, other things than numbers, and more than such a file holds.

        Raises
        ------
        ProjectError
            As above.
        """
        self._require_numbers()
        self._source.refuse_if(self.name, self._source.budget.fault_of_part(self.nbytes))

    def value(self) -> Any:
        """Read everything: ``str`` or a list of them where it holds text, else an array."""
        if h5py.check_string_dtype(self.dtype) is None:
            return self._whole()
        return self.text() if self.shape == () else self.texts()

    def numbers(self, ndim: int | None = None, *, finite: bool = False) -> NDArray[Any]:
        """Read an array of numbers whole.

        Parameters
        ----------
        ndim
            How many axes it must have; None takes any.
        finite
            Refuse NaN and infinite entries.

        Raises
        ------
        ProjectError
            It is something else.
        """
        self._require_numbers()
        if ndim is not None and self.ndim != ndim:
            self.refuse(f"has shape {self.shape}; expected {ndim} axes")
        values = self._whole()
        if finite:
            self.require_finite(values)
        return values

    def require_finite(self, values: NDArray[Any]) -> None:
        """Raise `ProjectError`, with the place, unless all `values` of this dataset are finite."""
        if values.dtype.kind in "fc" and not np.isfinite(values).all():
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
            self.refuse(f"holds NaN or an infinite number at {index}; expected finite numbers")

    def records(self) -> NDArray[Any]:
        """Read a table (a compound type of numbers) whole.

        Raises
        ------
        ProjectError
            It is no table.
        """
        if self.dtype.names is None:
            self.refuse(f"is {self.dtype}; expected a table of named columns")
        return self._whole()

    def text(self) -> str:
        """Read one text.

        Raises
        ------
        ProjectError
            It is something else.
        """
        if self.shape != ():
            self.refuse(f"has shape {self.shape}; expected one text")
        return self._texts()[0]

    def texts(self) -> list[str]:
        """Read a list of texts.

        Raises
        ------
        ProjectError
            It is something else, or has more than 10,000 of them.
        """
        if self.ndim != 1:
            self.refuse(f"has shape {self.shape}; expected a list of texts")
        return self._texts()

    def dimension_names(self) -> tuple[str, ...]:
        """Names of the axes of a netCDF variable: of the datasets that its axes refer to.

        Raises
        ------
        ProjectError
            An axis has no name.
        """
        with self._source.reading(self._place("DIMENSION_LIST")):
            raw = h5py.h5a.open(self._raw.id, b"DIMENSION_LIST")
            if raw.shape != (self.ndim,):
                self._source.refuse(self._place("DIMENSION_LIST"), "does not name each axis")
            return tuple(map(self._name_of, self._raw.attrs["DIMENSION_LIST"]))

    def _name_of(self, axis: Any) -> str:
        """Name of what an axis refers to; HDF5 looks for each through all of the file, so once is enough."""
        address = h5py.h5o.get_info(h5py.h5r.dereference(axis[0], self._raw.id)).addr
        names = self._source.names_by_address
        if address not in names:
            name = bytes(h5py.h5r.get_name(axis[0], self._raw.id))
            names[address] = name.decode("utf-8").rpartition("/")[2]
        return names[address]

    def _texts(self) -> list[str]:
        kind = h5py.check_string_dtype(self.dtype)
        if kind is None:
            self.refuse(f"is {self.dtype}; expected text")
        if n_entries(self.shape) > _MAX_TEXTS:
            self.refuse(f"has more than {_MAX_TEXTS:,} texts")
        if kind.length is not None:
            values = self._whole().ravel().tolist()
        else:
            with self._source.reading(self.name):
                self._source.refuse_if(self.name, fault_of_texts(self._raw, self._source.path))
            values = [self._text_at(index) for index in np.ndindex(self.shape)]
        with self._source.reading(self.name):
            return [value.decode("utf-8") for value in values]

    def _text_at(self, index: tuple[int, ...]) -> bytes:
        """Read one text of variable length: many may refer to the same bytes, so each is counted."""
        with self._source.reading(self.name):
            value: bytes = self._raw[index]
        self.claim(len(value))
        return value

    def _whole(self) -> NDArray[Any]:
        """Read everything, within what may be read of the file."""
        self.claim(self.nbytes)
        box = [(0, n) for n in self.shape]
        with self._source.reading(self.name):
            self._source.refuse_if(self.name, fault_of_stored_chunks(self._raw, box))
            return np.asarray(self._raw[()])

    def _require_numbers(self) -> None:
        if self.dtype.kind not in "biufc":
            self.refuse(f"is {self.dtype}; expected numbers")


def _box(key: Any, shape: tuple[int, ...]) -> Box:
    """Bounds of what a key of integers and slices selects; whole axes for anything else."""
    keys = key if isinstance(key, tuple) else (key,)
    if len(keys) > len(shape) or any(k is Ellipsis for k in keys):
        keys = ()
    return [
        _bounds(k, n)
        for k, n in zip((*keys, *[slice(None)] * (len(shape) - len(keys))), shape, strict=True)
    ]


def _bounds(key: Any, n: int) -> tuple[int, int]:
    if isinstance(key, (int, np.integer)):
        first = int(key) % n if n else 0
        return first, first + 1
    if isinstance(key, slice):
        selected = range(n)[key]
        return (min(selected), max(selected) + 1) if selected else (0, 0)
    return 0, n
