"""What the components of a model are about: frequency, place, direction, size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.decomposition.factors import Factors
from element_facerhythm.core.decomposition.model import CpModel
from element_facerhythm.core.decomposition.stability import congruence
from element_facerhythm.errors import ParameterError
from element_facerhythm.parameters.axes import FREQUENCY, POINTS, XY


@dataclass(frozen=True)
class ComponentSummary:
    """One component in plain numbers. NaN where the model has no such axis or the loadings vanish.

    All quantities use magnitudes of loadings, so they also hold for signed methods.

    Attributes
    ----------
    component_index
        Column of the factors.
    peak_frequency_hz
        Centre frequency of the bin with the largest loading, sign or not (`peak_frequencies_hz`).
    centroid_frequency_hz
        Mean of the centre frequencies, weighted by loading.
    bandwidth_hz
        Twice the loading-weighted standard deviation of the centre frequencies.
    weight
        Norm of the component as a tensor: its weight times the norms of its loadings.
    centroid_x_px, centroid_y_px
        Mean home position of the points, weighted by the sum of a point's x and y loadings.
    xy_ratio
        Share of x motion, 0 to 1: sum of squared x loadings over that of x and y loadings.
    explained_variance
        What the model's explained variance drops by without the component (see `CpModel`).
    squared_correlation
        Between tensor and component, 0 to 1 (see `CpModel`).
    stability
        How well it is found again from other starts, 0 to 1 (see `CpModel`); NaN where not known.
    """

    component_index: int
    peak_frequency_hz: float
    centroid_frequency_hz: float
    bandwidth_hz: float
    weight: float
    centroid_x_px: float
    centroid_y_px: float
    xy_ratio: float
    explained_variance: float
    squared_correlation: float
    stability: float


@dataclass(frozen=True)
class ComponentMatch:
    """Which component of one model is which of another.

    Attributes
    ----------
    indices
        Per component of the first model, the matching component of the second; -1 where the second
        has fewer.
    congruence
        Per component of the first model, the product over axes of the cosine between matched
        loadings (1: equal up to scale); 0 where there is no match.
    """

    indices: tuple[int, ...]
    congruence: Float64Array


def summarise_components(
    model: CpModel,
    factors: Factors | None = None,
    *,
    frequencies_hz: npt.ArrayLike,
    point_positions: npt.ArrayLike,
    n_points: int,
) -> tuple[ComponentSummary, ...]:
    """Summaries of all components, in the model's order.

    Works whether x and y are folded into the points (``(xy points)``) or an axis of their own.

    Parameters
    ----------
    model
        As decomposed (foldings not undone).
    factors
        Its loadings separated by video, which an axis that holds frequencies or points and the time of
        several videos needs; those of the model where None.
    frequencies_hz
        (F,) centre frequencies.
    point_positions
        (P, 2) home positions (x, y) in pixels.
    n_points
        Number of points P.

    Returns
    -------
    One summary per component; NaN as `ComponentSummary` states.

    Raises
    ------
    ParameterError
        Frequencies, positions and loadings differ in length.
    """
    frequencies = np.asarray(frequencies_hz, dtype=np.float64)
    positions = np.asarray(point_positions, dtype=np.float64)
    if positions.shape != (n_points, 2):
        raise ParameterError(
            f"point_positions have shape {positions.shape}; expected ({n_points}, 2)."
        )
    sizes = {XY: 2, POINTS: n_points, FREQUENCY: frequencies.size}
    of_model = Factors(model.factors, {}) if factors is None else factors
    by_axis = {part: _strengths(of_model, model, part, sizes, power=1) for part in sizes}
    directions = _strengths(of_model, model, XY, sizes, power=2)
    with np.errstate(invalid="ignore", over="ignore"):  # loadings that are not finite give NaN
        mean_frequency = _weighted_mean(frequencies[:, None], by_axis[FREQUENCY])
        mean_square = _weighted_mean(
            (frequencies[:, None] - mean_frequency) ** 2, by_axis[FREQUENCY]
        )
        columns = {
            "peak_frequency_hz": peak_frequencies_hz(by_axis[FREQUENCY], frequencies),
            "centroid_frequency_hz": mean_frequency,
            "bandwidth_hz": 2 * np.sqrt(mean_square),
            "weight": model.component_weights,
            "centroid_x_px": _weighted_mean(positions[:, :1], by_axis[POINTS]),
            "centroid_y_px": _weighted_mean(positions[:, 1:], by_axis[POINTS]),
            "xy_ratio": _weighted_mean(np.array([[1.0], [0.0]]), directions),
            "explained_variance": model.explained_variance,
            "squared_correlation": model.squared_correlation,
            "stability": np.full(model.rank, np.nan)
            if model.stability is None
            else model.stability,
        }
    return tuple(
        ComponentSummary(index, **{name: float(column[index]) for name, column in columns.items()})
        for index in range(model.rank)
    )


def peak_frequencies_hz(loadings: npt.ArrayLike, frequencies_hz: npt.ArrayLike) -> Float64Array:
    """(R,) centre frequency at which the magnitude of each component's loadings is largest.

    NaN where loadings vanish or are not finite.

    Parameters
    ----------
    loadings
        (F, R) loadings along the frequencies, with or without signs.
    frequencies_hz
        (F,) centre frequencies.

    Returns
    -------
    (R,) frequencies in Hz.
    """
    given = np.asarray(loadings)
    magnitudes = np.abs(given.astype(np.result_type(given, np.float64)))
    known = np.isfinite(magnitudes).all(axis=0) & (magnitudes.max(axis=0) > 0)
    peaks = np.asarray(frequencies_hz, dtype=np.float64)[np.argmax(magnitudes, axis=0)]
    return np.where(known, peaks, np.nan)


def largest_point_shares(
    model: CpModel,
    *,
    n_points: int,
    n_frequencies: int,
) -> Float64Array:
    """(R,) largest share that one point has of a component's squared loadings, x and y together.

    1 / n_points where all move alike, 1 where one moves alone; NaN where there is no axis of points, or
    the loadings vanish.

    Parameters
    ----------
    model
        As decomposed.
    n_points, n_frequencies
        Lengths of these axes.

    Returns
    -------
    (R,) shares, 0 to 1.

    Raises
    ------
    ParameterError
        The loadings differ in length.
    """
    sizes = {XY: 2, POINTS: n_points, FREQUENCY: n_frequencies}
    energies = _strengths(Factors(model.factors, {}), model, POINTS, sizes, power=2)
    totals = energies.sum(axis=0)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(energies.max(axis=0) / np.where(totals > 0, totals, np.nan))


def match_components(
    first: CpModel, second: CpModel, axes: Sequence[str] | None = None
) -> ComponentMatch:
    """Pair the components of two models so that the sum of congruences is largest.

    Parameters
    ----------
    first, second
        Models with the same axes; ranks may differ.
    axes
        Axes to compare; all of the first model where None.

    Returns
    -------
    ComponentMatch
        For each component of the first model.

    Raises
    ------
    ParameterError
        The models differ in an axis or its length.
    """
    from scipy.optimize import linear_sum_assignment  # slow import; readers need none

    compared = first.names if axes is None else axes
    for name in compared:
        if name not in first.factors or name not in second.factors:
            raise ParameterError(f"both models need an axis {name!r} to be compared along it.")
        lengths = [len(model.factors[name]) for model in (first, second)]
        if lengths[0] != lengths[1]:
            raise ParameterError(
                f"axis {name!r} has {lengths[0]} entries in one model, {lengths[1]} in the other."
            )
    alike = congruence(*([model.factors[name] for name in compared] for model in (first, second)))
    rows, columns = linear_sum_assignment(-alike)
    indices, matched = np.full(first.rank, -1), np.zeros(first.rank)
    indices[rows], matched[rows] = columns, alike[rows, columns]
    return ComponentMatch(tuple(int(index) for index in indices), matched)


def describe(summaries: Sequence[ComponentSummary]) -> str:
    """One line of text per component, for logs and terminals."""
    return "\n".join(
        f"component {s.component_index}: {s.peak_frequency_hz:.3g} Hz "
        f"(mean {s.centroid_frequency_hz:.3g}, bandwidth {s.bandwidth_hz:.3g}) around "
        f"({s.centroid_x_px:.1f}, {s.centroid_y_px:.1f}) px, {100 * s.xy_ratio:.0f} % along x, "
        f"explained variance {100 * s.explained_variance:.1f} %"
        for s in summaries
    )


def _strengths(
    factors: Factors, model: CpModel, part: str, sizes: dict[str, int], power: int
) -> Float64Array:
    found = factors.strengths(part, sizes, power=power)
    return np.full((sizes[part], model.rank), np.nan) if found is None else found


def _weighted_mean(values: Float64Array, loadings: Float64Array) -> Float64Array:
    total = loadings.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((values * loadings).sum(axis=0) / np.where(total > 0, total, np.nan))
