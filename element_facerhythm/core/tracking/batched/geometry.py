"""Where the levels of a frame's pyramid lie in one flat row of bytes."""

from __future__ import annotations

from dataclasses import dataclass

from element_facerhythm.core.tracking.settings import FlowSettings
from element_facerhythm.errors import ParameterError


@dataclass(frozen=True)
class Level:
    """One level: where its pixels start in the row, and its size in pixels."""

    offset: int
    width: int
    height: int

    @property
    def n_bytes(self) -> int:
        """One byte per pixel."""
        return self.width * self.height


@dataclass(frozen=True)
class PyramidGeometry:
    """The levels of a frame, finest first, one after the other in a row of `n_bytes` bytes.

    Attributes
    ----------
    levels
        Finest first; each is half the size of the one before, rounded up. There are as many as
        asked for, fewer where the next would be no larger than the window (OpenCV stops there too).
    n_bytes
        Of all levels, rounded up to a multiple of 16.
    """

    levels: tuple[Level, ...]
    n_bytes: int


def pyramid_geometry(shape: tuple[int, int], settings: FlowSettings) -> PyramidGeometry:
    """Lay out the pyramid of a frame.

    Parameters
    ----------
    shape
        (height, width) of the frame in pixels.
    settings
        Window and number of levels.

    Raises
    ------
    ParameterError
        The frame is no larger than the window.
    """
    height, width = shape
    window_width, window_height = settings.window_px
    if width <= window_width or height <= window_height:
        raise ParameterError(
            f"winSize is {list(settings.window_px)}, the frame {width} x {height} px (width x "
            "height); expected a window smaller than the frame."
        )
    levels = [Level(0, width, height)]
    for _ in range(settings.max_level):
        last = levels[-1]
        width, height = (last.width + 1) // 2, (last.height + 1) // 2
        if width <= window_width or height <= window_height:
            break
        levels.append(Level(last.offset + last.n_bytes, width, height))
    end = levels[-1].offset + levels[-1].n_bytes
    return PyramidGeometry(tuple(levels), -(-end // 16) * 16)
