"""Spectrograms of several sessions at the same places and frequencies, read in slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.sessions.common_axes import spacing_px
from element_facerhythm.errors import RequestError

_REACH = 1.0  # spacings from the nearest point, as far as a session is known
_LEAST_SHARED = 0.5


@dataclass(frozen=True, eq=False)
class SessionGrid:
    """Where and at what frequencies a session was analysed.

    Attributes
    ----------
    session
        Its name.
    positions_px
        (P, 2) seed positions in the pixels of the reference.
    frequencies_hz
        (F,) centre frequencies, ascending.
    """

    session: str
    positions_px: Float64Array
    frequencies_hz: Float64Array


def shared_grid(reference: SessionGrid, others: Sequence[SessionGrid]) -> SessionGrid:
    """Return points and frequencies of the reference that all other sessions have, too.

    Parameters
    ----------
    reference
        Whose points and frequencies they are.
    others
        The other sessions. A place counts as theirs within one spacing of their points, a frequency within
        their range.

    Raises
    ------
    RequestError
        A session shares less than half of the points of the reference, or fewer than two frequencies.
    """
    from scipy.spatial import cKDTree

    places = np.ones(len(reference.positions_px), bool)
    known = np.ones(len(reference.frequencies_hz), bool)
    for other in others:
        distances, _ = cKDTree(other.positions_px).query(reference.positions_px)
        shared = distances <= _REACH * spacing_px(other.positions_px)
        if shared.mean() < _LEAST_SHARED:
            raise RequestError(
                f"{other.session} has points at {100 * shared.mean():.0f} % of the places of "
                f"{reference.session}; a joint decomposition needs at least {100 * _LEAST_SHARED:.0f} %"
            )
        places &= shared
        low, high = other.frequencies_hz[[0, -1]]
        known &= (reference.frequencies_hz >= low) & (reference.frequencies_hz <= high)
        if known.sum() < 2:
            raise RequestError(
                f"{other.session} has frequencies from {low:g} to {high:g} Hz: fewer than two of "
                f"{reference.session} lie in the ranges of all sessions"
            )
    if places.mean() < _LEAST_SHARED:
        raise RequestError(
            f"all sessions together share {100 * places.mean():.0f} % of the places of {reference.session}; "
            f"a joint decomposition needs at least {100 * _LEAST_SHARED:.0f} %"
        )
    return SessionGrid(
        reference.session, reference.positions_px[places], reference.frequencies_hz[known]
    )


class ResampledSpectrogram:
    """A spectrogram at other places and frequencies, interpolated as it is read.

    It has `shape` and `dtype` and takes slices, which is what `decompose` asks for; nothing of it is kept.
    Magnitudes are interpolated: linearly between points (that of the nearest point outside of them), and
    linearly in the logarithm of the frequency.

    Parameters
    ----------
    spectrogram
        (2, P, F, W) of the session, in memory or read in slices; of complex ones, the magnitudes count.
    own
        Its points and frequencies.
    wanted
        Those to be had, each within reach of the session's own (`shared_grid`).
    """

    def __init__(self, spectrogram: Any, own: SessionGrid, wanted: SessionGrid) -> None:
        self._spectrogram = spectrogram
        self._points, self._weights = _between_points(own.positions_px, wanted.positions_px)
        at = np.interp(
            np.log(wanted.frequencies_hz),
            np.log(own.frequencies_hz),
            np.arange(len(own.frequencies_hz), dtype=np.float64),
        )
        self._below = np.minimum(at.astype(int), len(own.frequencies_hz) - 2)
        self._share = (at - self._below).astype(np.float32)
        self.shape = (2, len(self._points), len(at), int(spectrogram.shape[3]))
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, index: slice | tuple[slice, ...]) -> npt.NDArray[np.float32]:
        """Read a part, by up to four slices with step 1."""
        given = index if isinstance(index, tuple) else (index,)
        parts = [part.indices(n) for part, n in zip(given, self.shape, strict=False)]
        parts += [(0, n, 1) for n in self.shape[len(parts) :]]
        (xy, points, bins, windows) = (slice(start, stop) for start, stop, _ in parts)
        chosen, weights = self._points[points], self._weights[points]
        below, share = self._below[bins], self._share[bins]
        first, last = (int(chosen.min()), int(chosen.max())) if chosen.size else (0, -1)
        low, high = (int(below.min()), int(below.max()) + 1) if below.size else (0, -1)
        block = np.abs(self._spectrogram[xy, first : last + 1, low : high + 1, windows])
        block = block.astype(np.float32, copy=False)
        between = np.zeros((len(block), len(chosen), *block.shape[2:]), np.float32)
        for place, weight in zip(chosen.T, weights.T, strict=True):
            between += weight[:, None, None] * block[:, place - first]
        lower, upper = between[:, :, below - low], between[:, :, below - low + 1]
        return np.asarray(lower + share[:, None] * (upper - lower), dtype=np.float32)


def _between_points(
    positions: Float64Array, nodes: Float64Array
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """(N, 3) points around each node, and their weights, which sum to 1."""
    from scipy.spatial import Delaunay, QhullError, cKDTree

    _, nearest = cKDTree(positions).query(nodes)
    points = np.repeat(np.asarray(nearest, np.int64)[:, None], 3, axis=1)
    weights = np.tile(np.array([1.0, 0.0, 0.0]), (len(nodes), 1))
    try:
        triangles = Delaunay(positions)
    except QhullError:  # fewer than three points, or all on a line
        return points, weights.astype(np.float32)
    found = triangles.find_simplex(nodes)
    inside = found >= 0
    transform = triangles.transform[found[inside]]
    two = np.einsum("nij,nj->ni", transform[:, :2], nodes[inside] - transform[:, 2])
    points[inside] = triangles.simplices[found[inside]]
    weights[inside] = np.column_stack([two, 1 - two.sum(axis=1)])
    is_thin = ~np.isfinite(weights).all(axis=1)
    points[is_thin], weights[is_thin] = np.asarray(nearest)[is_thin, None], (1.0, 0.0, 0.0)
    return points, weights.astype(np.float32)
