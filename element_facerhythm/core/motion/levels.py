"""The gray level that parts values in two (Otsu 1979)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    levels = np.arange(_N_LEVELS, dtype=np.float64)
    n_all = counts.sum()
    mean = (counts * levels).sum() / n_all
    n_dark = np.cumsum(counts)[:-1]
    sum_dark = np.cumsum(counts * levels)[:-1]
    n_light = n_all - n_dark
    is_split = (n_dark > 0) & (n_light > 0)
    if not is_split.any():
        return float(mean) + 0.5, 0.0, 0.0
    mean_dark = sum_dark / np.where(n_dark > 0, n_dark, 1)
    mean_light = (mean * n_all - sum_dark) / np.where(n_light > 0, n_light, 1)
    between = np.where(is_split, n_dark * n_light * (mean_light - mean_dark) ** 2, 0) / n_all**2
    # between two peaks all levels part alike: the middle of them
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    k = int(best[len(best) // 2])
    variance = (counts * (levels - mean) ** 2).sum() / n_all
    return (
        float(best[0] + best[-1]) / 2 + 1.0,
        float(between[k] / variance),
        float(mean_light[k] - mean_dark[k]),
    )
