"""The gray level that parts values in two (Otsu 1979)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.compiled import compiled

_N_LEVELS = 256


def histogram(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Count values (N,) between 0 and 255 by whole gray level: (256,)."""
    return np.bincount(values.astype(np.intp), minlength=_N_LEVELS).astype(np.float64)


def parting_level(counts: NDArray[np.float64]) -> tuple[float, float, float]:
    """Level that parts a histogram, and how well.

    Parameters
    ----------
    counts
        (256,) number of values of each gray level.

    Returns
    -------
    level, share, distance
        Values below `level` are of the darker class; the share of the variance that lies between the
        classes, 0 to 1; and the distance of their means in gray levels. Of one level alone, the share and
        the distance are 0.
    """
    level, share, distance = _parted(counts)
    return float(level), float(share), float(distance)


@compiled
def _parted(counts):  # type: ignore[no-untyped-def]
    n_all = counts.sum()
    total = square = 0.0
    for k in range(_N_LEVELS):
        total += counts[k] * k
        square += counts[k] * k * k
    mean = total / n_all
    between = np.zeros(_N_LEVELS)
    n_dark = sum_dark = most = 0.0
    for k in range(_N_LEVELS - 1):
        n_dark += counts[k]
        sum_dark += counts[k] * k
        if 0 < n_dark < n_all:
            apart = (total - sum_dark) / (n_all - n_dark) - sum_dark / n_dark
            between[k] = n_dark * (n_all - n_dark) * apart * apart / (n_all * n_all)
            most = max(most, between[k])
    if most == 0.0:
        return mean + 0.5, 0.0, 0.0
    first = last = -1
    for k in range(_N_LEVELS - 1):  # between two peaks all levels part alike: the middle of them
        if between[k] >= most * (1 - 1e-9):
            first, last = (k if first < 0 else first), k
    n_dark = sum_dark = 0.0
    for k in range(first + 1):
        n_dark += counts[k]
        sum_dark += counts[k] * k
    distance = (total - sum_dark) / (n_all - n_dark) - sum_dark / n_dark
    return (first + last) / 2 + 1.0, most / (square / n_all - mean * mean), distance
