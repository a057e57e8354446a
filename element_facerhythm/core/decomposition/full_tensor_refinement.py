"""Sweeps over the whole tensor, read once per sweep, from loadings that already fit well.

Rows are updated block after block, for loadings of different rows do not see each other; what the
other axes need, the tensor contracted with the new rows, is summed up meanwhile and is as small as
all other axes together. One pass over the tensor thus serves every axis. Products are float32,
Gram matrices and updates float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from element_facerhythm.core.decomposition.compression import Blocks
from element_facerhythm.core.decomposition.sweeps import (
    balanced,
    free_update,
    gram_without,
    nonnegative_update,
    visit,
)

if TYPE_CHECKING:
    import torch


def sweep_blocks(
    blocks: Blocks,
    factors: Sequence[torch.Tensor],
    nonnegative: Sequence[bool],
    norm_square: float,
) -> tuple[list[torch.Tensor], float]:
    """Update all axes once, reading the tensor once.

    Parameters
    ----------
    blocks
        Gives (first row, float32 rows).
    factors
        Per axis, rows first, (1, R, n) float64 loadings.
    nonnegative
        Per axis, whether loadings must not be negative.
    norm_square
        Of the tensor.

    Returns
    -------
    New balanced loadings, and their relative error.
    """
    import torch

    factors = list(factors)
    grams = [factor @ factor.mT for factor in factors]
    others = [factor[0].float() for factor in factors[1:]]
    gram = gram_without(grams, 0)
    step = nonnegative_update if nonnegative[0] else free_update
    lengths = [other.shape[1] for other in others]
    contracted = torch.zeros(
        others[0].shape[0], _product(lengths), dtype=torch.float32, device=others[0].device
    )
    rows = torch.empty_like(factors[0])
    for start, block in blocks:
        here = slice(start, start + len(block))
        products = row_products(block, others).T.double()[None]
        rows[:, :, here] = step(factors[0][:, :, here], products, gram)
        contracted.addmm_(rows[0, :, here].float(), block.reshape(len(block), -1))
    factors[0], grams[0] = rows, rows @ rows.mT
    inner = 0.0

    def update(axis: int, products: torch.Tensor) -> None:
        nonlocal inner
        step = nonnegative_update if nonnegative[axis] else free_update
        factors[axis] = step(factors[axis], products, gram_without(grams, axis))
        grams[axis] = factors[axis] @ factors[axis].mT
        inner = float((products * factors[axis]).sum())

    partial = contracted.double().reshape(1, -1, *lengths)
    visit(partial, range(1, len(factors)), factors, update, has_rank=True)
    square = float((gram_without(grams, 0) * grams[0]).sum())
    loss = max(0.0, (norm_square - 2 * inner + square) / norm_square)
    return balanced(factors), loss**0.5


def row_products(block: torch.Tensor, others: Sequence[torch.Tensor]) -> torch.Tensor:
    """Multiply a block of rows by the loadings of all other axes (MTTKRP of the rows).

    Parameters
    ----------
    block
        (rows, n_1, n_2, ...) part of the tensor.
    others
        Per axis but the rows, (R, n) loadings.

    Returns
    -------
    (rows, R) products.
    """
    import torch

    products = block @ others[-1].T
    for factor in reversed(others[:-1]):
        products = torch.einsum("...nr,rn->...r", products, factor)
    return products


def _product(lengths: Sequence[int]) -> int:
    product = 1
    for length in lengths:
        product *= length
    return product
