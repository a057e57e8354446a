"""Which part of a frame is shown, and how large."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from element_facerhythm.errors import RequestError
from element_facerhythm.video.reader import RgbFrame

LEAST_WIDTH_PX, MOST_WIDTH_PX = 160, 4096
_USUAL_WIDTHS_PX = (480, 1280)
_NORMAL_WIDTH_PX = 640  # at which a line is one pixel wide


@dataclass(frozen=True)
class View:
    """A part of a frame, and its size in the movie.

    Attributes
    ----------
    left_px, top_px, width_px, height_px
        The part, in pixels of the frame.
    shown_px
        Width and height in the movie, both even.
    unit
        Width of a thin line in the movie, in its pixels; what is drawn is measured in it.
    """

    left_px: int
    top_px: int
    width_px: int
    height_px: int
    shown_px: tuple[int, int]
    unit: float

    @property
    def scale(self) -> npt.NDArray[np.float64]:
        """Pixels of the movie in one of the frame, along x and y."""
        return np.array(self.shown_px) / (self.width_px, self.height_px)

    def picture(self, frame: RgbFrame) -> RgbFrame:
        """Return the part of a frame (H, W, 3) as it is shown; a copy."""
        part = frame[
            self.top_px : self.top_px + self.height_px, self.left_px : self.left_px + self.width_px
        ]
        if self.shown_px == (self.width_px, self.height_px):
            return part.copy()
        is_smaller = self.shown_px[0] < self.width_px
        how = cv2.INTER_AREA if is_smaller else cv2.INTER_CUBIC
        shown: RgbFrame = cv2.resize(part, self.shown_px, interpolation=how)
        return shown

    def places(self, points_px: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Places (N, 2) in the movie of points of the frame; whole numbers are centres of pixels."""
        corner = np.array([self.left_px, self.top_px])
        return (np.asarray(points_px, np.float64) - corner + 0.5) * self.scale - 0.5


def whole_frame(frame_size_px: tuple[int, int], width_px: int | None = None) -> View:
    """View of whole frames.

    Parameters
    ----------
    frame_size_px
        Width and height of the frames.
    width_px
        Width of the movie; the frames' own if None, but 480 at least and 1280 at most.

    Raises
    ------
    RequestError
        The movie would be too small to draw in, or larger than H.264 goes.
    """
    width, height = frame_size_px
    low, high = _USUAL_WIDTHS_PX
    shown_width = min(max(width, low), high) if width_px is None else width_px
    shown = even(shown_width), even(shown_width * height / width)
    if not (LEAST_WIDTH_PX <= shown_width <= MOST_WIDTH_PX and shown[1] <= MOST_WIDTH_PX):
        raise RequestError(
            f"the movie would be {shown[0]} x {shown[1]} px; give a --width of {LEAST_WIDTH_PX} to "
            f"{MOST_WIDTH_PX} at which its height is at most {MOST_WIDTH_PX}"
        )
    return View(0, 0, width, height, shown, max(shown[0] / _NORMAL_WIDTH_PX, 0.75))


def around_points(
    points_px: npt.NDArray[np.floating],
    frame_size_px: tuple[int, int],
    shown_width_px: int,
    unit: float,
) -> View:
    """View of the part of frames where the points are, with a margin.

    Parameters
    ----------
    points_px
        (P, 2) where the points were seeded.
    frame_size_px
        Width and height of the frames.
    shown_width_px
        Width in the movie.
    unit
        As of `View`.
    """
    low, high = points_px.min(axis=0), points_px.max(axis=0)
    margin = 0.12 * float(np.max(high - low)) + 8
    left, top = np.maximum(np.floor(low - margin), 0).astype(int)
    right, bottom = np.minimum(np.ceil(high + margin) + 1, frame_size_px).astype(int)
    width, height = int(right - left), int(bottom - top)
    shown = even(shown_width_px), even(shown_width_px * height / width)
    return View(int(left), int(top), width, height, shown, unit)


def even(size: float) -> int:
    """Return the even number nearest to a size, 2 at least: yuv420p halves both sides."""
    return max(2 * round(size / 2), 2)
