"""What the components of a model are about: frequency, place, direction, size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from element_facerhythm.core.decomposition.axes import SPECTROGRAM_AXES, axis_parts
from element_facerhythm.core.decomposition.model import CpModel
from element_facerhythm.core.decomposition.stability import unit_columns
from element_facerhythm.errors import ParameterError

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ComponentSummary:
    """One component in plain numbers. NaN where the model has no such axis or the loadings vanish.

    All quantities use magnitudes of loadings, so they also hold for signed methods.

    Attributes
    ----------
    component_index
        Column of the factors.
    peak_frequency_hz
        Centre frequency of the bin with the largest loading.
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
        Share of the tensor's variance that the component explains alone (see `CpModel`).
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
    *,
    frequencies_hz: npt.ArrayLike,
    point_positions: npt.ArrayLike,
    n_points: int,
    dim_names: Sequence[str] = SPECTROGRAM_AXES,
) -> tuple[ComponentSummary, ...]:
    """Summaries of all components, in the model's order.

    Works whether x and y are folded into the points (``(xy points)``) or an axis of their own.

    Parameters
    ----------
    model
        As decomposed (foldings not undone).
    frequencies_hz
        (F,) centre frequencies.
    point_positions
        (P, 2) home positions (x, y) in pixels.
    n_points
        Number of points P.
    dim_names
        What the axes (xy, points, frequency, time) are called in the model.

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
    sizes = dict(zip(dim_names, (2, n_points, frequencies.size), strict=False))
    by_axis = {part: _part_loadings(model, part, sizes, power=1) for part in sizes}
    directions = _part_loadings(model, dim_names[0], sizes, power=2)
    mean_frequency = _weighted_mean(frequencies[:, None], by_axis[dim_names[2]])
    mean_square = _weighted_mean(
        (frequencies[:, None] - mean_frequency) ** 2, by_axis[dim_names[2]]
    )
    columns = {
        "peak_frequency_hz": _peak(frequencies, by_axis[dim_names[2]]),
        "centroid_frequency_hz": mean_frequency,
        "bandwidth_hz": 2 * np.sqrt(mean_square),
        "weight": model.component_weights,
        "centroid_x_px": _weighted_mean(positions[:, :1], by_axis[dim_names[1]]),
        "centroid_y_px": _weighted_mean(positions[:, 1:], by_axis[dim_names[1]]),
        "xy_ratio": _weighted_mean(np.array([[1.0], [0.0]]), directions),
        "explained_variance": model.explained_variance,
        "stability": np.full(model.rank, np.nan) if model.stability is None else model.stability,
    }
    return tuple(
        ComponentSummary(index, **{name: float(column[index]) for name, column in columns.items()})
        for index in range(model.rank)
    )


def largest_point_shares(
    model: CpModel,
    *,
    n_points: int,
    n_frequencies: int,
    dim_names: Sequence[str] = SPECTROGRAM_AXES,
) -> Float64Array:
    """(R,) largest share that one point has of a component's squared loadings, x and y together.

    1 / n_points where all move alike, 1 where one moves alone; NaN where there is no axis of points, or
    the loadings vanish. Arguments as of `summarise_components`.
    """
    sizes = dict(zip(dim_names, (2, n_points, n_frequencies), strict=False))
    energies = _part_loadings(model, dim_names[1], sizes, power=2)
    totals = energies.sum(axis=0)
    with np.errstate(invalid="ignore"):
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

    Raises
    ------
    ParameterError
        The models differ in an axis or its length.
    """
    congruence: Any = 1.0
    for name in first.names if axes is None else axes:
        if name not in first.factors or name not in second.factors:
            raise ParameterError(f"both models need an axis {name!r} to be compared along it.")
        a, b = unit_columns(first.factors[name]), unit_columns(second.factors[name])
        if a.shape[0] != b.shape[0]:
            raise ParameterError(
                f"axis {name!r} has {a.shape[0]} entries in one model, {b.shape[0]} in the other."
            )
        congruence = congruence * np.abs(a.T @ b)
    rows, columns = linear_sum_assignment(-congruence)
    indices, matched = np.full(first.rank, -1), np.zeros(first.rank)
    indices[rows], matched[rows] = columns, congruence[rows, columns]
    return ComponentMatch(tuple(int(index) for index in indices), matched)


def describe(summaries: Sequence[ComponentSummary]) -> str:
    """One line of text per component, for logs and terminals."""
    return "\n".join(
        f"component {s.component_index}: {s.peak_frequency_hz:.3g} Hz "
        f"(mean {s.centroid_frequency_hz:.3g}, bandwidth {s.bandwidth_hz:.3g}) around "
        f"({s.centroid_x_px:.1f}, {s.centroid_y_px:.1f}) px, {100 * s.xy_ratio:.0f} % along x, "
        f"explains {100 * s.explained_variance:.1f} % of the variance"
        for s in summaries
    )


def _part_loadings(model: CpModel, part: str, sizes: dict[str, int], power: int) -> Float64Array:
    """(size, R) sums of ``|loading| ** power`` over whatever else is folded into the same axis."""
    holder = [name for name in model.names if part in axis_parts(name)]
    if not holder:
        return np.full((sizes[part], model.rank), np.nan)
    magnitudes = np.abs(model.factors[holder[0]]).astype(np.float64) ** power
    parts = axis_parts(holder[0])
    before = [sizes.get(other, -1) for other in parts[: parts.index(part)]]
    if all(other in sizes for other in parts):
        before, after = before, [sizes[other] for other in parts[parts.index(part) + 1 :]]
        n_outer, n_inner = int(np.prod(before)), int(np.prod(after))
    elif parts.index(part) == 0:
        n_outer, n_inner = 1, magnitudes.shape[0] // sizes[part]
    else:
        return np.full((sizes[part], model.rank), np.nan)
    if n_outer * n_inner * sizes[part] != magnitudes.shape[0]:
        raise ParameterError(
            f"axis {holder[0]!r} has {magnitudes.shape[0]} loadings, which does not fit "
            f"{sizes[part]} entries of {part!r}."
        )
    folded = magnitudes.reshape(n_outer, sizes[part], n_inner, model.rank)
    return np.asarray(folded.sum(axis=(0, 2)))


def _weighted_mean(values: Float64Array, loadings: Float64Array) -> Float64Array:
    total = loadings.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((values * loadings).sum(axis=0) / np.where(total > 0, total, np.nan))


def _peak(frequencies: Float64Array, loadings: Float64Array) -> Float64Array:
    peaks = frequencies[np.argmax(loadings, axis=0)]
    return np.where(loadings.sum(axis=0) > 0, peaks, np.nan)
