"""Randomised Tucker compression of a tensor that is read in blocks, in three passes.

A tensor with few components lies, but for noise, in a small subspace along each long axis. The
first passes find these subspaces, the last projects onto them:

1. along each long axis m other than the rows, ``Y = X_(m) S`` with random signs S that are an outer
   product over the other axes, so that they need no room; its orthonormal basis is Q_m;
2. a step of subspace iteration, ``Y = X_(m) (X_(m)' Q_m)``: without it, about (energy of the noise)
   / (width of S) of every component stays outside the basis, however strong the component is;
3. ``Z = X x_m Q_m'`` for all of these, row block after row block; rows are then compressed in
   memory by a range finder with power iterations.

Directions beyond the wanted rank are cut by the eigenvectors of Gram matrices in float64.

Sources: N. Halko, P.-G. Martinsson, J. A. Tropp, SIAM Review 53 (2011) 217; R. Minster, A. K.
Saibaba, M. E. Kilmer, SIAM J. Math. Data Sci. 2 (2020) 189.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.device import single_thread

if TYPE_CHECKING:
    import torch

LEAST_RANK = 48
_POWER_ITERATIONS = 2
_POWER_PASSES = 1

Blocks = Iterable[tuple[int, "torch.Tensor"]]
Mix = Callable[[int, int, "torch.Tensor", int], "torch.Tensor"]


@dataclass(frozen=True)
class Compressed:
    """A small tensor and the way back: ``X ~ core x_0 bases[0] x_1 bases[1] ...``.

    Attributes
    ----------
    core
        (k_0, k_1, ...) float64.
    bases
        Per axis, (n, k) with orthonormal columns in float64, or None where the axis is kept.
    norm_square
        Of the whole tensor.
    """

    core: torch.Tensor
    bases: tuple[torch.Tensor | None, ...]
    norm_square: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes of the whole tensor."""
        return tuple(
            n if basis is None else len(basis)
            for n, basis in zip(self.core.shape, self.bases, strict=True)
        )

    @property
    def is_exact(self) -> bool:
        """Whether nothing was compressed."""
        return all(basis is None for basis in self.bases)


def compression_ranks(shape: tuple[int, ...], rank: int) -> tuple[int | None, ...]:
    """Return the length that each axis is compressed to.

    Parameters
    ----------
    shape
        Of the tensor.
    rank
        Number of components that will be fitted, at most.

    Returns
    -------
    One length per axis; None where it is short enough to be kept.
    """
    wanted = max(LEAST_RANK, 4 * rank)
    return tuple(wanted if n > 1.5 * wanted else None for n in shape)


def compress(
    blocks: Blocks, shape: tuple[int, ...], rank: int, norm_square: float, seed: int
) -> Compressed:
    """Compress a tensor for fits of up to `rank` components.

    Parameters
    ----------
    blocks
        Gives (first row, float32 rows) from the first to the last each time it is iterated, on
        one device.
    shape
        Of the tensor, rows first.
    rank
        Number of components that will be fitted, at most.
    norm_square
        Of the tensor.
    seed
        Of the random signs.

    Returns
    -------
    Compressed
        The core in float64 and, per axis, its basis.
    """
    import torch

    ranks = compression_ranks(shape, rank)
    generator = torch.Generator().manual_seed(seed)
    bases = _sketched_bases(blocks, shape, ranks, generator)
    core = torch.cat([_project(block, bases[1:]) for _, block in blocks])
    if (n_rows := ranks[0]) is not None:
        rows = _range_of(core.reshape(shape[0], -1), _with_margin(n_rows), generator)
        core = torch.tensordot(rows.T, core, dims=1)
        bases[0] = rows
    core, exact = core.double(), [None if basis is None else basis.double() for basis in bases]
    for axis, (basis, wanted) in enumerate(zip(exact, ranks, strict=True)):
        if wanted is not None and basis is not None:
            core, exact[axis] = _truncate(core, basis, axis, wanted)
    return Compressed(core.contiguous(), tuple(exact), norm_square)


def _with_margin(rank: int) -> int:
    return rank + max(16, rank // 2)


def _sketched_bases(
    blocks: Blocks,
    shape: tuple[int, ...],
    ranks: tuple[int | None, ...],
    generator: torch.Generator,
) -> list[torch.Tensor | None]:
    """Orthonormal bases along the axes other than the rows; None where an axis is kept."""
    signs: dict[int, list[torch.Tensor]] = {}
    for axis, wanted in enumerate(ranks[1:], start=1):
        if wanted is not None:
            width = min(_with_margin(wanted), shape[axis])
            signs[axis] = [_random_signs(n, width, generator) for n in shape]
    if not signs:
        return [None] * len(shape)

    def mix(axis: int, start: int, columns: torch.Tensor, n_rows: int) -> torch.Tensor:
        parts = [s.to(columns.device) for i, s in enumerate(signs[axis]) if i != axis]
        return _outer([parts[0][start : start + n_rows], *parts[1:]])

    bases = _accumulate(blocks, shape, signs, mix)
    for _ in range(_POWER_PASSES):
        bases = _accumulate(blocks, shape, signs, partial(_project_back, bases))
    return [bases.get(axis) for axis in range(len(shape))]


def _project_back(
    bases: dict[int, torch.Tensor], axis: int, start: int, columns: torch.Tensor, n_rows: int
) -> torch.Tensor:
    """One step of subspace iteration: noise that the signs let through is damped."""
    return columns @ bases[axis]


def _accumulate(
    blocks: Blocks, shape: tuple[int, ...], axes: Iterable[int], mix: Mix
) -> dict[int, torch.Tensor]:
    """Orthonormal bases of ``X_(m) mix`` per axis m, in one pass."""
    sketches: dict[int, torch.Tensor] = {}
    for start, block in blocks:
        for axis in axes:
            columns = block.movedim(axis, -1).reshape(-1, shape[axis])
            share = columns.T @ mix(axis, start, columns, len(block))
            sketches[axis] = sketches[axis] + share if axis in sketches else share
    return {axis: _orthonormal(s.double()).float() for axis, s in sketches.items()}


def _random_signs(n: int, width: int, generator: torch.Generator) -> torch.Tensor:
    import torch

    return torch.randint(0, 2, (n, width), generator=generator).float() * 2 - 1


def _outer(parts: list[torch.Tensor]) -> torch.Tensor:
    """(product of n_i, width) products of the columns of (n_i, width) matrices."""
    product = parts[0]
    for part in parts[1:]:
        product = (product[:, None] * part).reshape(-1, part.shape[1])
    return product


def _project(block: torch.Tensor, bases: list[torch.Tensor | None]) -> torch.Tensor:
    """Coefficients of a block's axes, rows excepted, in their bases."""
    import torch

    for axis, basis in reversed(list(enumerate(bases, start=1))):
        if basis is not None:
            projected = torch.tensordot(block, basis, dims=([axis], [0]))
            block = projected.movedim(-1, axis)
    return block


def _range_of(matrix: torch.Tensor, width: int, generator: torch.Generator) -> torch.Tensor:
    """(n, width) orthonormal basis of a matrix's leading column space."""
    import torch

    width = min(width, *matrix.shape)
    start = torch.randn(matrix.shape[1], width, generator=generator).to(matrix.device)
    basis = _orthonormal(matrix @ start)
    for _ in range(_POWER_ITERATIONS):
        basis = _orthonormal(matrix @ (matrix.T @ basis))
    return basis


def _orthonormal(columns: torch.Tensor) -> torch.Tensor:
    """Orthonormal basis of the space of some columns."""
    import torch

    with single_thread(columns.device):
        basis: torch.Tensor = torch.linalg.qr(columns)[0]
    return basis


def _truncate(
    core: torch.Tensor, basis: torch.Tensor, axis: int, wanted: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keep the `wanted` leading directions of an axis of the core."""
    import torch

    unfolded = core.movedim(axis, 0).reshape(core.shape[axis], -1)
    with single_thread(core.device):
        leading = torch.linalg.eigh(unfolded @ unfolded.T)[1].flip(1)[:, :wanted]
    core = torch.tensordot(leading.T, core, dims=([1], [axis])).movedim(0, axis)
    return core, basis @ leading


def as_blocks(
    blocks: Iterator[tuple[int, npt.NDArray[np.floating]]], device: torch.device
) -> Iterator[tuple[int, torch.Tensor]]:
    """Rows as float32 tensors on a device.

    Parameters
    ----------
    blocks
        (first row, rows) from the first to the last, numpy.
    device
        Where they are put.

    Yields
    ------
    The same in torch, each when it is asked for.
    """
    import torch

    for start, rows in blocks:
        values = np.ascontiguousarray(rows, dtype=np.float32)
        yield (
            start,
            torch.from_numpy(values if values.flags.writeable else values.copy()).to(device),
        )
