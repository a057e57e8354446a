"""How far tracks, spectral peaks and components are from what was planted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.planted import PlantedScene

FloatArray = npt.NDArray[np.floating[Any]]

PEAK_REACH_BINS = 3
WORST_SHARE = 0.05
"""Of point-frames, which confidence is to tell."""
TENSOR_AXES = ("(xy points)", "frequency", "(time trials)")


def endpoint_errors(
    points: FloatArray, ideal: FloatArray, in_view: npt.NDArray[np.bool_]
) -> dict[str, float]:
    """Median and 95th percentile of the distance to the ideal track, and its growth.

    Parameters
    ----------
    points, ideal
        (T, P, 2) positions in pixels.
    in_view
        (T, P) where a point is not hidden.

    Returns
    -------
    dict
        ``median_px``, ``p95_px``; ``drift_px``: growth per 1,000 frames of the length of the error,
        averaged over points (least squares over time).
    """
    length = np.linalg.norm(points - ideal, axis=-1)
    shown = np.flatnonzero(in_view.any(axis=1))
    mean = np.nanmean(np.where(in_view, length, np.nan)[shown], axis=1)
    slope = np.polyfit(shown, mean, 1)[0]
    return {
        "median_px": float(np.median(length[in_view])),
        "p95_px": float(np.quantile(length[in_view], 0.95)),
        "drift_px": float(abs(slope) * 1000),
    }


def confidence_auc(confidence: FloatArray, error_px: FloatArray) -> float:
    """How well confidence tells the worst twentieth of all point-frames from the others.

    Parameters
    ----------
    confidence, error_px
        (T, P), and distance to the truth, of hidden points, too.

    Returns
    -------
    float
        Probability that one of the others has more confidence than one of the worst (the area under the
        receiver operating characteristic).
    """
    from scipy.stats import rankdata

    is_worst = (error_px > np.quantile(error_px, 1 - WORST_SHARE)).ravel()
    n_worst, n_others = int(is_worst.sum()), int((~is_worst).sum())
    ranks = rankdata(np.asarray(confidence, np.float64).ravel())
    above = ranks[~is_worst].sum() - n_others * (n_others + 1) / 2
    return float(above / (n_others * n_worst))


def mean_power(spectrogram: FloatArray, moving: npt.NDArray[np.bool_]) -> FloatArray:
    """(F,) power of a (2, P, F, W) spectrogram, averaged over the moving points (P,) and windows."""
    return np.mean(np.asarray(spectrogram, np.float64)[:, moving] ** 2, axis=(0, 1, 3))


def peak_bin(power: FloatArray, near_bin: int) -> float:
    """Place of a spectral peak, in bins.

    Parameters
    ----------
    power
        (F,) power.
    near_bin
        The peak is searched up to `PEAK_REACH_BINS` from here: where noise is stronger than a weak
        rhythm, the largest bin of all says nothing about the rhythm.

    Returns
    -------
    float
        The vertex of the parabola through the logarithm of the largest bin and its neighbours.
    """
    first = max(near_bin - PEAK_REACH_BINS, 1)
    last = min(near_bin + PEAK_REACH_BINS, len(power) - 2)
    top = first + int(np.argmax(power[first : last + 1]))
    left, middle, right = np.log(power[top - 1 : top + 2])
    curvature = float(left - 2 * middle + right)
    return top + 0.5 * float(left - right) / curvature if curvature < 0 else float(top)


def planted_components(
    scene: PlantedScene, spectrograms_of_sources: list[FloatArray]
) -> list[list[FloatArray]]:
    """Return loadings over points, frequency and time of each source alone: its best rank-one tensor.

    Parameters
    ----------
    spectrograms_of_sources
        (2, P, F, W) spectrogram of the ideal track of each source by itself.
    """
    components = []
    for spectrogram in spectrograms_of_sources:
        tensor = np.asarray(spectrogram, np.float64)
        tensor = tensor.reshape(-1, *tensor.shape[2:])
        components.append(_rank_one(tensor))
    if len(components) != len(scene.sources):
        raise ValueError(f"{len(components)} spectrograms for {len(scene.sources)} sources")
    return components


def _rank_one(tensor: FloatArray) -> list[FloatArray]:
    """Alternate least squares from the means; a non-negative tensor keeps non-negative loadings."""
    loadings = [np.mean(tensor, axis=axes) for axes in ((1, 2), (0, 2), (0, 1))]
    for _ in range(50):
        for i, subscripts in enumerate(("abc,b,c->a", "abc,a,c->b", "abc,a,b->c")):
            others = [loadings[j] for j in range(3) if j != i]
            product = np.einsum(subscripts, tensor, *others)
            loadings[i] = product / np.linalg.norm(product)
    return loadings


def congruences(planted: list[list[FloatArray]], factors: dict[str, FloatArray]) -> list[float]:
    """Tucker's congruence of each planted component with the one that was found for it.

    It is the product over points, frequency and time of the cosines between loadings (Tomasi & Bro,
    "A comparison of algorithms for fitting the PARAFAC model", 2006); components are paired so that
    the sum is largest.
    """
    from scipy.optimize import linear_sum_assignment

    score = np.ones((len(planted), factors[TENSOR_AXES[0]].shape[1]))
    for axis, name in enumerate(TENSOR_AXES):
        found = np.asarray(factors[name], np.float64)
        found = found / np.maximum(np.linalg.norm(found, axis=0), 1e-300)
        true = np.stack([component[axis] for component in planted])
        score *= np.abs(true / np.linalg.norm(true, axis=1, keepdims=True) @ found)
    rows, columns = linear_sum_assignment(-score)
    return [float(value) for value in score[rows, columns]]
