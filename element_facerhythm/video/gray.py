"""Gray levels of decoded frames.

Two rules: the mean of red, green and blue, cut to a whole number, as face-rhythm has it; and luma,
their sum weighted as the eye weighs them, as OpenCV (and facemap) has it. Most cameras for mice are
monochrome: their videos carry chroma planes without chroma. Such a frame need not be turned to RGB,
because its gray is a function of its luma alone, which a table of 256 entries holds.
"""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame

# The mean of the channels less one third, rounded, is the mean cut to a whole number: the mean's
# fraction is 0, 1/3 or 2/3.
MEAN_CUT = np.array([[1 / 3, 1 / 3, 1 / 3, -1 / 3]], dtype=np.float32)

_PLANAR = frozenset(f"yuv{j}{sampling}p" for j in ("", "j") for sampling in ("420", "422", "444"))
_NO_CHROMA = 128
_N_LUMA = 256
_RAMP_HEIGHT = 16


GrayRule = Literal["mean", "luma"]


class GrayConverter:
    """Turns the frames of one video, in one thread, into gray (H, W) uint8."""

    def __init__(self, rule: GrayRule = "mean") -> None:
        self._rule = rule
        self._reformatter = VideoReformatter()
        self._tables: dict[tuple[Any, ...], GrayFrame] = {}

    def __call__(self, frame: VideoFrame) -> GrayFrame:
        """Gray levels of a frame, in an array of its own."""
        if frame.format.name in _PLANAR and _stands_upright(frame) and _is_colourless(frame):
            gray: GrayFrame = cv2.LUT(_plane(frame, 0), self._table(frame))
            return gray
        return self._by_way_of_rgb(frame)

    def _by_way_of_rgb(self, frame: VideoFrame) -> GrayFrame:
        rgb: Any = self._reformatter.reformat(frame, format="rgb24").to_ndarray()
        gray: GrayFrame = (
            cv2.transform(rgb, MEAN_CUT)
            if self._rule == "mean"
            else cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        )
        return gray

    def _table(self, frame: VideoFrame) -> GrayFrame:
        """Gray of every luma, as the conversion by way of RGB gives it for frames of this kind."""
        kind = (frame.format.name, frame.colorspace, frame.color_range)
        if kind not in self._tables:
            ramp = VideoFrame(_N_LUMA, _RAMP_HEIGHT, frame.format.name)
            ramp.colorspace, ramp.color_range = frame.colorspace, frame.color_range
            _fill(ramp, 0, np.arange(_N_LUMA, dtype=np.uint8))
            for number in (1, 2):
                _fill(ramp, number, np.full(1, _NO_CHROMA, np.uint8))
            self._tables[kind] = np.ascontiguousarray(self._by_way_of_rgb(ramp)[0])
        return self._tables[kind]


def _stands_upright(frame: VideoFrame) -> bool:
    """Whether rows lie from top to bottom in memory; some decoders store them upside down."""
    return all(plane.line_size > 0 for plane in frame.planes)


def _is_colourless(frame: VideoFrame) -> bool:
    return all(bool((_plane(frame, number) == _NO_CHROMA).all()) for number in (1, 2))


def _plane(frame: VideoFrame, number: int) -> GrayFrame:
    """View of the pixels of a plane (h, w), without what pads its rows."""
    plane = frame.planes[number]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
    return rows[: plane.height, : plane.width]


def _fill(frame: VideoFrame, number: int, row: NDArray[np.uint8]) -> None:
    plane = frame.planes[number]
    pixels = np.zeros((plane.buffer_size // plane.line_size, plane.line_size), np.uint8)
    pixels[:, : plane.width] = row
    plane.update(pixels.tobytes())
