"""What Lucas-Kanade is told: window, pyramid levels, and when to stop iterating."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import ParameterError

GrayFrame = NDArray[np.uint8]
Points = NDArray[np.float32]
Prepare = Callable[[GrayFrame], GrayFrame]


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
