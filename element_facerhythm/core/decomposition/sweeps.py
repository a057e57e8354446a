"""One sweep of alternating updates over all axes, for several fits of one small tensor at once.

The products that each update needs (MTTKRP) come from a dimension tree: the tensor is contracted
with the loadings of one half of the axes, and the result, which is small, serves all axes of the
other half; no Khatri-Rao product is ever built. Where the tensor is compressed, loadings stay in
full size, and only the products pass through the bases.

Loadings are (B, R, n): B fits side by side, R components.

Sources: A.-H. Phan, P. Tichavsky, A. Cichocki, IEEE Trans. Signal Process. 61 (2013) 4834 (reuse of
partial products); A. Cichocki, A.-H. Phan, IEICE Trans. E92-A (2009) 708 (HALS); N. Gillis, F.
Glineur, Neural Computation 24 (2012) 1085 (several inner passes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

N_INNER = 3
_TINY = 1e-300

Update = Callable[[int, "torch.Tensor"], None]


def nonnegative_update(
    loadings: torch.Tensor, products: torch.Tensor, gram: torch.Tensor, n_inner: int = N_INNER
) -> torch.Tensor:
    """Minimise over one axis with loadings of at least 0, component after component (HALS).

    Parameters
    ----------
    loadings
        (B, R, n) where to start.
    products
        (B, R, n) tensor times the loadings of all other axes (MTTKRP).
    gram
        (B, R, R) product of the Gram matrices of all other axes.
    n_inner
        Passes over the components.

    Returns
    -------
    New loadings (B, R, n); the loss is never above that of `loadings`.
    """
    loadings = loadings.clone()
    diagonal = gram.diagonal(dim1=1, dim2=2).clamp(min=_TINY)
    for _ in range(n_inner):
        for r in range(loadings.shape[1]):
            gradient = products[:, r] - (gram[:, r : r + 1] @ loadings)[:, 0]
            loadings[:, r] += gradient / diagonal[:, r, None]
            loadings[:, r].clamp_(min=0)
    return loadings


def free_update(loadings: torch.Tensor, products: torch.Tensor, gram: torch.Tensor) -> torch.Tensor:
    """Minimise over one axis without constraint (proximal least squares).

    The small proximal term keeps the system solvable where components coincide; it too never
    raises the loss.

    Parameters
    ----------
    loadings, products, gram
        As of `nonnegative_update`.

    Returns
    -------
    New loadings (B, R, n).
    """
    import torch

    trace = gram.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
    shift = (1e-9 * trace / gram.shape[1]).clamp(min=_TINY)
    eye = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)
    return torch.linalg.solve(gram + shift * eye, products + shift * loadings)


def visit(
    partial: torch.Tensor,
    axes: Sequence[int],
    factors: Sequence[torch.Tensor],
    update: Update,
    *,
    has_rank: bool,
) -> None:
    """Go down the dimension tree, axis by axis in their order.

    Parameters
    ----------
    partial
        The tensor (k_0, k_1, ...), or with `has_rank` (B, R, k_0, k_1, ...) partial products.
    axes
        Which axes of the tensor are left in `partial`.
    factors
        Per axis of the tensor, (B, R, k); `update` may replace entries, the next axes see that.
    update
        Called with each axis and its (B, R, k) products.
    has_rank
        Whether `partial` is partial products, and not the tensor.
    """
    if len(axes) == 1:
        update(axes[0], partial)
        return
    half = len(axes) // 2
    for keep, drop in ((axes[:half], axes[half:]), (axes[half:], axes[:half])):
        kept, left, ranked = partial, list(axes), has_rank
        for axis in reversed(drop):
            kept = _contract(kept, left.index(axis), factors[axis], has_rank=ranked)
            left.remove(axis)
            ranked = True
        visit(kept, keep, factors, update, has_rank=True)


def _contract(
    partial: torch.Tensor, place: int, factor: torch.Tensor, *, has_rank: bool
) -> torch.Tensor:
    import torch

    if not has_rank:
        return torch.tensordot(factor, partial, dims=([2], [place]))
    return torch.einsum("br...k,brk->br...", partial.movedim(place + 2, -1), factor)


def balanced(factors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Share each component's norm out equally over its axes; the components stay as they are.

    A component that has vanished along one axis is set to zero along all of them.
    """
    norms = [factor.norm(dim=2) for factor in factors]
    mean = _product([norm ** (1 / len(factors)) for norm in norms])
    return [
        factor * (mean / norm.clamp(min=_TINY))[..., None]
        for factor, norm in zip(factors, norms, strict=True)
    ]


def gram_without(grams: Sequence[torch.Tensor], axis: int) -> torch.Tensor:
    """Multiply the Gram matrices of all axes but one, entry by entry.

    Parameters
    ----------
    grams
        Per axis, (B, R, R).
    axis
        The one that is left out.

    Returns
    -------
    (B, R, R) product: the Gram matrix of the Khatri-Rao product of these axes' loadings.
    """
    return _product([gram for i, gram in enumerate(grams) if i != axis])


def _product(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    product = parts[0]
    for part in parts[1:]:
        product = product * part
    return product
