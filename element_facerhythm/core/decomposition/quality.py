"""How well components fit a tensor, without ever building the reconstruction.

For a tensor X of n entries and components C_r = outer product of the columns r of all factors,
everything follows from a few float64 sums, taken block after block:

    sum X, ||X||^2, <X, C_r>                  one pass over the tensor each
    sum C_r        = product over axes of the column sums
    <C_r, C_s>     = product over axes of the Gram matrices, entry (r, s)

    ||X - X_hat||^2       = ||X||^2 - 2 sum_r w_r <X, C_r> + w' G w
    explained variance    = 1 - ||X - X_hat||^2 / ||X||^2                                 of the model
    explained variance_r  = (||X - X_hat + w_r C_r||^2 - ||X - X_hat||^2) / ||X||^2       of a component
                          = (2 w_r (<X, C_r> - (G w)_r) + w_r^2 G_rr) / ||X||^2
    R squared             = 1 - var(X - X_hat) / var X                                    of the model
    squared correlation_r = (<X, C_r> - sum X sum C_r / n)^2 / (n^2 var X var C_r)        of a component

The explained variance of a component is what that of the model drops by when the component is left out; the
others stay as they are (nothing is fitted again). Summed over components it is the model's, less

    sum over pairs r != s of w_r w_s <C_r, C_s> / ||X||^2

which is not negative where no loading and no weight is: non-negative components together never explain more
than their model, and as much where no two overlap. Components with signs may explain more. A component that
makes the fit worse has a negative one. Sums of squares are about zero, not about the mean: about the mean,
components that exclude each other would explain more than their model.

The squared correlation is the share of the variance about the mean that a component explains alone, shifted
and scaled to fit best: the number that face-rhythm's `order_factors_by_EVR` sorts by. Over overlapping
components it adds up to anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.decomposition.block_tensor import BlockTensor, dense_tensor
from element_facerhythm.core.decomposition.model import CpModel, FloatArray
from element_facerhythm.errors import ParameterError, ProcessingError

# Entries converted to float64 at a time (8 MiB).
_ENTRIES_PER_BLOCK = 2**20
# Entries summed at a time: 512 KiB in float64, which stay in the cache.
_ENTRIES_AT_ONCE = 2**16


@dataclass(frozen=True)
class TensorSums:
    """Float64 sums over a tensor's entries; not finite where an entry is not."""

    n_entries: int
    total: float
    square: float
    minimum: float

    @property
    def centred_square(self) -> float:
        """Number of entries times the variance."""
        return self.square - self.total**2 / self.n_entries


@dataclass(frozen=True)
class _ComponentSums:
    """Float64 sums over components that all measures of fit are made of."""

    products: Float64Array  # (R,) <X, C_r>
    totals: Float64Array  # (R,) sum of C_r
    gram: Float64Array  # (R, R) <C_r, C_s>


def tensor_sums(tensor: BlockTensor) -> TensorSums:
    """Sum over a tensor, in one pass."""
    total = square = 0.0
    minimum = np.inf
    for _, rows in tensor.blocks():
        entries = np.ascontiguousarray(rows).reshape(-1)
        for start in range(0, entries.size, _ENTRIES_AT_ONCE):
            values = entries[start : start + _ENTRIES_AT_ONCE].astype(np.float64)
            total += float(values.sum())
            square += float(np.dot(values, values))
            minimum = min(minimum, float(values.min()))
    return TensorSums(tensor.size, total, square, minimum)


def model_from_factors(
    tensor: BlockTensor | npt.NDArray[Any],
    names: Sequence[str],
    factors: Mapping[str, npt.ArrayLike],
    weights: npt.ArrayLike | None = None,
    *,
    sums: TensorSums | None = None,
    n_iterations: int | None = None,
    stability: npt.ArrayLike | None = None,
) -> CpModel:
    """Make a model of `tensor` from given loadings, by any solver; their order is kept.

    Measures of fit that use a loading or weight which is not finite are NaN.

    Parameters
    ----------
    tensor
        The tensor that the loadings describe, in blocks or as an array.
    names
        Its axis names, in order.
    factors
        Per axis name, (n, R) loadings.
    weights
        (R,) factors of the components; None stands for ones.
    sums
        Of the tensor, where they are known.
    n_iterations
        Iterations that the fit took, where known.
    stability
        (R,) agreement over restarts, where known.

    Returns
    -------
    CpModel
        With its measures of fit.

    Raises
    ------
    ParameterError
        Names, loadings and tensor do not fit together.
    ProcessingError
        The tensor is zero everywhere, or not finite.
    """
    arrays = _checked_factors(tensor.shape, names, factors)
    if not isinstance(tensor, BlockTensor):
        tensor = dense_tensor(tensor, tuple(names))
    rank = next(iter(arrays.values())).shape[1]
    weight_array = np.ones(rank, np.float32) if weights is None else np.asarray(weights)
    if weight_array.shape != (rank,):
        raise ParameterError(f"weights have shape {weight_array.shape}; expected ({rank},).")
    sums = tensor_sums(tensor) if sums is None else sums
    require_signal(sums)
    scales = weight_array.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite gives NaN
        components = _component_sums(tensor, list(arrays.values()))
        residual = _residual_square(sums, components, scales)
        return CpModel(
            names=tuple(names),
            factors=arrays,
            weights=weight_array,
            explained_variance=_explained_by_each(sums, components, scales),
            squared_correlation=_squared_correlations(sums, components),
            relative_error=_relative_error(sums, residual),
            r_squared=_r_squared(sums, components, scales, residual),
            n_iterations=n_iterations,
            stability=None if stability is None else np.asarray(stability),
        )


def require_signal(sums: TensorSums) -> None:
    """Raise `ProcessingError` where a tensor is zero everywhere, or not finite."""
    if not np.isfinite(sums.square):
        raise ProcessingError("the tensor to decompose holds values that are not finite.")
    if not sums.square > 0:
        raise ProcessingError("the tensor to decompose is zero everywhere: no point moves.")


def order_components(model: CpModel) -> CpModel:
    """Sort components in descending order of their squared correlation with the tensor."""
    order = np.argsort(-model.squared_correlation, kind="stable")
    return replace(
        model,
        factors={name: np.ascontiguousarray(f[:, order]) for name, f in model.factors.items()},
        weights=model.weights[order],
        explained_variance=model.explained_variance[order],
        squared_correlation=model.squared_correlation[order],
        stability=None if model.stability is None else model.stability[order],
    )


def inner_products(tensor: BlockTensor, factors: Sequence[npt.ArrayLike]) -> Float64Array:
    """(R,) float64 inner products of a tensor with components, in one pass.

    Parameters
    ----------
    tensor
        Any tensor.
    factors
        Per axis, in the tensor's order, (n, R) loadings.

    Returns
    -------
    (R,) products, not divided by anything.
    """
    ordered = [np.asarray(factors[axis], dtype=np.float64) for axis in tensor.axis_order]
    products = np.zeros(ordered[0].shape[1])
    for start, rows in tensor.blocks(_ENTRIES_PER_BLOCK):
        block = np.ascontiguousarray(rows, dtype=np.float64)
        contracted: Float64Array = block @ ordered[-1]
        for factor in reversed(ordered[1:-1]):
            contracted = np.einsum("...nr,nr->...r", contracted, factor)
        products += np.einsum("nr,nr->r", contracted, ordered[0][start : start + len(rows)])
    return products


def fit_of_all(
    sums: TensorSums, products: Float64Array, factors: Sequence[npt.ArrayLike]
) -> tuple[float, float]:
    """Relative error and R squared of a whole model of unit weights, from its inner products.

    Parameters
    ----------
    sums
        Of the tensor.
    products
        (R,) from `inner_products`.
    factors
        Per axis, (n, R) loadings.

    Returns
    -------
    Relative error, 0 or more; R squared, 1 or less and NaN for a tensor that does not vary.
    """
    components = _with_products(products, [np.asarray(f, np.float64) for f in factors])
    ones = np.ones(len(products))
    residual = _residual_square(sums, components, ones)
    return _relative_error(sums, residual), _r_squared(sums, components, ones, residual)


def _checked_factors(
    shape: tuple[int, ...], names: Sequence[str], factors: Mapping[str, npt.ArrayLike]
) -> dict[str, FloatArray]:
    if set(names) != set(factors) or len(names) != len(shape):
        raise ParameterError(
            f"loadings for the axes {sorted(factors)} do not fit a tensor with {len(shape)} axes "
            f"named {list(names)}."
        )
    arrays: dict[str, FloatArray] = {name: np.asarray(factors[name]) for name in names}
    rank = arrays[names[0]].shape[-1]
    for name, length in zip(names, shape, strict=True):
        if arrays[name].shape != (length, rank):
            raise ParameterError(
                f"loadings along {name!r} have shape {arrays[name].shape}; expected "
                f"({length}, {rank})."
            )
    return arrays


def _component_sums(tensor: BlockTensor, factors: Sequence[FloatArray]) -> _ComponentSums:
    doubles = [factor.astype(np.float64) for factor in factors]
    return _with_products(inner_products(tensor, doubles), doubles)


def _with_products(products: Float64Array, factors: Sequence[Float64Array]) -> _ComponentSums:
    return _ComponentSums(
        products=products,
        totals=np.prod([factor.sum(axis=0) for factor in factors], axis=0),
        gram=np.prod([factor.T @ factor for factor in factors], axis=0),
    )


def _residual_square(sums: TensorSums, components: _ComponentSums, weights: Float64Array) -> float:
    fitted = weights @ components.gram @ weights
    square = sums.square - 2 * weights @ components.products + fitted
    return float(
        np.maximum(square, 0.0)
    )  # rounding may leave a perfect fit just below zero; NaN stays


def _relative_error(sums: TensorSums, residual_square: float) -> float:
    error = float(np.sqrt(residual_square / sums.square))
    return error if np.isfinite(error) else float("nan")


def _r_squared(
    sums: TensorSums, components: _ComponentSums, weights: Float64Array, residual_square: float
) -> float:
    """1 - variance of the residual / variance of the tensor; NaN of a tensor that does not vary."""
    residual_sum = sums.total - float(weights @ components.totals)
    about_mean = residual_square - residual_sum**2 / sums.n_entries
    if not (sums.centred_square > 0 and np.isfinite(about_mean)):
        return float("nan")
    return float(1 - about_mean / sums.centred_square)


def _explained_by_each(
    sums: TensorSums, components: _ComponentSums, weights: Float64Array
) -> Float64Array:
    """(R,) drop of the model's explained variance when each component is left out."""
    left = components.products - components.gram @ weights  # (R,) <X - X_hat, C_r>
    drops = 2 * weights * left + weights**2 * np.diag(components.gram)
    explained: Float64Array = drops / sums.square
    return np.where(np.isfinite(explained), explained, np.nan)


def _squared_correlations(sums: TensorSums, components: _ComponentSums) -> Float64Array:
    covariance = components.products - sums.total * components.totals / sums.n_entries
    squares = np.diag(components.gram)
    variances = squares - components.totals**2 / sums.n_entries
    scale = sums.centred_square * variances
    # A component without variance (all zero, or constant) has no part in that of the tensor.
    usable = ~((variances <= 1e-12 * squares) | (scale <= 0))  # NaN stays NaN
    squares = np.where(usable, covariance**2 / np.where(usable, scale, 1.0), 0.0)
    return np.where(np.isfinite(squares), squares, np.nan)
