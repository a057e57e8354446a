"""Settings of point tracking: optical flow, local contrast, and how points behave besides the flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.errors import ParameterError

Prepare = Callable[[GrayFrame], GrayFrame]
Rewind = Literal["correct", "face-rhythm"]


@dataclass(frozen=True)
class FlowSettings:
    """Lucas-Kanade settings, in OpenCV's terms: window, pyramid levels, termination criteria.

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


@dataclass(frozen=True)
class ClaheSettings:
    """Equalisation of local contrast (CLAHE).

    Attributes
    ----------
    clip_limit
        Contrast limit.
    tile_grid
        Number of tiles (across, down).
    """

    clip_limit: float
    tile_grid: tuple[int, int]

    def __post_init__(self) -> None:
        """Refuse a grid without tiles.

        Raises
        ------
        ParameterError
            A number of tiles is below 1.
        """
        if len(self.tile_grid) != 2 or min(self.tile_grid) < 1:
            raise ParameterError(
                f"The CLAHE tile grid is {self.tile_grid}; expected two numbers of tiles >= 1."
            )


@dataclass(frozen=True)
class PointDynamics:
    """How points behave besides following the flow.

    Attributes
    ----------
    mesh_rigidity, relaxation
        Share of the way back to the mesh, and home, in every frame; 0 switches each off.
    displacement_threshold_px
        A point further from home than this violates.
    n_frames_halted_before, n_frames_halted_after
        Frames flagged before a violation, and from it on (the violating frame is the first).
    relaxation_during_freeze
        Whether mesh and relaxation still act in frames in which the flow is not followed at all.
    rewind
        `correct`: a replay starts from the frame and the points before the flagged span, flags of a
        frame act in that frame, and a point whose flow could not be measured stays. `face-rhythm`:
        its numbers, in which one motion step is applied twice after a rewind, flags act one frame
        late, unmeasured points take OpenCV's guess, and points follow the flow in dark frames, too.
    """

    mesh_rigidity: float
    relaxation: float
    displacement_threshold_px: float
    n_frames_halted_before: int
    n_frames_halted_after: int
    relaxation_during_freeze: bool = True
    rewind: Rewind = "correct"

    def __post_init__(self) -> None:
        """Refuse what has no meaning.

        Raises
        ------
        ParameterError
            A number of halted frames is negative, or the rewind is unknown.
        """
        before, after = self.n_frames_halted_before, self.n_frames_halted_after
        if before < 0 or after < 0:
            raise ParameterError(
                f"framesHalted_before is {before}, framesHalted_after {after}; expected 0 or more."
            )
        if self.rewind not in ("correct", "face-rhythm"):
            raise ParameterError(f"rewind is {self.rewind!r}; expected 'correct' or 'face-rhythm'.")

    @property
    def as_face_rhythm(self) -> bool:
        """Whether face-rhythm's numbers are wanted, defects included."""
        return self.rewind == "face-rhythm"


@dataclass(frozen=True)
class TrackingSettings:
    """All settings of tracking besides frames, points and where to compute.

    Attributes
    ----------
    flow
        Lucas-Kanade.
    clahe
        Local contrast of the frames that are searched; None leaves them as they are.
    dynamics
        Mesh, relaxation, and violations.
    refine
        Improve and judge every match on the raw frames (`refinement`).
    """

    flow: FlowSettings
    clahe: ClaheSettings | None
    dynamics: PointDynamics
    refine: bool


def flow_settings(
    window_px: int | Sequence[int], max_level: int, criteria: Sequence[float]
) -> FlowSettings:
    """Build `FlowSettings` from plain values, as they stand in a parameter file.

    Parameters
    ----------
    window_px
        (width, height), or one number for both.
    max_level
        Number of pyramid levels above the full frame.
    criteria
        OpenCV's (type, number of iterations, step in pixels).

    Raises
    ------
    ParameterError
        As `FlowSettings` does.
    """
    window = (window_px, window_px) if isinstance(window_px, int) else tuple(window_px)
    kind, count, step = (*criteria, *(0, 0, 0))[:3] if len(criteria) == 3 else (0, 0, 0.0)
    return FlowSettings(
        window_px=tuple(int(n) for n in window),  # type: ignore[arg-type]
        max_level=int(max_level),
        criteria=(int(kind), int(count), float(step)),
    )
