"""Lucas-Kanade optical flow of points between two frames: compiled, by OpenCV, or by torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.tracking.refinement import RefineWithin
from element_facerhythm.core.tracking.settings import FlowSettings, GrayFrame, Points, Prepare
from element_facerhythm.errors import ParameterError

if TYPE_CHECKING:
    import torch

Backend = Literal["compiled", "opencv", "torch"]


class OpticalFlow(Protocol):
    """Moves points from one frame to the next."""

    def describe(self, frame: GrayFrame, /) -> Any:
        """Return what the flow needs of a frame (H, W) uint8; it is asked in other threads."""
        ...

    def __call__(
        self, before: Any, after: Any, points: Points, /
    ) -> tuple[Points, NDArray[np.bool_]]:
        """Points (P, 2) float32 (x, y) in the second frame, and where they were found.

        Frames are given as described; found is (P,) bool, False where the flow could not be
        measured (no texture, the point left the frame, or something came between).
        """
        ...

    def close(self) -> None:
        """Let go of threads."""
        ...


class OpenCvFlow:
    """OpenCV's pyramidal Lucas-Kanade on the CPU: the numbers that face-rhythm gives."""

    def __init__(self, settings: FlowSettings, *, prepare: Prepare) -> None:
        self._settings = settings
        self._prepare = prepare

    def describe(self, frame: GrayFrame) -> GrayFrame:
        """Return the prepared frame."""
        return self._prepare(frame)

    def __call__(
        self, before: GrayFrame, after: GrayFrame, points: Points
    ) -> tuple[Points, NDArray[np.bool_]]:
        """Points in the second frame, and where they were found."""
        moved, status, _ = cv2.calcOpticalFlowPyrLK(
            before,
            after,
            points,
            None,
            winSize=self._settings.window_px,
            maxLevel=self._settings.max_level,
            criteria=self._settings.criteria,
        )
        return moved.reshape(points.shape), status.ravel() != 0

    def close(self) -> None:
        """There is nothing to let go of."""


def choose_backend(device: torch.device | str, backend: Backend | None = None) -> Backend:
    """Backend for a device: the one that is named, else compiled on the CPU and torch on CUDA.

    Raises
    ------
    ParameterError
        The backend is unknown, or cannot compute on this device.
    """
    kind = str(device).partition(":")[0]
    chosen: Backend = backend or ("torch" if kind == "cuda" else "compiled")
    if chosen == "torch" or (chosen in ("compiled", "opencv") and kind == "cpu"):
        return chosen
    raise ParameterError(
        f"Lucas-Kanade backend {chosen!r} on device {str(device)!r}; expected 'compiled' or "
        "'opencv' (CPU only) or 'torch'."
    )


def as_it_is(frame: GrayFrame) -> GrayFrame:
    """Leave a frame as it came."""
    return frame


def make_flow(
    settings: FlowSettings,
    *,
    device: torch.device | str,
    backend: Backend | None = None,
    prepare: Prepare = as_it_is,
    refine_within: RefineWithin | None = None,
    n_threads: int = 1,
) -> OpticalFlow:
    """Make what computes the flow.

    Parameters
    ----------
    settings
        Window, levels and criteria.
    device
        `cpu` or `cuda[:N]`.
    backend
        `compiled`, `opencv` or `torch`; None chooses by the device.
    prepare
        What a frame goes through before points are searched for in it, in whichever thread
        describes it.
    refine_within
        Match on the frames as they are, too (compiled backend); None only searches on the prepared
        ones.
    n_threads
        Threads of the compiled backend.

    Raises
    ------
    ParameterError
        The backend is unknown, or cannot compute on this device.
    """
    chosen = choose_backend(device, backend)
    if chosen == "compiled":
        from element_facerhythm.core.tracking.compiled_flow import CompiledFlow

        return CompiledFlow(
            settings, prepare=prepare, refine_within=refine_within, n_threads=n_threads
        )
    if chosen == "opencv":
        return OpenCvFlow(settings, prepare=prepare)
    from element_facerhythm.core.tracking.torch_lucas_kanade import TorchFlow

    return TorchFlow(settings, device, prepare=prepare)
