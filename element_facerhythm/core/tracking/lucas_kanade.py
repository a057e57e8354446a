"""Lucas-Kanade optical flow of points between two frames, by OpenCV or by torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import ParameterError

if TYPE_CHECKING:
    import torch

GrayFrame = NDArray[np.uint8]
Points = NDArray[np.float32]
Backend = Literal["opencv", "torch"]


@dataclass(frozen=True)
class FlowSettings:
    """What Lucas-Kanade is told, in OpenCV's terms.

    Attributes
    ----------
    window_px
        (width, height) of the window around a point; 3 or more each.
    max_level
        Number of pyramid levels above the full frame.
    criteria
        (type, number of iterations, smallest step in pixels); type 1 heeds the number, 2 the step,
        3 both. OpenCV's own value (30 iterations, 0.01 px) stands in for what is not heeded.
    """

    window_px: tuple[int, int]
    max_level: int
    criteria: tuple[int, int, float]

    def __post_init__(self) -> None:
        """Refuse what OpenCV would fail on.

        Raises
        ------
        ParameterError
            The window is below 3 px, the level negative, or the criteria are not OpenCV's.
        """
        if len(self.window_px) != 2 or min(self.window_px) < 3:
            raise ParameterError(
                f"winSize is {list(self.window_px)}; expected [width, height] of 3 px or more each."
            )
        if self.max_level < 0:
            raise ParameterError(f"maxLevel is {self.max_level}; expected 0 or more.")
        if len(self.criteria) != 3 or self.criteria[0] not in (1, 2, 3):
            raise ParameterError(
                f"criteria is {list(self.criteria)}; expected [type, iterations, step in px] with "
                "type 1 (iterations), 2 (step) or 3 (both)."
            )

    @property
    def n_iterations(self) -> int:
        """Most iterations per level."""
        heeded = self.criteria[0] & cv2.TERM_CRITERIA_COUNT
        return min(max(int(self.criteria[1]), 0), 100) if heeded else 30

    @property
    def step_px(self) -> float:
        """Iterations end with a step of this length or less, in pixels."""
        heeded = self.criteria[0] & cv2.TERM_CRITERIA_EPS
        return min(max(float(self.criteria[2]), 0.0), 10.0) if heeded else 0.01


def flow_settings(
    window_px: int | Sequence[int], max_level: int, criteria: Sequence[float]
) -> FlowSettings:
    """Build `FlowSettings` from plain values, as they stand in a parameter file."""
    window = (window_px, window_px) if isinstance(window_px, int) else tuple(window_px)
    kind, count, step = (*criteria, *(0, 0, 0))[:3] if len(criteria) == 3 else (0, 0, 0.0)
    return FlowSettings(
        window_px=tuple(int(n) for n in window),  # type: ignore[arg-type]
        max_level=int(max_level),
        criteria=(int(kind), int(count), float(step)),
    )


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
