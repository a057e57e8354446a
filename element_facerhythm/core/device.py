"""Which device computes: `auto`, `cpu`, or `cuda`, resolved once and checked before work starts."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from element_facerhythm.errors import ParameterError

if TYPE_CHECKING:
    import torch


def resolve_device(name: str = "auto") -> torch.device:
    """Turn a device name into a torch device that exists on this machine.

    Parameters
    ----------
    name
        `auto` (the first CUDA device if there is one, else the CPU), `cpu`, `cuda`, or `cuda:N`.

    Returns
    -------
    torch.device
        `cpu`, or `cuda:N` with its index spelled out.

    Raises
    ------
    ParameterError
        The name is none of these, or asks for a CUDA device that this machine does not have.
    """
    import torch

    wanted = name.strip().lower()
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return torch.device("cuda", 0) if n_cuda else torch.device("cpu")
    if wanted == "cpu":
        return torch.device("cpu")
    kind, _, index = wanted.partition(":")
    if kind != "cuda" or (":" in wanted and not (index.isascii() and index.isdigit())):
        raise ParameterError(
            f"device is {name!r}; expected 'auto', 'cpu', 'cuda' or 'cuda:N' with N a number."
        )
    number = int(index or 0)
    if number >= n_cuda:
        seen = "no CUDA device" if n_cuda == 0 else f"{n_cuda} CUDA device(s), numbered from 0"
        raise ParameterError(
            f"device is {name!r}, but torch {torch.__version__} sees {seen} here. "
            "Use 'cpu' or 'auto', or install a CUDA build of torch that fits the driver."
        )
    return torch.device("cuda", number)


def device_name(name: str = "auto") -> str:
    """Resolve as `resolve_device` does, but only name the device.

    torch, which takes a second to import, is asked only where there may be a GPU.
    """
    wanted = name.strip().lower()
    if wanted == "cpu" or (wanted == "auto" and not _may_have_gpu()):
        return "cpu"
    return str(resolve_device(name))


def _may_have_gpu() -> bool:
    """Whether a driver that torch could use is installed; False is certain."""
    if sys.platform != "linux" or os.path.exists("/dev/kfd"):  # noqa: PTH110  AMD's, no file is opened
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


@contextmanager
def single_thread(device: torch.device) -> Iterator[None]:
    """On a CPU, let torch use one thread.

    Many small products, and the factorisation of a small matrix: sharing these out costs more than it gains,
    ten to hundreds of times as much where another process wants the cores, and sums depend on it.
    """
    import torch

    n_threads = torch.get_num_threads()
    if device.type != "cpu" or n_threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device (or the host, allocating for it) ran out of memory.

    torch's allocator has an error of its own; drivers, libraries and Triton's launcher raise
    RuntimeError with the driver's words.
    """
    import torch

    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    words = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUFFT_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)
