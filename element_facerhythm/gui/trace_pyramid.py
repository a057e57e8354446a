"""Traces of points at any zoom without reading them whole: extremes of runs of 4, 16, 64 ... frames.

Products hold all points of a frame together, so that one point over all frames is spread over the whole file.
One pass over it writes, for each point, the smallest and the largest displacement of each run of frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.extremes import extremes, run_size
from element_facerhythm.io.h5 import atomic_h5, make_room
from element_facerhythm.io.lazy import LazyArray

if TYPE_CHECKING:
    import h5py

FACTOR = 4
_COARSEST = 512  # runs, of the last level
_BLOCK_BYTES = 16 << 20
_LONGEST_BLOCK = FACTOR**6


@dataclass(frozen=True)
class TraceColumns:
    """Displacements of points, as a screen shows them.

    Attributes
    ----------
    first
        Frame at which the first column begins.
    size
        Frames of a column; 1 where `low` and `high` are the displacements themselves.
    low, high
        (points, 2, columns) float32 smallest and largest displacement along x and y, in pixels.
    """

    first: int
    size: int
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]


def sizes_of_levels(n_frames: int) -> tuple[int, ...]:
    """Frames of a run at each level of a sequence of `n_frames`."""
    sizes = [FACTOR]
    while -(-n_frames // sizes[-1]) > _COARSEST:
        sizes.append(sizes[-1] * FACTOR)
    return tuple(sizes)


def build_pyramid(
    path: Path,
    tracks: Sequence[LazyArray],
    home: npt.NDArray[np.float32],
    on_frames: Callable[[int], None],
) -> None:
    """Write the pyramid of all sequences of a project, whole or not at all.

    Values are kept in 16 bits: displacements below 64 px are exact to 0.02 px.

    Parameters
    ----------
    path
        The side file.
    tracks
        (T, P, 2) positions of each sequence; read in blocks.
    home
        (P, 2) where the points were seeded.
    on_frames
        Called with the number of frames done; what it raises ends the work.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    n_done = 0
    with atomic_h5(path) as file:
        for index, points in enumerate(tracks):
            levels = _make_levels(file.create_group(str(index)), points.shape)
            for first, block in _displacements(points, home):
                _write_block(levels, first, block)
                on_frames(n_done := n_done + block.shape[-1])
            _write_coarse(levels, block_length(points.shape[1]))


def block_length(n_points: int) -> int:
    """Frames that are read at once: a power of `FACTOR`, so that every run of its levels is whole."""
    length = FACTOR
    while length < _LONGEST_BLOCK and length * FACTOR * n_points * 8 <= _BLOCK_BYTES:
        length *= FACTOR
    return length


class TracePyramid:
    """Reads traces from a pyramid, and single frames from the tracks themselves.

    Parameters
    ----------
    path
        What `build_pyramid` wrote.
    tracks, home
        As of `build_pyramid`.
    """

    def __init__(
        self, path: Path, tracks: Sequence[LazyArray], home: npt.NDArray[np.float32]
    ) -> None:
        self._path, self._tracks, self._home = path, tracks, home

    def columns(
        self, index: int, points: Sequence[int], first: int, stop: int, n_columns: int
    ) -> TraceColumns:
        """Return the traces of some points in frames ``[first, stop)``, in at most `n_columns` + 1 columns.

        Parameters
        ----------
        index
            Number of the sequence.
        points
            Indices of the points.
        first, stop
            Frames; columns begin at multiples of their length, the first at or before `first`.
        n_columns
            How many can be shown. Beyond the coarsest level there may be more.
        """
        n_frames = self._tracks[index].shape[0]
        size = min(run_size(stop - first, n_columns, FACTOR), sizes_of_levels(n_frames)[-1])
        if size == 1:
            values = [self._tracks[index][first:stop, point].T - self._home[point][:, None]
                      for point in points]  # fmt: skip
            exact = np.asarray(values, dtype=np.float32).reshape(len(points), 2, stop - first)
            return TraceColumns(first, 1, exact, exact)
        begin, end = first // size, -(-stop // size)
        low, high = (
            self._read(f"{index}/{size}/{name}", points, begin, end) for name in ("low", "high")
        )
        return TraceColumns(begin * size, size, low, high)

    def _read(
        self, name: str, points: Sequence[int], begin: int, end: int
    ) -> npt.NDArray[np.float32]:
        stored = LazyArray(self._path, name)
        values = [stored[point, :, begin:end] for point in points]
        return np.asarray(values, dtype=np.float32).reshape(len(points), 2, -1)


def _make_levels(group: h5py.Group, shape: tuple[int, ...]) -> dict[int, tuple[Any, Any]]:
    """Datasets (low, high) of each size of run."""
    n_frames, n_points, _ = shape
    lengths = {size: -(-n_frames // size) for size in sizes_of_levels(n_frames)}
    make_room(group, sum(lengths.values()) * n_points * 8)
    levels = {}
    for size, length in lengths.items():
        level = group.create_group(str(size))
        low, high = (
            level.create_dataset(name, (n_points, 2, length), np.float16)
            for name in ("low", "high")
        )
        levels[size] = (low, high)
    return levels


def _displacements(
    points: LazyArray, home: npt.NDArray[np.float32]
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Yield first frame and displacements (P, 2, n) of each block of frames."""
    n_rows = block_length(points.shape[1])
    for first in range(0, points.shape[0], n_rows):
        block = np.asarray(points[first : first + n_rows], dtype=np.float32) - home
        yield first, np.ascontiguousarray(block.transpose(1, 2, 0))


def _write_block(
    levels: dict[int, tuple[Any, Any]], first: int, block: npt.NDArray[np.float32]
) -> None:
    """Write the runs of a block at every level that has whole runs in it."""
    length = block_length(block.shape[0])
    low = high = block
    for size, (low_data, high_data) in levels.items():
        if size > length:
            return
        low, high = extremes(low, high, FACTOR)
        place = slice(first // size, first // size + low.shape[-1])
        low_data[:, :, place], high_data[:, :, place] = _as_half(low), _as_half(high)


def _write_coarse(levels: dict[int, tuple[Any, Any]], length: int) -> None:
    """Write the levels whose runs are longer than a block, each from the one below."""
    for size, (low_data, high_data) in levels.items():
        if size <= length:
            continue
        below_low, below_high = levels[size // FACTOR]
        n_points = max(_BLOCK_BYTES // (8 * below_low.shape[-1]), 1)
        for point in range(0, low_data.shape[0], n_points):
            part = slice(point, point + n_points)
            low, high = extremes(below_low[part], below_high[part], FACTOR)
            low_data[part], high_data[part] = _as_half(low), _as_half(high)


def _as_half(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    with np.errstate(over="ignore"):  # further than 65,504 px off is infinitely far
        return values.astype(np.float16)
