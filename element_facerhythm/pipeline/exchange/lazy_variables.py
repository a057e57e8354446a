"""Variables of xarray whose numbers stay in HDF5 files until a part of them is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

Spans = tuple[range, ...]
"""Entries that are wanted, along each axis."""


class Source(Protocol):
    """What numbers are read from."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""

    def read(self, spans: Spans) -> NDArray[Any]:
        """Return the entries that are wanted."""


class Stored:
    """An array, or what slices like one (`io.lazy.LazyArray`), as it is."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = array.dtype

    def read(self, spans: Spans) -> NDArray[Any]:
        """Return the entries that are wanted, one span along each axis."""
        return np.asarray(self.array[tuple(map(_as_slice, spans))])


@dataclass(frozen=True, eq=False)
class Joined:
    """Sources one after another along an axis, as the videos of a recording are along time."""

    parts: Sequence[Source]
    axis: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        shape = list(self.parts[0].shape)
        shape[self.axis] = sum(part.shape[self.axis] for part in self.parts)
        return tuple(shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""
        return np.result_type(*(part.dtype for part in self.parts))

    def read(self, spans: Spans) -> NDArray[Any]:
        """Return the entries that are wanted; only parts that hold some are read."""
        along = spans[self.axis]
        rising = along if along.step > 0 else along[::-1]
        pieces, first = [], 0
        for part in self.parts:
            stop = first + part.shape[self.axis]
            own = rising[_n_below(rising, first) : _n_below(rising, stop)]
            if len(own):
                inside = range(own.start - first, own.stop - first, own.step)
                pieces.append(part.read((*spans[: self.axis], inside, *spans[self.axis + 1 :])))
            first = stop
        if not pieces:
            return np.empty([len(span) for span in spans], self.dtype)
        found = np.concatenate(pieces, axis=self.axis)
        return found if along.step > 0 else np.flip(found, self.axis)


@dataclass(frozen=True, eq=False)
class Stacked:
    """Sources side by side along a new axis after the first one; NaN where there is none."""

    parts: Sequence[Source | None]

    @property
    def _first(self) -> Source:
        return next(part for part in self.parts if part is not None)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        n, *others = self._first.shape
        return (n, len(self.parts), *others)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""
        return np.result_type(*(part.dtype for part in self.parts if part is not None), np.float32)

    def read(self, spans: Spans) -> NDArray[Any]:
        """Return the entries that are wanted; only sources among them are read."""
        found = np.full([len(span) for span in spans], np.nan, self.dtype)
        for place, number in enumerate(spans[1]):
            part = self.parts[number]
            if part is not None:
                found[:, place] = part.read((spans[0], *spans[2:]))
        return found


@dataclass(frozen=True, eq=False)
class Viewed:
    """A source with its axes in another order, and as another type.

    Attributes
    ----------
    source
        What is viewed.
    axes
        For each axis of the view that of the source; None for a new one of length 1.
    dtype
        Type of the numbers.
    """

    source: Source
    axes: tuple[int | None, ...]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(1 if axis is None else self.source.shape[axis] for axis in self.axes)

    def read(self, spans: Spans) -> NDArray[Any]:
        """Return the entries that are wanted, one span along each axis of the view."""
        of_source = sorted(
            (axis, span) for axis, span in zip(self.axes, spans, strict=True) if axis is not None
        )
        values = self.source.read(tuple(span for _, span in of_source))
        values = values.transpose([axis for axis in self.axes if axis is not None])
        values = values.reshape([
            1 if axis is None else len(span) for axis, span in zip(self.axes, spans, strict=True)
        ])  # fmt: skip
        empty = [
            axis is None and len(span) == 0 for axis, span in zip(self.axes, spans, strict=True)
        ]
        kept = tuple(slice(0) if is_empty else slice(None) for is_empty in empty)
        return values[kept].astype(self.dtype, copy=False)


@dataclass(frozen=True, eq=False)
class Flags:
    """A (T, P) array that is true at some entries, of which rows and columns are known."""

    rows: NDArray[np.integer]
    columns: NDArray[np.integer]
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return np.dtype(bool)

    def read(self, spans: Spans) -> NDArray[Any]:
        """Return the entries that are wanted."""
        rising = spans[0] if spans[0].step > 0 else spans[0][::-1]
        found = np.zeros((len(rising), self.shape[1]), bool)
        if len(rising):
            offset = self.rows - rising.start
            here = (offset >= 0) & (self.rows <= rising[-1]) & (offset % rising.step == 0)
            found[offset[here] // rising.step, self.columns[here]] = True
        if spans[0].step < 0:
            found = found[::-1]
        return found[:, _as_slice(spans[1])]


def lazy_variable(dims: Sequence[str], source: Source, attrs: Mapping[str, Any]) -> xr.Variable:
    """Variable that reads from a source what is asked for.

    Parameters
    ----------
    dims
        Names of the axes.
    source
        Where its numbers are.
    attrs
        Units, long name and so on.
    """
    lazy: Any = indexing.LazilyIndexedArray(_Backend(source))
    return xr.Variable(dims, indexing.CopyOnWriteArray(lazy), attrs)


class _Backend(BackendArray):
    """A source in the form in which xarray reads."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.shape = source.shape
        self.dtype = source.dtype

    def __getitem__(self, key: Any) -> Any:
        if isinstance(
            key, indexing.BasicIndexer
        ):  # the adapter fails for empty slices that go backwards
            return self._basic(key.tuple)
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._basic
        )

    def _basic(self, key: tuple[Any, ...]) -> Any:
        spans = tuple(
            range(n)[k] if isinstance(k, slice) else range(int(k) % n, int(k) % n + 1)
            for k, n in zip(key, self.shape, strict=True)
        )
        values = self.source.read(spans)
        return values[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]


def _as_slice(span: range) -> slice:
    if not len(span):
        return slice(0, 0)
    return slice(span.start, span.stop if span.stop >= 0 else None, span.step)


def _n_below(rising: range, value: int) -> int:
    """How many entries of a rising range lie below a value."""
    return min(max(-(-(value - rising.start) // rising.step), 0), len(rising))
