"""Who computes the steps: Triton's kernels, or torch's own operations."""

from __future__ import annotations

import logging
from typing import Literal

import torch

from element_facerhythm.core.tracking.batched.steps import Scene, Stepper
from element_facerhythm.core.tracking.settings import TrackingSettings
from element_facerhythm.errors import ParameterError

logger = logging.getLogger(__name__)

StepBackend = Literal["triton", "torch"]


def has_triton() -> bool:
    """Whether Triton can be imported here (it comes with torch's CUDA builds for Linux)."""
    from importlib.util import find_spec

    return find_spec("triton") is not None


def make_stepper(scene: Scene, settings: TrackingSettings, backend: StepBackend) -> Stepper:
    """Make what computes the steps.

    Parameters
    ----------
    scene
        What all sequences share, on the device.
    settings
        Flow, mesh, relaxation and threshold; local contrast is equalised before.
    backend
        `triton` or `torch`.
    """
    if backend == "triton":
        from element_facerhythm.core.tracking.batched.triton_steps import TritonStepper

        return TritonStepper(scene, settings)
    from element_facerhythm.core.tracking.batched.torch_steps import TorchStepper

    return TorchStepper(scene, settings)


def choose_backend(backend: StepBackend | None, device: torch.device) -> StepBackend:
    """Return the backend that is named, else the fastest that there is on a device.

    Parameters
    ----------
    backend
        `triton`, `torch`, or None for either.
    device
        Where the frames are.

    Raises
    ------
    ParameterError
        There is no such backend.
    """
    if backend not in (None, "triton", "torch"):
        raise ParameterError(f"backend is {backend!r}; expected 'triton', 'torch' or None.")
    if backend is not None:
        return backend
    if device.type != "cuda":
        return "torch"
    if not has_triton():
        logger.warning(
            "Triton is not installed: the flow is computed in thousands of small launches a step. "
            "Install it with: pip install triton"
        )
        return "torch"
    return "triton"
