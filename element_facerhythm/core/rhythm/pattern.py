"""The spatial pattern of a rhythm: how much, and in which direction, each point counts in its displacement.

A component says how strongly a point takes part, without a sign. Direction and sign are those of its mean
cycle at phase 0 (`core.mean_cycle`), the moment at which the coordinate that takes part most is furthest to
the right, or furthest down: so this direction is the positive one. A point that moves in quadrature with the
rhythm is in its middle at that moment, and counts nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.mean_cycle import Complex128Array
from element_facerhythm.errors import ParameterError


def rhythm_pattern(amplitudes_px: Complex128Array, loadings: npt.ArrayLike) -> Float64Array:
    """Weights with which displacements along x and y sum to the displacement of a rhythm.

    Parameters
    ----------
    amplitudes_px
        (P, 2) complex amplitudes of the mean cycle; see `core.mean_cycle.MeanCycle`.
    loadings
        (2, P) loadings of the component along x and y, or (1, P) of both; magnitudes are taken.

    Returns
    -------
    (P, 2) weights. Along the direction in which a point moves they are, in magnitude, its share: shares sum
    to 1, so that the sum is a mean of displacements in px.

    Raises
    ------
    ParameterError
        No point that takes part moves along with the rhythm.
    """
    strengths = np.linalg.norm(np.abs(np.asarray(loadings)).astype(np.float64), axis=0)
    sizes = np.linalg.norm(amplitudes_px, axis=1)
    moves = sizes > 0
    in_phase = np.real(amplitudes_px) / np.where(moves, sizes, 1.0)[:, None]
    weights = np.where(moves, strengths, 0.0)[:, None] * in_phase
    total = float(np.linalg.norm(weights, axis=1).sum())
    if not total > 0:
        raise ParameterError("no point that takes part moves along with the rhythm.")
    return weights / total
