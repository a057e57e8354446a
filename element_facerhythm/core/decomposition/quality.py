"""How well components fit a tensor, without ever building the reconstruction.

For a tensor X of n entries and components C_r = outer product of the columns r of all factors,
everything follows from a few float64 sums:

    sum X, ||X||^2, <X, C_r>                  one pass over the tensor
    sum C_r        = product over axes of the column sums
    <C_r, C_s>     = product over axes of the Gram matrices, entry (r, s)

    ||X - X_hat||^2 = ||X||^2 - 2 sum_r w_r <X, C_r> + w' G w
    var-explained_r = squared correlation of X and C_r
                    = (<X, C_r> - sum X sum C_r / n)^2 / (n^2 var X var C_r)

The squared correlation is the share of variance left out when X, mean removed, is regressed on the
mean-removed component: the number that face-rhythm's `order_factors_by_EVR` sorts by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.decomposition.model import CpModel, FloatArray
from element_facerhythm.errors import ParameterError, ProcessingError

Float64Array = npt.NDArray[np.float64]

# Entries converted to float64 at a time (32 MiB).
_ENTRIES_PER_BLOCK = 2**22


@dataclass(frozen=True)
class _Sums:
    """Float64 sums over tensor and components that all measures of fit are made of."""

    n_entries: int
    tensor_sum: float
    tensor_square: float
    products: Float64Array  # (R,) <X, C_r>
    component_sums: Float64Array  # (R,)
    gram: Float64Array  # (R, R) <C_r, C_s>


def model_from_factors(
    tensor: npt.NDArray[Any],
    names: Sequence[str],
    factors: Mapping[str, npt.ArrayLike],
    weights: npt.ArrayLike | None = None,
    *,
    n_iterations: int | None = None,
) -> CpModel:
    """Make a model of `tensor` from given loadings, whoever fitted them; their order is kept.

    Parameters
    ----------
    tensor
        The tensor that the loadings describe, real.
    names
        Its axis names, in order.
    factors
        Per axis name, (n, R) loadings.
    weights
        (R,) factors of the components; None stands for ones.
    n_iterations
        Iterations that the fit took, where known.

    Raises
    ------
    ParameterError
        Names, loadings and tensor do not fit together.
    ProcessingError
        The tensor is zero everywhere.
    """
    arrays = _checked_factors(tensor, names, factors)
    rank = next(iter(arrays.values())).shape[1]
    weight_array = np.ones(rank, np.float32) if weights is None else np.asarray(weights)
    if weight_array.shape != (rank,):
        raise ParameterError(f"weights have shape {weight_array.shape}; expected ({rank},).")
    sums = _collect(tensor, [array.astype(np.float64) for array in arrays.values()])
    if not sums.tensor_square > 0:
        raise ProcessingError("the tensor to decompose is zero everywhere: no point moves.")
    scales = weight_array.astype(np.float64)
    return CpModel(
        names=tuple(names),
        factors=arrays,
        weights=weight_array,
        explained_variance=_explained_by_each(sums),
        explained_variance_total=_explained_by_all(sums, scales),
        relative_error=float(np.sqrt(_residual_square(sums, scales) / sums.tensor_square)),
        n_iterations=n_iterations,
    )


def order_components(model: CpModel) -> CpModel:
    """Put components in descending order of the variance that each explains."""
    order = np.argsort(-model.explained_variance, kind="stable")
    return CpModel(
        names=model.names,
        factors={name: np.ascontiguousarray(f[:, order]) for name, f in model.factors.items()},
        weights=model.weights[order],
        explained_variance=model.explained_variance[order],
        explained_variance_total=model.explained_variance_total,
        relative_error=model.relative_error,
        n_iterations=model.n_iterations,
    )


def _checked_factors(
    tensor: npt.NDArray[Any], names: Sequence[str], factors: Mapping[str, npt.ArrayLike]
) -> dict[str, FloatArray]:
    if set(names) != set(factors) or len(names) != tensor.ndim:
        raise ParameterError(
            f"loadings for the axes {sorted(factors)} do not fit a tensor with {tensor.ndim} axes "
            f"named {list(names)}."
        )
    arrays: dict[str, FloatArray] = {name: np.asarray(factors[name]) for name in names}
    rank = arrays[names[0]].shape[-1]
    for name, length in zip(names, tensor.shape, strict=True):
        if arrays[name].shape != (length, rank):
            raise ParameterError(
                f"loadings along {name!r} have shape {arrays[name].shape}; expected "
                f"({length}, {rank})."
            )
    return arrays


def _collect(tensor: npt.NDArray[Any], factors: list[Float64Array]) -> _Sums:
    rows = max(1, _ENTRIES_PER_BLOCK // max(1, tensor[0].size))
    total, square = 0.0, 0.0
    products = np.zeros(factors[0].shape[1])
    for start in range(0, tensor.shape[0], rows):
        block = np.asarray(tensor[start : start + rows], dtype=np.float64)
        total += float(block.sum())
        square += float(np.vdot(block, block))
        products += _inner_products(block, [factors[0][start : start + rows], *factors[1:]])
    return _Sums(
        n_entries=tensor.size,
        tensor_sum=total,
        tensor_square=square,
        products=products,
        component_sums=np.prod([factor.sum(axis=0) for factor in factors], axis=0),
        gram=np.prod([factor.T @ factor for factor in factors], axis=0),
    )


def _inner_products(block: Float64Array, factors: list[Float64Array]) -> Float64Array:
    """(R,) inner products with every component, contracting one axis at a time from the last."""
    contracted: Float64Array = block @ factors[-1]
    for factor in reversed(factors[:-1]):
        contracted = np.einsum("...nr,nr->...r", contracted, factor)
    return contracted


def _residual_square(sums: _Sums, weights: Float64Array) -> float:
    square = sums.tensor_square - 2 * weights @ sums.products + weights @ sums.gram @ weights
    return max(0.0, float(square))  # rounding may leave a perfect fit just below zero


def _explained_by_all(sums: _Sums, weights: Float64Array) -> float:
    residual_sum = sums.tensor_sum - float(weights @ sums.component_sums)
    residual = _residual_square(sums, weights) - residual_sum**2 / sums.n_entries
    total = sums.tensor_square - sums.tensor_sum**2 / sums.n_entries
    return 1 - residual / total if total > 0 else 0.0


def _explained_by_each(sums: _Sums) -> Float64Array:
    covariance = sums.products - sums.tensor_sum * sums.component_sums / sums.n_entries
    tensor = sums.tensor_square - sums.tensor_sum**2 / sums.n_entries
    components = np.diag(sums.gram) - sums.component_sums**2 / sums.n_entries
    scale = tensor * components
    # A component without variance (all zero, or constant) explains none.
    usable = (components > 1e-12 * np.diag(sums.gram)) & (scale > 0)
    explained: Float64Array = np.where(usable, covariance**2 / np.where(usable, scale, 1.0), 0.0)
    return explained
