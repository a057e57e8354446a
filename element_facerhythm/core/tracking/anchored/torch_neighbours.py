"""What `neighbour_kernel` does, in torch: all points of all frames of a block at once, for a GPU."""

from __future__ import annotations

import torch
from torch import Tensor

from element_facerhythm.core.tracking.anchored.fusing import fused
from element_facerhythm.core.tracking.anchored.neighbour_kernel import MOST_OFF_PX

_DAMPING = (
    0.8  # of a sweep of all points at once; undamped, neighbours would answer each other in turns
)


def settle(
    found: Tensor, information: Tensor, neighbors: Tensor, stiffness: float, n_sweeps: int
) -> Tensor:
    """Weigh what was measured against what the neighbours say, in all frames at once.

    The minimum is that of `neighbour_kernel.settle`; sweeps move all points together. What was not measured
    begins where it was last measured in the block.

    Parameters
    ----------
    found
        (B, P, 2) float32 displacements.
    information
        (B, P, 3) float32 (xx, xy, yy) of their inverse covariance, per square pixel; 0 where nothing was
        measured.
    neighbors
        (P, K) int64.
    stiffness
        Per square pixel.
    n_sweeps
        Number of sweeps.

    Returns
    -------
    (B, P, 2) float32
    """
    n_frames = len(found)
    is_measured = information[..., 0] + information[..., 2] > 0
    number = torch.arange(n_frames, device=found.device)[:, None]
    last = torch.where(is_measured, number, -1).cummax(0).values
    last = torch.where(last < 0, number, last)
    places = found.gather(0, last[..., None].expand(-1, -1, 2))
    is_other = _is_other(neighbors)
    for _ in range(n_sweeps):
        places = _sweep(places, found, information, neighbors, is_other, stiffness)
    return places


def deform(
    settled: Tensor, neighbors: Tensor, slopes: Tensor, leverage: Tensor, found: Tensor
) -> None:
    """Correct matches for the deformation of their patches, as `neighbour_kernel.deform` does.

    Parameters
    ----------
    settled
        (B, P, 2) float32 displacements.
    neighbors
        (P, K) int64.
    slopes
        (P, 2, K) float32, see `neighbour_kernel.slopes_of`.
    leverage
        (B, P, 2, 4) float32 of the templates that were matched, see `Templates`.
    found
        (B, P, 2) float32 displacements that matches give, corrected in place.
    """
    apart = settled[:, neighbors] - settled[:, :, None]
    gradients = torch.einsum("pak,bpki->bpia", slopes, apart).flatten(2)
    off = (leverage * gradients[:, neighbors].mean(2)[:, :, None]).sum(3)
    found -= off.clamp(-MOST_OFF_PX, MOST_OFF_PX)


def sharpen(settled: Tensor, neighbors: Tensor, share: Tensor) -> Tensor:
    """Undo what windows average away, as `neighbour_kernel.sharpen` does.

    Parameters
    ----------
    settled
        (B, P, 2) float32 displacements.
    neighbors
        (P, K) int64.
    share
        (P,) float32, see `neighbour_kernel.lost_in_windows`.
    """
    is_other = _is_other(neighbors)
    n_others = is_other.sum(1).clamp(min=1)[:, None]
    near = (settled[:, neighbors] * is_other[..., None]).sum(2) / n_others
    return settled + share[:, None] * (settled - near)


def _is_other(neighbors: Tensor) -> Tensor:
    """(P, K) float32: 1 where a neighbour is not the point itself."""
    return (neighbors != torch.arange(len(neighbors), device=neighbors.device)[:, None]).float()


@fused
def _sweep(
    places: Tensor,
    found: Tensor,
    information: Tensor,
    neighbors: Tensor,
    is_other: Tensor,
    stiffness: float,
) -> Tensor:
    """Move every point towards where it and its neighbours pull it."""
    near = (places[:, neighbors] * is_other[..., None]).sum(2) * stiffness
    weight = is_other.sum(1) * stiffness
    xx, xy, yy = information.unbind(2)
    pull_x = xx * found[..., 0] + xy * found[..., 1] + near[..., 0]
    pull_y = xy * found[..., 0] + yy * found[..., 1] + near[..., 1]
    xx, yy = xx + weight, yy + weight
    determinant = xx * yy - xy * xy
    solved = torch.stack([yy * pull_x - xy * pull_y, xx * pull_y - xy * pull_x], 2)
    moved = places + _DAMPING * (solved / determinant[..., None] - places)
    return torch.where((is_other.sum(1) > 0)[:, None], moved, places)


def expected_error(
    found: Tensor, settled: Tensor, information: Tensor, neighbors: Tensor, stiffness: float
) -> Tensor:
    """Tell how far off places may be, in square pixels, as `neighbour_kernel.expected_error` does.

    Parameters
    ----------
    found, settled
        (B, P, 2) float32 displacements, before and after the neighbours are heard.
    information
        (B, P, 3) float32, see `settle`.
    neighbors
        (P, K) int64.
    stiffness
        Per square pixel.

    Returns
    -------
    (B, P) float32
    """
    apart = (found - settled).norm(dim=2)[:, neighbors].mean(2)
    xx, xy, yy = information.unbind(2)
    xx, yy = xx + stiffness, yy + stiffness
    square = 0.5 * (xx + yy) / (xx * yy - xy * xy).clamp(min=1e-9) + apart * apart
    if len(found) < 3:
        return square
    alone = settled - settled[:, neighbors].mean(2)
    jump = alone[1:-1] - 0.5 * (alone[:-2] + alone[2:])
    jitter = 4 * (jump * jump).sum(2)
    return square + torch.cat([jitter[:1], jitter, jitter[-1:]])
