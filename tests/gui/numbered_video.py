"""Videos in whose pictures the number of the frame can be read."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

N_BITS = 12
CELL_PX = 16
WIDTH_PX, HEIGHT_PX = 208, 96
_MARGIN_PX = 8


def picture_of(number: int) -> NDArray[np.uint8]:
    """(H, W) gray picture: a cell for each bit of the number, over a gradient that moves."""
    x = np.arange(WIDTH_PX)
    picture = np.tile((60 + (x + 3 * number) % 97).astype(np.uint8), (HEIGHT_PX, 1))
    for bit in range(N_BITS):
        left = _MARGIN_PX + bit * CELL_PX
        picture[16:64, left : left + CELL_PX] = 235 if number >> bit & 1 else 16
    return picture


def number_in(picture: NDArray[np.generic]) -> int:
    """The number that a picture (H, W) of that size shows."""
    middles = [_MARGIN_PX + bit * CELL_PX + CELL_PX // 2 for bit in range(N_BITS)]
    return sum(int(picture[36:44, x - 2 : x + 2].mean() > 128) << n for n, x in enumerate(middles))


def write_numbered_video(
    path: Path, n_frames: int, *, codec: str = "libx264", rate_hz: int = 60, stamps: str = "even"
) -> None:
    """Write such a video.

    Parameters
    ----------
    path
        The file; its suffix names the container.
    n_frames
        At most 2 ** N_BITS.
    codec
        Of ffmpeg.
    rate_hz
        Frames per second.
    stamps
        `even`, or `uneven`: every fifth frame comes late by half an interval.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz)
        stream.width, stream.height = WIDTH_PX, HEIGHT_PX
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10 * rate_hz)
        if codec == "libx264":
            stream.options = {"crf": "20", "g": "50", "bf": "2"}
        for number in range(n_frames):
            frame = av.VideoFrame.from_ndarray(picture_of(number), "gray").reformat(
                format=stream.pix_fmt
            )
            frame.pts = 10 * number + (5 if stamps == "uneven" and number % 5 == 4 else 0)
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
