"""Singular value decomposition of a movie that passes once, frame by frame, in flat memory.

The movie is a matrix of frames by bins. A basis of masks at right angles is kept, wider than what is asked
for in the end. Each block of frames is projected on it; the directions in which most of the rest lies, found
from random combinations of the block's own frames (Halko, Martinsson and Tropp 2011), widen the basis; where
it has grown too wide, it is turned to its principal axes and the weakest are dropped. The projections of
blocks that are past are not touched: how the basis was turned since then is known, and applied to them once,
at the end. Then, too, the mean is taken off: its projection is known.

Nothing is dropped in silence: the energy of every block is summed, and what the masks do not explain
of it is the error.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.device import single_thread

if TYPE_CHECKING:
    import torch

ONE_PASS, TWO_PASSES = "one pass", "two passes"

_BLOCK = 512  # frames
_SMALLEST_BLOCK = 128
_MOST_VALUES = 2**25  # of a block
_NEW = 64  # directions that a block adds
_BLOCKS_BETWEEN = 4  # two turns of the basis
_SPARE, _SPARE_SHARE = (
    64,
    8,
)  # masks beyond those that are asked for: so many, or their number over this
_NOISE = 1e-6  # of a block's energy; below, the rest is rounding
_SEED = 5


class Rows(Protocol):
    """Array (T, n) that lies anywhere, written and read by slices of rows."""

    def __getitem__(self, rows: Any) -> Any:
        """Return some rows."""
        ...

    def __setitem__(self, rows: Any, values: Any) -> None:
        """Put some rows."""
        ...


@dataclass(frozen=True, eq=False)
class Basis:
    """What a first pass knows for a second one: masks (n_bins, q) and the mean (n_bins,)."""

    masks: torch.Tensor
    mean: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpatialSvd:
    """Components of a movie in one region.

    Attributes
    ----------
    masks
        (n, n_bins) float32 of length 1 and at right angles; the largest value of each is positive.
    singular_values
        (n,) of the movie without its mean.
    share_of_variance
        (n,) of all variance.
    total_variance
        Variance over frames, summed over bins, in gray levels squared; all of it, not only what the
        components explain.
    relative_error
        Length of what the components leave over that of the movie without its mean; 0 where there is no
        variance.
    method
        `one pass`, or `two passes`.
    n_frames
        Frames that count.
    """

    masks: NDArray[np.float32]
    singular_values: NDArray[np.float64]
    share_of_variance: NDArray[np.float64]
    total_variance: float
    relative_error: float
    method: str
    n_frames: int


@dataclass(frozen=True)
class _Past:
    """Where the projections of a block lie, on how many masks, and how often these were turned before."""

    rows: slice
    n_masks: int
    n_turns: int


def store_width(n_bins: int, n_components: int) -> int:
    """Return how many columns the store of a `StreamedSvd` needs.

    Parameters
    ----------
    n_bins, n_components
        Of the decomposition.
    """
    return min(n_bins, _n_kept(n_components) + _NEW * _BLOCKS_BETWEEN)


def _n_kept(n_components: int) -> int:
    return n_components + max(_SPARE, n_components // _SPARE_SHARE)


class StreamedSvd:
    """Takes frames one by one.

    Parameters
    ----------
    n_bins
        Values of a frame, D.
    n_components
        How many are wanted at most.
    store
        (T, `store_width`) float32 anywhere, that projections are kept in.
    device
        Where it is computed.
    basis
        That of a first pass, which is then only projected on; None finds one.
    """

    def __init__(
        self,
        n_bins: int,
        n_components: int,
        store: Rows,
        *,
        device: str = "cpu",
        basis: Basis | None = None,
    ) -> None:
        import torch

        self._torch, self._device = torch, torch.device(device)
        self._n_bins, self._wanted = n_bins, min(n_components, n_bins)
        self._n_kept = min(_n_kept(n_components), n_bins)
        self._store = store
        n_rows = int(np.clip(_MOST_VALUES // n_bins, _SMALLEST_BLOCK, _BLOCK))
        self._block = np.empty((n_rows, n_bins), np.float32)
        self._n_waiting = self._n_done = 0
        self._is_fixed = basis is not None
        self._held: torch.Tensor | None = None if basis is None else basis.masks
        self._n_masks = 0 if basis is None else basis.masks.shape[1]
        self._reference = None if basis is None else basis.mean.astype(np.float32)
        self._sum = np.zeros(n_bins)
        self._energy = 0.0
        self._past: list[_Past] = []
        self._turns: list[torch.Tensor] = []
        self._moment = torch.zeros((self._n_masks, self._n_masks), dtype=torch.float64)
        self._random = torch.Generator(device="cpu").manual_seed(_SEED)

    @property
    def n_frames(self) -> int:
        """Frames that were taken."""
        return self._n_done + self._n_waiting

    def push(self, frame: NDArray[np.float32]) -> None:
        """Take a frame (D,)."""
        self._block[self._n_waiting] = frame
        self._n_waiting += 1
        if self._n_waiting == len(self._block):
            self._absorb()

    def basis(self) -> Basis:
        """Return the masks as they are, and the mean, for a second pass; there must be frames."""
        self._absorb()
        return Basis(self._masks.clone(), self._mean)

    def finish(self, out: Rows, frames: NDArray[np.int64] | None = None) -> SpatialSvd:
        """Turn everything to the principal axes; projections go to `out`.

        Parameters
        ----------
        out
            (T, n) float32 for the projections, with n at least `n_found()`.
        frames
            (N,) row of `out` for every frame that was taken; None for as many as were taken, in order.
        """
        self._absorb()
        with single_thread(self._device):
            return self._finished(out, frames)

    def _finished(self, out: Rows, frames: NDArray[np.int64] | None) -> SpatialSvd:
        torch = self._torch
        n, n_frames = self.n_found(), self._n_done
        if self._reference is None or n == 0:
            nothing = np.empty((0, self._n_bins), np.float32)
            return SpatialSvd(nothing, np.empty(0), np.empty(0), 0.0, 0.0, self._method, n_frames)
        away = torch.from_numpy(self._mean - self._reference.astype(np.float64)).to(self._masks)
        offset = (self._masks.T @ away).double().cpu()
        squares, axes = torch.linalg.eigh(self._moment - n_frames * torch.outer(offset, offset))
        values, axes = squares[-n:].flip(0).clamp(min=0).numpy(), axes[:, -n:].flip(1)
        masks = (self._masks @ axes.to(self._masks)).T.cpu().numpy()
        signs = np.sign(masks[np.arange(n), np.abs(masks).argmax(axis=1)])
        signs[signs == 0] = 1
        axes = axes * torch.from_numpy(signs)
        self._write(out, axes, offset, frames)
        energy = max(self._energy - n_frames * float(away.double().square().sum()), 0.0)
        lost = max(1 - float(values.sum()) / energy, 0.0) if energy > 0 else 0.0
        return SpatialSvd(
            masks * signs[:, None].astype(np.float32),
            np.sqrt(values),
            values / energy if energy > 0 else np.zeros(n),
            energy / n_frames,
            float(np.sqrt(lost)),
            self._method,
            n_frames,
        )

    def n_found(self) -> int:
        """Components that there are now: no more than frames less one, which the mean takes."""
        self._absorb()
        return max(min(self._wanted, self.n_frames - 1, self._n_masks), 0)

    @property
    def _masks(self) -> torch.Tensor:
        """The basis (D, q)."""
        assert self._held is not None
        return self._held[:, : self._n_masks]

    @property
    def _mean(self) -> NDArray[np.float64]:
        assert self._reference is not None
        return self._reference + self._sum / max(self._n_done, 1)

    @property
    def _method(self) -> str:
        return TWO_PASSES if self._is_fixed else ONE_PASS

    def _absorb(self) -> None:
        """Project the frames that wait, and widen the basis by what it does not hold of them."""
        if self._n_waiting:
            # other threads decode and track, and sums do not depend on how many there are
            with single_thread(self._device):
                self._absorb_block()

    def _absorb_block(self) -> None:
        torch = self._torch
        rows = self._block[: self._n_waiting]
        if self._reference is None:
            self._reference = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        rows -= self._reference
        self._sum += rows.sum(axis=0, dtype=np.float64)
        block = torch.from_numpy(rows).to(self._device)
        energy = self._energy_of(block)
        self._energy += energy
        projected = self._projected(block, energy)
        stop = self._n_done + len(rows)
        n_masks = projected.shape[1]
        self._store[self._n_done : stop, :n_masks] = projected.cpu().numpy()
        self._past.append(_Past(slice(self._n_done, stop), n_masks, len(self._turns)))
        self._moment[:n_masks, :n_masks] += (projected.T @ projected).double().cpu()
        self._n_done, self._n_waiting = stop, 0
        if n_masks + _NEW > self._n_kept + _NEW * _BLOCKS_BETWEEN and not self._is_fixed:
            self._turn(self._n_kept)

    def _projected(self, block: torch.Tensor, energy: float) -> torch.Tensor:
        """Projections (B, q) of a block on the basis, which is widened first."""
        torch = self._torch
        if self._held is None:
            masks = self._first_masks(block)
            width = store_width(self._n_bins, self._wanted)
            self._held = torch.empty(
                (self._n_bins, max(width, masks.shape[1])), device=self._device
            )
            self._widen(masks)
            return block @ self._masks
        projected = block @ self._masks
        left = energy - self._energy_of(projected)
        room = self._n_bins - self._n_masks
        if self._is_fixed or room == 0 or left <= _NOISE * energy:
            return projected
        new = self._new_masks(block, projected, min(_NEW, len(block), room))
        self._widen(new)
        return torch.cat([projected, block @ new], dim=1)

    def _energy_of(self, rows: torch.Tensor) -> float:
        """Sum of all squares: of each row in single precision, of the rows in double."""
        return float(self._torch.linalg.vecdot(rows, rows).double().sum())

    def _first_masks(self, block: torch.Tensor) -> torch.Tensor:
        """Masks (D, q) of the first block: all bins where these are few, else its own components."""
        torch = self._torch
        if self._n_bins <= self._n_kept:
            return torch.eye(self._n_bins, device=self._device)
        values, axes = torch.linalg.eigh((block @ block.T).double())
        strong = values > _NOISE * _NOISE * max(float(values[-1]), 1e-30)
        n_masks = max(min(int(strong.sum()), self._n_kept), 1)
        masks = block.T @ axes[:, -n_masks:].flip(1).to(block)
        return torch.linalg.qr(masks)[0]

    def _new_masks(self, block: torch.Tensor, projected: torch.Tensor, n_new: int) -> torch.Tensor:
        """Directions (D, n) at right angles to the basis in which most of the rest of a block lies."""
        torch = self._torch
        mixed = torch.randn((len(block), n_new), generator=self._random).to(block)
        for _ in range(2):
            found = block.T @ mixed - self._masks @ (projected.T @ mixed)
            found = _at_right_angles(found)
            mixed = block @ found
        # rounding: taken off once, some of the basis is left
        return _at_right_angles(found - self._masks @ (self._masks.T @ found))

    def _widen(self, masks: torch.Tensor) -> None:
        """Add masks (D, n) to the basis."""
        assert self._held is not None
        n_before, self._n_masks = self._n_masks, self._n_masks + masks.shape[1]
        self._held[:, n_before : self._n_masks] = masks
        wider = self._torch.zeros((self._n_masks, self._n_masks), dtype=self._torch.float64)
        wider[:n_before, :n_before] = self._moment
        self._moment = wider

    def _turn(self, n_kept: int) -> None:
        """Turn the basis to its principal axes, and keep the strongest."""
        assert self._held is not None
        values, axes = self._torch.linalg.eigh(self._moment)
        values, axes = values[-n_kept:].flip(0), axes[:, -n_kept:].flip(1)
        self._held[:, :n_kept] = self._masks @ axes.to(self._held)
        self._n_masks = n_kept
        self._moment = self._torch.diag(values.clamp(min=0))
        self._turns.append(axes)

    def _write(
        self,
        out: Rows,
        axes: torch.Tensor,
        offset: torch.Tensor,
        frames: NDArray[np.int64] | None,
    ) -> None:
        """Give the projections of every block in terms of the axes in the end, without those of the mean."""
        torch = self._torch
        shift = (offset @ axes).float().numpy()
        since = axes
        later = {len(self._turns): since}
        for number in range(len(self._turns) - 1, -1, -1):
            turn = self._turns[number]
            since = turn @ since[: turn.shape[1]]
            later[number] = since
        n = axes.shape[1]
        for past in self._past:
            stored = torch.from_numpy(np.asarray(self._store[past.rows, : past.n_masks]))
            values = (stored @ later[past.n_turns][: past.n_masks].float()).numpy() - shift
            places = past.rows if frames is None else frames[past.rows]
            if isinstance(places, slice):
                out[places, :n] = values
                continue
            for first, stop in _runs(places):  # runs, as HDF5 writes them fastest
                out[int(places[first]) : int(places[stop - 1]) + 1, :n] = values[first:stop]


def _at_right_angles(columns: torch.Tensor) -> torch.Tensor:
    """Return columns (D, n) of the same span, of length 1 and at right angles.

    By Cholesky's factors of their products, twice (Yamamoto et al. 2015): for few long columns, several times
    as fast as reflections, which are taken where the columns are too much alike.
    """
    import torch

    found = columns
    for _ in range(2):
        factor, failed = torch.linalg.cholesky_ex((found.T @ found).double())
        if failed.any():
            return torch.linalg.qr(columns)[0]
        found = torch.linalg.solve_triangular(factor.T.to(found), found, upper=True, left=False)
    return found


def _runs(places: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Bounds of the stretches of numbers that follow each other."""
    edges = np.flatnonzero(np.diff(places) != 1) + 1
    bounds = [0, *map(int, edges), len(places)]
    return list(pairwise(bounds))
