"""CP decompositions: one interface to both solvers.

``CP_NN_HALS`` and ``CP`` are fitted by this package (`compressed_cp`). ``RandomizedCP``, options that
only tensorly has, and ``solver="tensorly"`` go to tensorly's estimators (`tensorly_cp`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from element_facerhythm.core.decomposition.block_tensor import BlockTensor
from element_facerhythm.core.decomposition.compressed_cp import fit_fast
from element_facerhythm.core.decomposition.model import FloatArray
from element_facerhythm.core.decomposition.quality import TensorSums, require_signal
from element_facerhythm.core.decomposition.settings import FitSettings
from element_facerhythm.core.decomposition.tensorly_cp import fit_tensorly
from element_facerhythm.errors import ParameterError, ProcessingError

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CpFit:
    """Loadings per axis (n, R), weights (R,), the iterations that the fit took, and stability.

    `stability` is (R,) (see `component_stability`), or None where there was one start.
    """

    factors: list[FloatArray]
    weights: FloatArray
    n_iterations: int
    stability: FloatArray | None = None


def largest_rank(shape: tuple[int, ...]) -> int:
    """Components with which any tensor of this shape is reproduced exactly.

    That is the product of all axes but the longest; more components have no meaning.
    """
    return int(np.prod(shape) // max(shape))


def fit_cp(
    tensor: BlockTensor,
    sums: TensorSums,
    settings: FitSettings,
    *,
    device: torch.device,
    on_iteration: Callable[[int], None] | None = None,
) -> CpFit:
    """Fit one tensor.

    Parameters
    ----------
    tensor
        Real tensor without NaN or infinite values; computed in float32.
    sums
        Of the tensor.
    settings
        What to fit.
    device
        Where to compute.
    on_iteration
        Called with the number of iterations done.

    Returns
    -------
    CpFit
        Loadings in the tensor's order, components as the fit left them.

    Raises
    ------
    ParameterError
        The rank is above what the tensor's shape allows, or the last axis is to stay fixed.
    ProcessingError
        The tensor is zero everywhere, or the fit gave loadings that are not finite.
    """
    if settings.rank > largest_rank(tensor.shape):
        raise ParameterError(
            f"rank is {settings.rank}, but any tensor of shape {tensor.shape} is reproduced exactly "
            f"with {largest_rank(tensor.shape)} components; lower rank."
        )
    if tensor.ndim - 1 in (settings.fixed_modes or ()):
        raise ParameterError(
            f"fixed_modes names the last axis ({tensor.ndim - 1}), from which tensorly computes its "
            "error; fix other axes only."
        )
    require_signal(sums)
    if any(settings.nonnegative_axes(tensor.ndim)) and sums.minimum < 0:
        logger.warning(
            "CP_NN_HALS fits non-negative components to a tensor with negative values (complex or "
            "mean-subtracted spectrograms); the method 'CP' has no such limit."
        )
    report = on_iteration or (lambda n_done: None)
    if settings.uses_tensorly:
        fit = CpFit(*fit_tensorly(np.asarray(tensor), settings, device, report))
    else:
        own = fit_fast(
            tensor, settings, norm_square=sums.square, device=device, on_iteration=report
        )
        weights = np.ones(settings.rank, np.float32)
        fit = CpFit(own.factors, weights, own.n_iterations, own.stability)
    if not all(np.isfinite(array).all() for array in (fit.weights, *fit.factors)):
        raise ProcessingError(
            f"{settings.method} ended with loadings that are not finite; try another init, a lower "
            "rank, or another method."
        )
    return fit
