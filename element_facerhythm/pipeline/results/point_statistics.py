"""Movement of each point, from tracks that need not fit in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_BLOCK_BYTES = 32 << 20


class _Sliceable(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, key: slice, /) -> NDArray[np.floating]: ...


def mean_over_frames(values: _Sliceable) -> NDArray[np.float64]:
    """Mean (P,) over the frames of (T, P) values, which are read in blocks."""
    rows = max(_BLOCK_BYTES // max(8 * values.shape[1], 1), 1)
    total = np.zeros(values.shape[1])
    for start in range(0, values.shape[0], rows):
        total += np.asarray(values[start : start + rows], dtype=np.float64).sum(axis=0)
    return total / max(values.shape[0], 1)


@dataclass
class PointStatistics:
    """Running sums over the videos of a recording, each array (P,) float64.

    Feed it with `add_video`; the properties are valid at any time after the first.
    """

    point_positions: NDArray[np.float32]
    n_frames: int = 0
    _square: NDArray[np.float64] = field(init=False)
    _largest: NDArray[np.float64] = field(init=False)
    _path: NDArray[np.float64] = field(init=False)
    _flagged: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        n_points = len(self.point_positions)
        self._square = np.zeros(n_points)
        self._largest = np.zeros(n_points)
        self._path = np.zeros(n_points)
        self._flagged = np.zeros(n_points, dtype=np.int64)

    def add_video(self, points: _Sliceable, violation_cols: NDArray[np.int32]) -> None:
        """Add the tracks of one video.

        They are read in blocks of frames of at most 32 MB. No step is counted from the last
        frame of one video to the first of the next. Of a point whose track is not finite somewhere, the sums
        are not either.

        Parameters
        ----------
        points
            (T, P, 2) positions in pixels, an array or a dataset.
        violation_cols
            (N,) point of every flag.
        """
        n_frames = points.shape[0]
        rows = max(_BLOCK_BYTES // max(16 * points.shape[1], 1), 1)
        previous: NDArray[np.float64] | None = None
        for start in range(0, n_frames, rows):
            block = np.asarray(points[start : start + rows], dtype=np.float64)
            bridged = block if previous is None else np.concatenate([previous[None], block])
            with np.errstate(invalid="ignore"):
                displacement = np.linalg.norm(block - self.point_positions, axis=2)
                self._square += np.square(displacement).sum(axis=0)
                np.maximum(self._largest, displacement.max(axis=0), out=self._largest)
                self._path += np.linalg.norm(np.diff(bridged, axis=0), axis=2).sum(axis=0)
            previous = block[-1]
        self._flagged += np.bincount(violation_cols, minlength=len(self.point_positions))
        self.n_frames += n_frames

    @property
    def rms_displacement_px(self) -> NDArray[np.float64]:
        """Root mean square distance from the seed position."""
        return np.sqrt(self._square / max(self.n_frames, 1))

    @property
    def max_displacement_px(self) -> NDArray[np.float64]:
        """Largest distance from the seed position."""
        return self._largest

    @property
    def path_length_px(self) -> NDArray[np.float64]:
        """Summed distance between successive frames."""
        return self._path

    @property
    def violation_fraction(self) -> NDArray[np.float64]:
        """Fraction of frames in which the point was flagged."""
        return self._flagged / max(self.n_frames, 1)
