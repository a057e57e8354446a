"""Fit a compressed tensor from several starts at once, with extrapolation that is checked.

Each iteration sweeps over all axes from a point beyond the last accepted one, ``y = x + b (x -
x_before)``. Where the loss has not fallen, the point is thrown away and the next sweep starts from
the accepted point itself, so the loss of accepted points never rises. A fit ends only after a sweep
*without* extrapolation that gains less than the tolerance: an extrapolated sweep that gains little
shows nothing but a bad step.

Source of the scheme: A. M. S. Ang, J. E. Cohen, N. Gillis, L. T. K. Hien, Numerical Linear Algebra
with Applications 28 (2021) e2373 (extrapolation of loadings, growth and decay of the step).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from element_facerhythm.core.decomposition.compression import Compressed
from element_facerhythm.core.decomposition.sweeps import (
    balanced,
    free_update,
    gram_without,
    nonnegative_update,
    visit,
)

if TYPE_CHECKING:
    import torch

_TRACE = 1e-8
_EQUAL_ERRORS = 1e-6
_FIRST_STEP, _GROWTH, _CEILING_GROWTH, _DECAY = 0.5, 1.05, 1.01, 1.5


@dataclass(frozen=True)
class CoreFits:
    """Fits of one compressed tensor, side by side.

    Attributes
    ----------
    factors
        Per axis, (B, R, n) float64, balanced.
    errors
        (B, iterations + 1) relative error after each iteration, the starts' own first; of the
        last accepted point where the iteration's own was thrown away.
    n_iterations
        (B,) iterations that each fit took.
    """

    factors: list[torch.Tensor]
    errors: torch.Tensor
    n_iterations: torch.Tensor

    @property
    def best(self) -> int:
        """The first fit whose error is the smallest one, but for one part in a million.

        Starts that end in the same optimum differ by rounding, which must not choose among them: it
        depends on blocks, threads and device.
        """
        last = self.errors[:, -1]
        return int((last <= last.min() * (1 + _EQUAL_ERRORS)).int().argmax())


def sweep_core(
    compressed: Compressed, factors: Sequence[torch.Tensor], nonnegative: Sequence[bool]
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Update all axes once.

    Parameters
    ----------
    compressed
        What is fitted.
    factors
        Per axis, (B, R, n) loadings of B fits in full size.
    nonnegative
        Per axis, whether loadings must not be negative.

    Returns
    -------
    New balanced loadings per axis (B, R, n), and the square of their relative error (B,).
    """
    factors = list(factors)
    grams = [factor @ factor.mT for factor in factors]
    small = [_project(f, basis) for f, basis in zip(factors, compressed.bases, strict=True)]
    inner = factors[0].new_zeros(())

    def update(axis: int, products: torch.Tensor) -> None:
        nonlocal inner
        basis = compressed.bases[axis]
        whole = products if basis is None else products @ basis.T
        gram = gram_without(grams, axis)
        step = nonnegative_update if nonnegative[axis] else free_update
        factors[axis] = _revived(step(factors[axis], whole, gram))
        grams[axis] = factors[axis] @ factors[axis].mT
        small[axis] = _project(factors[axis], basis)
        inner = (whole * factors[axis]).sum((1, 2))

    visit(compressed.core, range(len(factors)), small, update, has_rank=False)
    square = (gram_without(grams, 0) * grams[0]).sum((1, 2))
    loss = (compressed.norm_square - 2 * inner + square) / compressed.norm_square
    return balanced(factors), loss.clamp(min=0)


def _revived(factor: torch.Tensor) -> torch.Tensor:
    """Set a component that has become zero everywhere to a small value, so that it can grow again.

    Updates of its other axes divide by this value, so they find what it can still explain at once.
    """
    import torch

    vanished = (factor == 0).all(dim=2, keepdim=True)
    trace = _TRACE * factor.abs().mean(dim=(1, 2), keepdim=True)
    return torch.where(vanished, trace, factor)


def core_loss(compressed: Compressed, factors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Measure fits of a compressed tensor.

    Parameters
    ----------
    compressed
        What is fitted.
    factors
        Per axis, (B, R, n) loadings of B fits in full size.

    Returns
    -------
    (B,) squares of the relative errors, 0 or more.
    """
    import torch

    partial, grams = compressed.core, []
    for axis, (factor, basis) in reversed(
        list(enumerate(zip(factors, compressed.bases, strict=True)))
    ):
        small = _project(factor, basis)
        grams.append(factor @ factor.mT)
        if axis == len(factors) - 1:
            partial = torch.tensordot(small, partial, dims=([2], [axis]))
        else:
            partial = torch.einsum("br...k,brk->br...", partial, small)
    square = (gram_without(grams, 0) * grams[0]).sum((1, 2))
    loss = (compressed.norm_square - 2 * partial.sum(1) + square) / compressed.norm_square
    return loss.clamp(min=0)


def _project(factor: torch.Tensor, basis: torch.Tensor | None) -> torch.Tensor:
    return factor if basis is None else factor @ basis


def fit_core(
    compressed: Compressed,
    starts: Sequence[torch.Tensor],
    nonnegative: Sequence[bool],
    *,
    n_iter_max: int,
    tol: float,
    on_iteration: Callable[[int], None] | None = None,
) -> CoreFits:
    """Fit from all starts until each has converged.

    Parameters
    ----------
    compressed
        What to fit.
    starts
        Per axis, (B, R, n) loadings.
    nonnegative
        Per axis, whether loadings must not be negative (then the starts are not, either).
    n_iter_max
        Largest number of iterations.
    tol
        A fit ends when a sweep without extrapolation lowers its relative error by less than this.
    on_iteration
        Called with the number of iterations done.

    Returns
    -------
    CoreFits
        One fit per start, in their order.
    """
    state = _State(compressed, balanced(starts), nonnegative, tol)
    for iteration in range(n_iter_max):
        state.advance()
        if on_iteration is not None:
            on_iteration(iteration + 1)
        if bool(state.done.all()):
            break
    return state.result()


class _State:
    """Accepted loadings of all fits, the steps they took, and which have converged."""

    def __init__(
        self,
        compressed: Compressed,
        starts: list[torch.Tensor],
        nonnegative: Sequence[bool],
        tol: float,
    ) -> None:
        import torch

        self.compressed, self.nonnegative, self.tol = compressed, nonnegative, tol
        self.factors = self.before = starts
        self.loss = core_loss(compressed, starts)
        self.errors = [self.loss.sqrt()]
        self.step = torch.zeros_like(self.loss)  # of the next sweep; 0 is a plain one
        self.next_step = torch.full_like(self.loss, _FIRST_STEP)
        self.ceiling = torch.ones_like(self.loss)
        self.done = torch.zeros_like(self.loss, dtype=torch.bool)
        self.n_iterations = torch.zeros_like(self.loss, dtype=torch.int64)

    def advance(self) -> None:
        """Sweep once, accept what has fallen, choose the next steps."""
        import torch

        new, loss = sweep_core(self.compressed, self._extrapolated(), self.nonnegative)
        plain = self.step == 0
        fallen = (loss <= self.loss) & ~self.done
        gain = self.loss.sqrt() - loss.sqrt()
        small_gain = fallen & (gain < self.tol)
        self.n_iterations += ~self.done
        # A plain sweep that does not lower the loss has reached what rounding allows.
        self.done = self.done | (plain & (small_gain | ~fallen))
        self.before = [_chosen(fallen, now, old) for now, old in self._pairs(self.before)]
        self.factors = [_chosen(fallen, now, old) for now, old in self._pairs_of(new)]
        self.loss = torch.where(fallen, loss, self.loss)
        self.errors.append(self.loss.sqrt())
        self._choose_steps(fallen, plain, small_gain)

    def _choose_steps(
        self, fallen: torch.Tensor, plain: torch.Tensor, small_gain: torch.Tensor
    ) -> None:
        import torch

        grown = torch.minimum(self.ceiling, _GROWTH * self.next_step)
        self.ceiling = torch.where(
            fallen, (_CEILING_GROWTH * self.ceiling).clamp(max=1), self.ceiling
        )
        failed = ~fallen & ~plain
        self.ceiling = torch.where(failed, self.next_step, self.ceiling)
        self.next_step = torch.where(
            failed, self.next_step / _DECAY, torch.where(fallen, grown, self.next_step)
        )
        wait = failed | (small_gain & ~plain)
        self.step = torch.where(wait, torch.zeros_like(self.step), self.next_step)

    def _extrapolated(self) -> list[torch.Tensor]:
        step = self.step[:, None, None]
        beyond = [now + step * (now - old) for now, old in self._pairs(self.before)]
        return [
            factor.clamp(min=0) if nonnegative else factor
            for factor, nonnegative in zip(beyond, self.nonnegative, strict=True)
        ]

    def _pairs(self, others: list[torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return list(zip(self.factors, others, strict=True))

    def _pairs_of(self, new: list[torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return list(zip(new, self.factors, strict=True))

    def result(self) -> CoreFits:
        """Return what was reached."""
        import torch

        return CoreFits(self.factors, torch.stack(self.errors, dim=1), self.n_iterations)


def _chosen(mask: torch.Tensor, yes: torch.Tensor, no: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.where(mask[:, None, None], yes, no)
