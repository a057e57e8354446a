"""Settings of anchored tracking."""

from __future__ import annotations

from dataclasses import dataclass

from element_facerhythm.errors import ParameterError


@dataclass(frozen=True)
class AnchoredSettings:
    """How points are matched against what they look like in the whole recording.

    Attributes
    ----------
    window_px
        Width and height of the window around a point; odd, 9 to 63.
    n_reference_frames
        Frames of the recording that the references are made of; 8 or more.
    displacement_threshold_px
        A point is not looked for further from home than this.
    """

    window_px: int = 29
    n_reference_frames: int = 96
    displacement_threshold_px: float = 150.0

    def __post_init__(self) -> None:
        """Refuse what cannot be matched.

        Raises
        ------
        ParameterError
            The window is even or of no usable size, or there are too few reference frames.
        """
        if self.window_px % 2 == 0 or not 9 <= self.window_px <= 63:
            raise ParameterError(
                f"window_px is {self.window_px}; expected an odd number of pixels from 9 to 63."
            )
        if self.n_reference_frames < 8:
            raise ParameterError(
                f"n_reference_frames is {self.n_reference_frames}; expected 8 or more."
            )
