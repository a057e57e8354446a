"""How the number of components changes what is explained and how stable the components are.

The tensor is compressed once, for the largest rank. Each rank is then fitted on the compressed
tensor from several starts, and one more pass over the whole tensor measures all of these fits in
float64. Nothing is polished: a decomposition of the same rank explains as much, or a little more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.decomposition.block_tensor import BlockTensor
from element_facerhythm.core.decomposition.compressed_cp import (
    DeviceBlocks,
    fit_starts,
    with_blocks,
)
from element_facerhythm.core.decomposition.compression import compress
from element_facerhythm.core.decomposition.cp import largest_rank
from element_facerhythm.core.decomposition.quality import (
    TensorSums,
    fit_of_all,
    inner_products,
    require_signal,
)
from element_facerhythm.core.decomposition.settings import FitSettings
from element_facerhythm.core.decomposition.stability import component_stability
from element_facerhythm.errors import ParameterError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class RankFit:
    """The best of several fits of one rank.

    Attributes
    ----------
    rank
        Number of components R.
    relative_error, r_squared
        Of the whole model, as in `CpModel`.
    stability
        (R,) per component, most stable first; NaN with one start.
    n_iterations
        Of the best fit.
    """

    rank: int
    relative_error: float
    r_squared: float
    stability: Float64Array
    n_iterations: int

    @property
    def explained_variance(self) -> float:
        """Of the whole model: `CpModel.explained_variance_total`."""
        return 1 - self.relative_error**2

    @property
    def mean_stability(self) -> float:
        """Mean over components."""
        return float(np.mean(self.stability))


@dataclass(frozen=True)
class _Loadings:
    """Loadings per axis (n, R) of the best fit of a rank."""

    factors: list[Float64Array]
    stability: Float64Array
    n_iterations: int


def sweep_ranks(
    tensor: BlockTensor,
    sums: TensorSums,
    ranks: Sequence[int],
    settings: FitSettings,
    *,
    device: torch.device,
    on_rank: Callable[[int], None] | None = None,
) -> tuple[RankFit, ...]:
    """Fit several ranks and measure each.

    Parameters
    ----------
    tensor, sums
        A finite tensor and its sums.
    ranks
        Numbers of components to try.
    settings
        As for a decomposition by this package's solver; each of `ranks` takes the place of the rank, and all
        starts are random.
    device
        Where to compute.
    on_rank
        Called with the number of ranks done.

    Returns
    -------
    One `RankFit` per rank, in the order of `ranks`.

    Raises
    ------
    ParameterError
        A rank is below 1 or above what the tensor's shape allows, or there is none.
    ProcessingError
        The tensor is zero everywhere.
    """
    highest = largest_rank(tensor.shape)
    if not ranks or min(ranks) < 1 or max(ranks) > highest:
        raise ParameterError(
            f"ranks are {list(ranks)}; expected numbers from 1 to {highest} for a tensor of shape "
            f"{tensor.shape}."
        )
    require_signal(sums)
    report = on_rank or (lambda n_done: None)

    nonnegative = settings.nonnegative_axes(tensor.ndim)
    signs = [nonnegative[axis] for axis in tensor.axis_order]
    n_restarts = settings.n_restarts

    def work(blocks: DeviceBlocks) -> list[_Loadings]:
        compressed = compress(blocks, tensor.block_shape, max(ranks), sums.square, settings.seed)
        found = []
        for n_done, rank in enumerate(ranks, start=1):
            of_rank = replace(settings, rank=rank, init="random")
            fits = fit_starts(compressed, of_rank, signs)
            every = [
                [factor[b].T.cpu().numpy() for factor in fits.factors] for b in range(n_restarts)
            ]
            best = every.pop(fits.best)
            stability = component_stability(best, every)
            found.append(
                _Loadings(
                    [best[tensor.axis_order.index(axis)] for axis in range(tensor.ndim)],
                    np.full(rank, np.nan) if stability is None else np.sort(stability)[::-1],
                    int(fits.n_iterations[fits.best]),
                )
            )
            report(n_done)
        return found

    return _measured(tensor, sums, ranks, with_blocks(tensor, device, work))


def _measured(
    tensor: BlockTensor, sums: TensorSums, ranks: Sequence[int], found: Sequence[_Loadings]
) -> tuple[RankFit, ...]:
    """Measure all fits in one pass over the tensor."""
    joined = [
        np.concatenate(parts, axis=1) for parts in zip(*(f.factors for f in found), strict=True)
    ]
    products = np.split(inner_products(tensor, joined), np.cumsum(ranks)[:-1])
    fits = []
    for rank, loadings, own in zip(ranks, found, products, strict=True):
        error, r_squared = fit_of_all(sums, own, loadings.factors)
        fits.append(RankFit(rank, error, r_squared, loadings.stability, loadings.n_iterations))
    return tuple(fits)
