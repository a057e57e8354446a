"""Lucas-Kanade optical flow of points between two frames: compiled, or by OpenCV."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame, Points
from element_facerhythm.core.tracking.refinement import RefineWithin
from element_facerhythm.core.tracking.settings import FlowSettings, Prepare
from element_facerhythm.errors import ParameterError

Backend = Literal["compiled", "opencv"]


class OpticalFlow(Protocol):
    """Moves points from one frame to the next."""

    def describe(self, frame: GrayFrame, /) -> Any:
        """Return what the flow needs of a frame (H, W) uint8; it is asked in other threads."""
        ...

    def __call__(
        self, before: Any, after: Any, points: Points, /
    ) -> tuple[Points, NDArray[np.bool_]]:
        """Points (P, 2) float32 (x, y) in the second frame, and where they were found.

        Frames are those that `describe` returns; found is (P,) bool, False where the flow could not be
        measured (no texture, the point left the frame, or the point is occluded).
        """
        ...

    def close(self) -> None:
        """Stop the threads."""
        ...


class OpenCvFlow:
    """OpenCV's pyramidal Lucas-Kanade on the CPU, which face-rhythm uses."""

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
        """There are no threads to stop."""


def as_it_is(frame: GrayFrame) -> GrayFrame:
    """Return a frame unchanged."""
    return frame


def make_flow(
    settings: FlowSettings,
    *,
    backend: Backend = "compiled",
    prepare: Prepare = as_it_is,
    refine_within: RefineWithin | None = None,
    n_threads: int = 1,
) -> OpticalFlow:
    """Make what computes the flow.

    Parameters
    ----------
    settings
        Window, levels and criteria.
    backend
        `compiled` or `opencv`.
    prepare
        What a frame goes through before points are searched for in it, in whichever thread
        prepares it.
    refine_within
        Match on the raw frames, too (compiled backend); None only searches on the prepared ones.
    n_threads
        Threads of the compiled backend.

    Raises
    ------
    ParameterError
        The backend is unknown, or cannot refine.
    """
    if backend not in ("compiled", "opencv"):
        raise ParameterError(f"Lucas-Kanade backend {backend!r}; expected 'compiled' or 'opencv'.")
    if backend == "compiled":
        from element_facerhythm.core.tracking.compiled_flow import CompiledFlow

        return CompiledFlow(
            settings, prepare=prepare, refine_within=refine_within, n_threads=n_threads
        )
    if refine_within is not None:
        raise ParameterError(
            "Lucas-Kanade backend 'opencv' does not refine matches; give refine=False, or take the "
            "'compiled' backend."
        )
    return OpenCvFlow(settings, prepare=prepare)
