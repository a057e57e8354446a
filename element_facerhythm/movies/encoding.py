"""Pictures encoded as a movie that every player and browser shows: H.264 in yuv420p, at a constant rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from element_facerhythm.errors import ProcessingError
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.video.reader import RgbFrame

_BT601 = 6  # SMPTE 170M, as H.264 numbers primaries, transfer and matrix
# mbtree makes other bytes of the same pictures now and then
_OPTIONS = {"crf": "22", "preset": "veryfast", "x264-params": "log-level=none:mbtree=0"}
_KEY_FRAME_EVERY_S = 1.0


def as_fraction(frame_rate_hz: float) -> Fraction:
    """Return a rate as the fraction that a file states."""
    return Fraction(frame_rate_hz).limit_denominator(100_000)


@contextmanager
def movie_writer(
    path: Path, *, size_px: tuple[int, int], frame_rate_hz: float
) -> Iterator[Callable[[RgbFrame], None]]:
    """Yield a function that adds a picture; the file is there, whole, when the block is left.

    The index of the file stands before its pictures, so that a browser plays what it has got so far.

    Parameters
    ----------
    path
        The file; its directory is made if missing, and a file there is replaced.
    size_px
        Width and height of the pictures, both even.
    frame_rate_hz
        Pictures per second that are shown.

    Raises
    ------
    ProcessingError
        The encoder failed, or the disk is full. Nothing was written, and a file there is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = as_fraction(frame_rate_hz)
    to_yuv = VideoReformatter()
    faststart = {"movflags": "+faststart"}
    with atomic_path(path) as partial:
        try:
            with av.open(str(partial), "w", format="mp4", options=faststart) as container:
                stream = container.add_stream("libx264", rate=rate, options=dict(_OPTIONS))
                stream.width, stream.height = size_px
                stream.pix_fmt = "yuv420p"
                context = stream.codec_context
                context.gop_size = max(round(_KEY_FRAME_EVERY_S * frame_rate_hz), 1)
                context.color_range, context.colorspace = 1, _BT601
                context.color_primaries = context.color_trc = _BT601

                def add(picture: RgbFrame) -> None:
                    frame = to_yuv.reformat(
                        av.VideoFrame.from_ndarray(picture, format="rgb24"),
                        format="yuv420p",
                        dst_colorspace=Colorspace.ITU601,
                        dst_color_range=ColorRange.MPEG,
                    )
                    container.mux(stream.encode(frame))

                yield add
                container.mux(stream.encode())
        except av.error.FFmpegError as error:
            raise ProcessingError(
                f"{path} could not be encoded: {error}; look whether the disk is full"
            ) from error
