"""Lucas-Kanade optical flow of points between two frames, by OpenCV or by torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.tracking.settings import FlowSettings, GrayFrame, Points
from element_facerhythm.errors import ParameterError

if TYPE_CHECKING:
    import torch

Backend = Literal["opencv", "torch"]


class OpticalFlow(Protocol):
    """Moves points from one frame to the next.

    Takes two (H, W) uint8 frames and points (P, 2) float32 (x, y); returns the points in the
    second frame and (P,) bool, False where the flow could not be measured (no texture, or the
    point left the frame).
    """

    def __call__(
        self, frame_before: GrayFrame, frame_after: GrayFrame, points: Points
    ) -> tuple[Points, NDArray[np.bool_]]:
        """Points in the second frame, and where they were found."""
        ...


class OpenCvFlow:
    """OpenCV's pyramidal Lucas-Kanade on the CPU: the numbers that face-rhythm gives."""

    def __init__(self, settings: FlowSettings) -> None:
        self._settings = settings

    def __call__(
        self, frame_before: GrayFrame, frame_after: GrayFrame, points: Points
    ) -> tuple[Points, NDArray[np.bool_]]:
        """Points in the second frame, and where they were found."""
        moved, status, _ = cv2.calcOpticalFlowPyrLK(
            frame_before,
            frame_after,
            points,
            None,
            winSize=self._settings.window_px,
            maxLevel=self._settings.max_level,
            criteria=self._settings.criteria,
        )
        return moved.reshape(points.shape), status.ravel() != 0


def make_flow(
    settings: FlowSettings, *, device: torch.device | str, backend: Backend | None = None
) -> OpticalFlow:
    """Choose who computes the flow: OpenCV on the CPU, torch on CUDA, or the backend that is named.

    Parameters
    ----------
    settings
        Window, levels and criteria.
    device
        `cpu` or `cuda[:N]`.
    backend
        `opencv` or `torch`; None chooses by the device.

    Raises
    ------
    ParameterError
        The backend is unknown, or OpenCV is asked for on CUDA.
    """
    kind = str(device).partition(":")[0]
    chosen = backend or ("torch" if kind == "cuda" else "opencv")
    if chosen == "opencv" and kind == "cpu":
        return OpenCvFlow(settings)
    if chosen == "torch":
        from element_facerhythm.core.tracking.torch_lucas_kanade import TorchFlow

        return TorchFlow(settings, device)
    raise ParameterError(
        f"Lucas-Kanade backend {chosen!r} on device {str(device)!r}; expected 'opencv' (CPU only) "
        "or 'torch'."
    )
