"""The package's own CP fit: compress, fit from several starts, polish on the whole tensor.

The same torch code runs on CPU and CUDA. The tensor is read in blocks, a fixed number of times
however many iterations the fit takes, so that it may be larger than memory; see
`docs/explanation/decomposition.md`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.decomposition.block_tensor import ENTRIES_PER_BLOCK, BlockTensor
from element_facerhythm.core.decomposition.compression import Compressed, as_blocks, compress
from element_facerhythm.core.decomposition.full_tensor_refinement import sweep_blocks
from element_facerhythm.core.decomposition.initialisation import make_starts
from element_facerhythm.core.decomposition.model import FloatArray
from element_facerhythm.core.decomposition.settings import FitSettings
from element_facerhythm.core.decomposition.stability import component_stability
from element_facerhythm.core.decomposition.tucker_core_fit import CoreFits, fit_core
from element_facerhythm.core.device import single_thread
from element_facerhythm.errors import ProcessingError

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

# A GPU wants few large launches (256 MiB in float32).
_ENTRIES_PER_BLOCK_CUDA = 2**26
# Sweeps over the whole tensor at most, and the gain in relative error below which they end.
_N_POLISH_MAX = 6
_LEAST_POLISH_GAIN = 1e-5

Result = TypeVar("Result")


@dataclass(frozen=True)
class FastFit:
    """Loadings per axis (n, R) in the tensor's order, how they were reached, how stable they are.

    Attributes
    ----------
    factors
        Per axis, (n, R) float32.
    n_iterations
        Sweeps of the best fit, those over the whole tensor included.
    stability
        (R,), see `component_stability`; None with one start.
    core_errors
        (iterations + 1,) relative errors of the best fit of the compressed tensor.
    polish_errors
        Relative errors after each sweep over the whole tensor that was kept.
    """

    factors: list[FloatArray]
    n_iterations: int
    stability: Float64Array | None
    core_errors: Float64Array
    polish_errors: tuple[float, ...]


class DeviceBlocks:
    """Blocks of a tensor on a device, read again at each iteration unless they fit there."""

    def __init__(
        self, tensor: BlockTensor, device: torch.device, entries_per_block: int, *, hold: bool
    ) -> None:
        self._tensor, self._device, self._entries = tensor, device, entries_per_block
        self._held = list(self._read()) if hold else None

    def _read(self) -> Iterator[tuple[int, torch.Tensor]]:
        return as_blocks(self._tensor.blocks(self._entries), self._device)

    def __iter__(self) -> Iterator[tuple[int, torch.Tensor]]:
        return self._read() if self._held is None else iter(self._held)


def with_blocks(
    tensor: BlockTensor, device: torch.device, work: Callable[[DeviceBlocks], Result]
) -> Result:
    """Call `work` with the tensor's blocks; where GPU memory runs out, again with smaller ones.

    Parameters
    ----------
    tensor
        The tensor.
    device
        Where blocks are put, and held where all of them fit into half of a GPU's free memory.
    work
        What to do with them; begun again from the first block where memory runs out.

    Returns
    -------
    What `work` returns.

    Raises
    ------
    ProcessingError
        One row at a time does not fit, either.
    """
    import torch

    entries = _ENTRIES_PER_BLOCK_CUDA if device.type == "cuda" else ENTRIES_PER_BLOCK
    hold = _fits(tensor, device)
    while True:
        try:
            return work(DeviceBlocks(tensor, device, entries, hold=hold))
        except torch.cuda.OutOfMemoryError as error:
            if not hold and entries <= tensor.size // tensor.n_rows:
                raise ProcessingError(
                    f"{device} has too little memory for one row of the tensor "
                    f"({4 * tensor.size // tensor.n_rows} bytes); use the device 'cpu'."
                ) from error
        entries = entries if hold else entries // 4
        hold = False
        if device.type == "cuda":
            torch.cuda.empty_cache()
        logger.warning(
            "%s ran out of memory; trying again with blocks of %d entries", device, entries
        )


def _fits(tensor: BlockTensor, device: torch.device) -> bool:
    """Whether the whole tensor should lie on a GPU."""
    import torch

    return device.type == "cuda" and tensor.nbytes < 0.5 * torch.cuda.mem_get_info(device)[0]


def fit_fast(
    tensor: BlockTensor,
    settings: FitSettings,
    *,
    norm_square: float,
    device: torch.device,
    on_iteration: Callable[[int], None] | None = None,
) -> FastFit:
    """Fit the components that are asked for; see the steps of `docs/explanation/decomposition.md`.

    Parameters
    ----------
    tensor
        What to fit, finite and not zero.
    settings
        What to fit: `rank`, `seed` (of the sketch and of the starts), which axes are not negative,
        `n_iter_max` (sweeps over the compressed tensor; up to six over the whole one follow), `tol`
        (of sweeps without extrapolation), `init` (of the first start) and `n_restarts`.
    norm_square
        Sum of the tensor's squares.
    device
        Where to compute.
    on_iteration
        Called with the number of iterations done.

    Returns
    -------
    FastFit
        The best fit of all starts.

    Raises
    ------
    ProcessingError
        The device has too little memory for one row of the tensor.
    """
    order = tensor.axis_order
    nonnegative = settings.nonnegative_axes(tensor.ndim)
    signs = [nonnegative[axis] for axis in order]
    report = on_iteration or (lambda n_done: None)

    def work(blocks: DeviceBlocks) -> FastFit:
        shape, rank = tensor.block_shape, settings.rank
        compressed = compress(blocks, shape, rank, norm_square, settings.seed)
        fits = fit_starts(compressed, settings, signs, report)
        best = [factor[fits.best : fits.best + 1] for factor in fits.factors]
        n_core = fits.errors.shape[1] - 1
        errors: list[float] = []
        if not compressed.is_exact:
            reached = float(fits.errors[fits.best, -1])
            best, errors = _polish(
                blocks, best, reached, signs, norm_square, lambda n_done: report(n_core + n_done)
            )
        return _result(best, errors, fits, order)

    return with_blocks(tensor, device, work)


def fit_starts(
    compressed: Compressed,
    settings: FitSettings,
    nonnegative: Sequence[bool],
    on_iteration: Callable[[int], None] | None = None,
) -> CoreFits:
    """Fit a compressed tensor from several starts.

    Parameters
    ----------
    compressed
        What to fit; it may have been compressed for a larger rank.
    settings
        As of `fit_fast`.
    nonnegative
        Per axis of the compressed tensor, whether loadings must not be negative.
    on_iteration
        Called with the number of iterations done.

    Returns
    -------
    CoreFits
        One fit per start.
    """
    starts = make_starts(
        compressed,
        settings.rank,
        nonnegative,
        n_starts=settings.n_restarts,
        init=settings.init,
        seed=settings.seed,
    )
    with single_thread(compressed.core.device):
        return fit_core(
            compressed,
            starts,
            nonnegative,
            n_iter_max=settings.n_iter_max,
            tol=settings.tol,
            on_iteration=on_iteration,
        )


def _polish(
    blocks: DeviceBlocks,
    factors: list[torch.Tensor],
    reached: float,
    nonnegative: Sequence[bool],
    norm_square: float,
    report: Callable[[int], None],
) -> tuple[list[torch.Tensor], list[float]]:
    """Sweep over the whole tensor until that gains little; the errors never rise.

    `reached` is the error on the compressed tensor, which stands for that of the start.
    """
    errors: list[float] = []
    for n_done in range(1, _N_POLISH_MAX + 1):
        new, error = sweep_blocks(blocks, factors, nonnegative, norm_square)
        if errors and error > errors[-1]:
            break
        factors = new
        errors.append(error)
        report(n_done)
        if reached - error < _LEAST_POLISH_GAIN:
            break
        reached = error
    return factors, errors


def _result(
    best: list[torch.Tensor], errors: list[float], fits: CoreFits, order: Sequence[int]
) -> FastFit:
    loadings = [factor[0].T.cpu().numpy() for factor in best]
    restarts = [
        [factor[b].T.cpu().numpy() for factor in fits.factors]
        for b in range(len(fits.n_iterations))
        if b != fits.best
    ]
    return FastFit(
        factors=[loadings[order.index(axis)].astype(np.float32) for axis in range(len(order))],
        n_iterations=int(fits.n_iterations[fits.best]) + len(errors),
        stability=component_stability(loadings, restarts),
        core_errors=fits.errors[fits.best].cpu().numpy(),
        polish_errors=tuple(errors),
    )
