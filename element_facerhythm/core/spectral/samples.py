"""Equally spaced samples of tracks whose frames are not, and parts of long arrays.

A sample between frames lies on the polynomial through the three frames before and the three after it
(Lagrange, at the frames' own places); a sample at a frame is that frame. Fewer frames lose fast motion, more
of them follow noise where several are missing. The samples depend on nothing but the frames beside them,
so tracks can be read block by block.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.spectral.normalisation import ArrayLike3D

_N_NEIGHBOURS = 6


class SampledPoints:
    """Samples of a stretch of tracks, read when they are asked for.

    Parameters
    ----------
    points
        (T, P, 2) tracks.
    first, stop
        Frames of the stretch.
    knots
        (stop - first,) place of each frame on an axis on which the samples are 0, 1, 2 ...; None where the
        frames are the samples.
    """

    def __init__(
        self,
        points: ArrayLike3D,
        first: int,
        stop: int,
        knots: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self._points, self._first, self._knots = points, first, knots
        n_samples = stop - first if knots is None else int(knots[-1] + 1e-6) + 1
        self.shape = (n_samples, *points.shape[1:])

    def __getitem__(self, index: tuple[slice, slice]) -> npt.NDArray[np.float32]:
        """(n, p, 2) samples of a slice of samples and one of points."""
        samples, group = index
        first, stop, _ = samples.indices(self.shape[0])
        if self._knots is None:
            rows = slice(self._first + first, self._first + stop)
            return np.asarray(self._points[rows, group], dtype=np.float32)
        return self._interpolated(self._knots, first, stop, group)

    def _interpolated(
        self, knots: npt.NDArray[np.float64], first: int, stop: int, group: slice
    ) -> npt.NDArray[np.float32]:
        places = np.arange(first, stop, dtype=np.float64)
        n_neighbours = min(_N_NEIGHBOURS, len(knots))
        # the frames whose polynomial a sample lies on: as many before it as after, but at the ends
        before = np.searchsorted(knots, places, side="right") - n_neighbours // 2
        start = np.clip(before, 0, len(knots) - n_neighbours)
        low, high = int(start.min()), int(start.max()) + n_neighbours
        rows = slice(self._first + low, self._first + high)
        tracks = np.asarray(self._points[rows, group], dtype=np.float32)
        frames = start[:, None] + np.arange(n_neighbours)
        weights = lagrange_weights(knots[frames], places)
        samples = np.zeros((len(places), *tracks.shape[1:]), dtype=np.float32)
        for i in range(n_neighbours):
            samples += weights[:, i, None, None].astype(np.float32) * tracks[frames[:, i] - low]
        return samples


def lagrange_weights(
    knots: npt.NDArray[np.float64], places: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Weights with which values at knots give the polynomial through them (Lagrange's formula).

    Parameters
    ----------
    knots
        (N, K) places of the K values of each polynomial, all different.
    places
        (N,) where each polynomial is evaluated.

    Returns
    -------
    (N, K) weights; each row adds up to 1.
    """
    n = knots.shape[1]
    weights = np.ones(knots.shape)
    for i in range(n):
        for j in range(n):
            if i != j:
                weights[:, i] *= (places - knots[:, j]) / (knots[:, i] - knots[:, j])
    return weights


class WindowsOf:
    """Windows ``[first, first + n)`` of a (2, P, F, W) array, to write to and to read again."""

    def __init__(self, target: Any, first: int, n_windows: int) -> None:
        self._target, self._first = target, first
        self.shape = (*target.shape[:3], n_windows)

    def _moved(self, index: tuple[Any, ...]) -> tuple[Any, ...]:
        *rest, windows = index
        return (*rest, slice(self._first + windows.start, self._first + windows.stop))

    def __getitem__(self, index: tuple[Any, ...]) -> Any:
        """Read some of the windows."""
        return self._target[self._moved(index)]

    def __setitem__(self, index: tuple[Any, ...], values: Any) -> None:
        """Write some of the windows."""
        self._target[self._moved(index)] = values
