"""Video of more than 8 bits: analysed at its depth, between two levels that hold for a whole recording.

The tracker sees 256 steps. Of a camera of 10 to 16 bits they are laid between two levels of the recording
itself, so that a scene that fills a small part of the range (depth in millimetres, a dim camera) keeps its
steps. 8-bit video is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from element_facerhythm.errors import VideoError
from element_facerhythm.video.gray import MEAN_CUT, GrayRule
from element_facerhythm.video.limits import FRAME_PIXELS_VARIABLE, max_frame_pixels

DeepPicture = NDArray[np.uint16]

N_VALUES = 1 << 16
LOW_PERCENT, HIGH_PERCENT = 0.1, 99.9
"""Share of the pixels that is darker than the low level, and not brighter than the high one."""

_DEEP_GRAY = re.compile(r"gray(?:9|10|12|14|16)(le|be)")
_DEEP_MOSAIC = re.compile("bayer_[a-z]{4}16(le|be)")
_BYTE_BITS = 8


@dataclass(frozen=True)
class Levels:
    """Gray levels that become 0 and 255; between them the scale is linear, beyond them it is cut.

    Attributes
    ----------
    low, high
        In units of the stored values of monochrome video; of colour video, in steps of a 16-bit scale.
    """

    low: float
    high: float

    def table(self) -> NDArray[np.uint8]:
        """Return the result for each value, (65536,) uint8."""
        scale = 255 / max(self.high - self.low, 1)
        values = (np.arange(N_VALUES) - self.low) * scale
        return np.rint(values.clip(0, 255)).astype(np.uint8)


def bit_depth(pixel_format: str) -> int:
    """Bits of the deepest component of a pixel format; 8 for shallower ones, and where it is not known."""
    if not pixel_format:
        return _BYTE_BITS
    if _DEEP_MOSAIC.fullmatch(pixel_format):  # its components are parts of a pixel of 16 bits
        return 2 * _BYTE_BITS
    components = av.VideoFormat(pixel_format).components
    return max(_BYTE_BITS, *(component.bits for component in components))


def is_deep(pixel_format: str) -> bool:
    """Whether a pixel format has more than 8 bits."""
    return bit_depth(pixel_format) > _BYTE_BITS


def require_room(name: object, pixel_format: str, width: int, height: int) -> None:
    """Refuse frames of more than 8 bits of more than half as many pixels as others may have.

    Parameters
    ----------
    name
        The file or page, for the message.
    pixel_format
        ffmpeg's name of it.
    width, height
        In pixels.

    Raises
    ------
    VideoError
        The message names the setting that raises the limit.
    """
    if is_deep(pixel_format) and 2 * width * height > max_frame_pixels():
        raise VideoError(
            f"{name} has frames of {width} x {height} px of {bit_depth(pixel_format)} bits, more than "
            f"{max_frame_pixels() // 2} pixels; crop or scale it, or set {FRAME_PIXELS_VARIABLE} higher."
        )


class DeepConverter:
    """Turns frames of more than 8 bits into gray values (H, W), or into colours (H, W, 3), uint16."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def picture(self, frame: VideoFrame) -> DeepPicture:
        """Values of a frame: as stored where it is monochrome, else RGB (H, W, 3) of 16 bits."""
        monochrome = _DEEP_GRAY.fullmatch(frame.format.name)
        if monochrome is None:
            rgb: Any = self._reformatter.reformat(frame, format="rgb48le").to_ndarray()
            return np.ascontiguousarray(rgb, np.uint16)
        plane = frame.planes[0]
        kind = "<u2" if monochrome[1] == "le" else ">u2"
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        values = rows[: plane.height, : 2 * plane.width].copy().view(kind)
        return values.astype(np.uint16, copy=False)


def deep_gray(picture: DeepPicture, rule: GrayRule) -> DeepPicture:
    """Gray values (H, W) of a picture of more than 8 bits, by the rules of `gray`.

    Parameters
    ----------
    picture
        (H, W), which is returned as it is, or RGB (H, W, 3).
    rule
        `mean` of the three, or weighted (`luma`).
    """
    if picture.ndim == 2:
        return picture
    if rule == "luma":
        return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cv2.transform(picture, MEAN_CUT)


def levels_of(histograms: Sequence[tuple[NDArray[np.int64], float]]) -> Levels:
    """Levels of a recording.

    Parameters
    ----------
    histograms
        Of each file, how often each value occurs, (65536,), and its weight.
    """
    shares = sum(counts / max(counts.sum(), 1) * weight for counts, weight in histograms)
    cumulative = np.cumsum(shares)
    low, high = np.searchsorted(
        cumulative, np.array([LOW_PERCENT, HIGH_PERCENT]) / 100 * cumulative[-1]
    )
    return Levels(float(low), float(max(high, low + 1)))
