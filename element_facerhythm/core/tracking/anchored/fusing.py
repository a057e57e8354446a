"""Functions of torch compiled for a GPU: one kernel in place of many launches."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from functools import cache, wraps
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

logger = logging.getLogger(__name__)


@cache
def can_fuse() -> bool:
    """Whether torch can compile for a GPU here: it needs Triton, which needs a C compiler."""
    compilers = (os.environ.get("CC", "cc"), "gcc", "clang")
    if find_spec("triton") is not None and any(map(shutil.which, compilers)):
        return True
    logger.warning(
        "points are matched on the GPU without compiled kernels, which is slower: Triton or a C compiler "
        "is missing"
    )
    return False


def fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function when it is first called on a GPU; on the CPU it stays as it is."""

    @cache
    def compiled() -> Callable[..., Any]:
        return torch.compile(function, dynamic=True)

    @wraps(function)
    def call(first: Tensor, *others: Any) -> Any:
        return (compiled() if first.is_cuda and can_fuse() else function)(first, *others)

    return call
