"""Loadings from which fits start: random, or leading singular vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from element_facerhythm.core.decomposition.compression import Compressed

if TYPE_CHECKING:
    import torch


def make_starts(
    compressed: Compressed,
    rank: int,
    nonnegative: Sequence[bool],
    *,
    n_starts: int,
    init: str,
    seed: int,
) -> list[torch.Tensor]:
    """Draw the starting loadings of several fits.

    Parameters
    ----------
    compressed
        The tensor, compressed.
    rank
        Number of components R.
    nonnegative
        Per axis, whether loadings must not be negative.
    n_starts
        Number of fits B.
    init
        Of the first fit: ``"random"`` or ``"svd"`` (the leading singular vectors of the unfolded
        tensor; of a non-negative axis their larger half, as in NNDSVD: C. Boutsidis, E.
        Gallopoulos, Pattern Recognition 41 (2008) 1350). The others are random.
    seed
        Start b draws from ``seed`` and ``b`` alone, so that more fits do not change the first.

    Returns
    -------
    Per axis, (B, R, n) float64 on the tensor's device, scaled to the size of the tensor.
    """
    import torch

    device = compressed.core.device
    drawn = [_random(compressed.shape, rank, nonnegative, seed, b) for b in range(n_starts)]
    if init == "svd":
        drawn[0] = [
            _singular(compressed, axis, factor, positive).cpu()
            for axis, (factor, positive) in enumerate(zip(drawn[0], nonnegative, strict=True))
        ]
    factors = [torch.stack(parts).to(device) for parts in zip(*drawn, strict=True)]
    return _scaled(factors, compressed.norm_square)


def _random(
    shape: tuple[int, ...], rank: int, nonnegative: Sequence[bool], seed: int, number: int
) -> list[torch.Tensor]:
    import numpy as np
    import torch

    generator = np.random.default_rng([seed, number])
    return [
        torch.from_numpy(
            generator.random((rank, n)) if positive else generator.normal(size=(rank, n))
        )
        for n, positive in zip(shape, nonnegative, strict=True)
    ]


def _singular(
    compressed: Compressed, axis: int, fallback: torch.Tensor, positive: bool
) -> torch.Tensor:
    """(R, n) leading singular vectors along an axis; rows of `fallback` where there are too few."""
    import torch

    core, basis = compressed.core, compressed.bases[axis]
    unfolded = core.movedim(axis, 0).reshape(core.shape[axis], -1)
    vectors = torch.linalg.eigh(unfolded @ unfolded.T)[1].flip(1)[:, : len(fallback)]
    rows = (vectors if basis is None else basis @ vectors).T
    if positive:
        above, below = rows.clamp(min=0), (-rows).clamp(min=0)
        larger = above.norm(dim=1, keepdim=True) >= below.norm(dim=1, keepdim=True)
        rows = torch.where(larger, above, below)
    start = fallback.to(rows)
    start[: len(rows)] = rows
    return start


def _scaled(factors: list[torch.Tensor], norm_square: float) -> list[torch.Tensor]:
    """Scale the model of each start to the norm of the tensor."""
    square = factors[0] @ factors[0].mT
    for factor in factors[1:]:
        square = square * (factor @ factor.mT)
    scale = (norm_square / square.sum((1, 2))) ** (0.5 / len(factors))
    return [factor * scale[:, None, None] for factor in factors]
