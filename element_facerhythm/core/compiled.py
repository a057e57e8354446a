"""Kernels compiled by numba when first called, and kept on disk for the next process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# Sums may be reordered (vector units need that); values are finite, as every caller ensures.
# No kernel is called from C, and what would be compiled for that takes time in a first run.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "fastmath": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
}
_PART_OPTIONS = {**_OPTIONS, "forceinline": True, "no_cpython_wrapper": True}


def compiled(function: Kernel) -> Kernel:
    """Compile a function of numbers and arrays; it runs without Python's global lock.

    What was compiled is kept beside the source, or in the user's cache where that is not writable;
    where neither is, every process compiles anew.
    """
    try:
        kernel: Kernel = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # numba found no place to keep it in
        kernel = numba.njit(**_OPTIONS)(function)
    return kernel


def inlined(function: Kernel) -> Kernel:
    """Mark a part of kernels, which is compiled into each of them.

    Python cannot call it, so no code for that is compiled, once for each part.
    """
    part: Kernel = numba.njit(**_PART_OPTIONS)(function)
    return part
