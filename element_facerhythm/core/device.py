"""Which device computes: `auto`, `cpu`, or `cuda`, resolved once and checked before work starts."""

from __future__ import annotations

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
