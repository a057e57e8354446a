"""The frame rate that a file itself states: in its container, or in the bitstream of a raw stream."""

from __future__ import annotations

from typing import Any, Literal

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from element_facerhythm.video.container import decoder_options

RateSource = Literal["header", "bitstream"]

# Demuxers of streams without a container. They have no stamps; ffmpeg makes some up, at 25 frames/s where
# nothing else is said.
_RAW = frozenset(
    [
        "mjpeg",
        "h261",
        "h263",
        "h264",
        "hevc",
        "vvc",
        "av1",
        "obu",
        "m4v",
        "mpegvideo",
        "vc1",
        "dirac",
        "dnxhd",
        "cavsvideo",
        "avs2",
        "avs3",
    ]
)
_MAX_PACKETS = 100  # that are looked at for the first frame


def makes_up_stamps(container: InputContainer) -> bool:
    """Whether a file is a raw stream, of which ffmpeg makes the stamps up."""
    return container.format.name in _RAW


def stream_rate(container: InputContainer, stream: VideoStream) -> tuple[float, RateSource] | None:
    """Frames per second that a file states, and where it does.

    Parameters
    ----------
    container, stream
        As just opened; the container's packets are read where the stream is raw.

    Returns
    -------
    tuple of float and str, or None
        `header`: the container's; `bitstream`: in the headers of a raw stream (for H.264 and HEVC their
        timing fields, of which one counts fields). None where nothing states one.
    """
    if not makes_up_stamps(container):
        for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
            if rate:
                return float(rate), "header"
        return None
    in_bitstream = _bitstream_rate(container, stream)
    return None if in_bitstream is None else (in_bitstream, "bitstream")


def _bitstream_rate(container: InputContainer, stream: VideoStream) -> float | None:
    # a decoder of its own knows nothing of what the demuxer made up
    context: Any = av.CodecContext.create(stream.codec_context.codec.name, "r")
    context.thread_type = "NONE"
    context.options = decoder_options()
    if stream.codec_context.extradata:
        context.extradata = stream.codec_context.extradata
    for number, packet in enumerate(container.demux(stream)):
        if _shows_frame(context, packet) or number == _MAX_PACKETS:
            break
    return float(context.framerate) if context.framerate else None


def _shows_frame(context: Any, packet: Packet[Any]) -> bool:
    try:
        return bool(context.decode(packet))
    except av.error.FFmpegError:
        return False  # a stream that begins within a group
