"""How stored frames are turned for showing: the display matrix that phones and editors write."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from element_facerhythm.errors import VideoError

_MATRIX_BYTES = 36
_RIGHT_DEG = 90
_TOLERANCE_DEG = 1.0


@dataclass(frozen=True)
class Orientation:
    """Turn of a stored frame.

    Attributes
    ----------
    rotation_deg
        Clockwise, 0, 90, 180 or 270.
    is_flipped
        Whether left and right are exchanged before it is turned.
    """

    rotation_deg: int = 0
    is_flipped: bool = False

    @property
    def swaps_sides(self) -> bool:
        """Whether width and height are exchanged."""
        return self.rotation_deg % 180 != 0

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn a picture (H, W) or (H, W, 3)."""
        if self == UPRIGHT:
            return picture
        if self.is_flipped:
            picture = picture[:, ::-1]
        return np.ascontiguousarray(np.rot90(picture, -self.rotation_deg // _RIGHT_DEG))


UPRIGHT = Orientation()


def orientation_of(path: Path, frame: VideoFrame) -> Orientation:
    """Orientation that a decoded frame carries.

    Parameters
    ----------
    path
        The video, for the message.
    frame
        Without a display matrix, it stands upright.

    Raises
    ------
    VideoError
        It is turned by something else than quarters of a turn.
    """
    carried: Any = frame.side_data
    data = next((bytes(d) for d in carried if d.type == Type.DISPLAYMATRIX), b"")
    if len(data) != _MATRIX_BYTES:
        return UPRIGHT
    values = np.frombuffer(data, np.int32).reshape(3, 3)[:2, :2].astype(float)
    a, b, c, d = values.ravel()
    # x' = a x + c y, y' = b x + d y: mirrored where the determinant is negative
    is_flipped = a * d - b * c < 0
    if is_flipped:
        a, b = -a, -b
    degrees = math.degrees(math.atan2(b, a)) % 360
    quarters = round(degrees / _RIGHT_DEG)
    if not values.any() or abs(degrees - quarters * _RIGHT_DEG) > _TOLERANCE_DEG:
        raise VideoError(
            f"Video {path} is to be shown turned by {degrees:.4g} degrees, which is no quarter of a turn; "
            "turn it for good (ffmpeg -i IN -c:v libx264 -crf 12 OUT.mp4)."
        )
    return Orientation(quarters % 4 * _RIGHT_DEG, bool(is_flipped))
