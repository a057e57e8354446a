"""What decoders show of a video: all of it decoded once, for files whose packets leave that open."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from element_facerhythm.errors import VideoError
from element_facerhythm.video.container import ReadBudget, decoder_options, open_stream

NO_STAMP = -(1 << 63)
"""In the place of a stamp that is missing."""

_STRICT = "crccheck+explode"
_LENIENT = "crccheck"


def reading_options(codec: str, *, is_lenient: bool) -> dict[str, str]:
    """Options of a decoder whose frames are used.

    H.264's marks damaged frames by itself, and calls remarks of good ones errors if it is set to be strict.

    Parameters
    ----------
    codec
        ffmpeg's name of the decoder.
    is_lenient
        Whether HEVC frames are to be read without what strict decoders refuse; see `PacketIndex`.
    """
    lenient = codec == "h264" or (is_lenient and codec == "hevc")
    return {**decoder_options(), "err_detect": _LENIENT if lenient else _STRICT}


@dataclass(frozen=True, eq=False)
class Shown:
    """Frames that a decoder gives, in its order.

    Attributes
    ----------
    packets
        (n,) int64 number of the packet that each comes from.
    pts
        (n,) int64 stamps, `NO_STAMP` where there is none.
    is_corrupt
        (n,) whether the decoder calls it damaged.
    sizes
        Each different (width, height) with the packet it was first seen in.
    first
        The first frame.
    """

    packets: NDArray[np.int64]
    pts: NDArray[np.int64]
    is_corrupt: NDArray[np.bool_]
    sizes: tuple[tuple[int, tuple[int, int]], ...]
    first: VideoFrame | None


def decode_all(path: Path, file: BufferedReader) -> Shown:
    """Decode a video as players do, which pass over what they cannot decode.

    Parameters
    ----------
    path
        Names the file in messages.
    file
        The file, opened; read from its beginning.

    Raises
    ------
    VideoError
        The file cannot be read to its end.
    """
    frames = _Frames()
    budget = ReadBudget()
    with open_stream(path, file, budget) as (container, stream):
        stream.thread_type = "AUTO"
        stream.codec_context.copy_opaque = True
        n_packets = 0
        try:
            for packet in container.demux(stream):
                budget.renew()
                if packet.size:
                    packet.opaque = n_packets
                    n_packets += 1
                frames.take(_decoded(packet))
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(
                f"Video {path} cannot be read beyond packet {n_packets}: {error.strerror}. "
                "Copy the file again."
            ) from error
    return frames.found()


def last_whole_packet(
    path: Path, file: BufferedReader, tail: list[tuple[int, Packet[Any]]]
) -> int | None:
    """Find the number of the last packet that holds a whole frame; None where none of these does.

    Parameters
    ----------
    path, file
        The video.
    tail
        Number and content of each packet from the last keyframe but one on, in the order of storing.
    """
    whole: set[int] = set()
    broken: set[object] = set()
    with open_stream(path, file) as (_, stream):
        context = stream.codec_context
        context.thread_type = "NONE"
        context.copy_opaque = True
        context.options = reading_options(context.name, is_lenient=True)
        for number, one in tail:
            one.opaque = number
        wanted: list[Packet[Any] | None] = [*(packet for _, packet in tail), None]
        for packet in wanted:
            try:
                frames = context.decode(packet)
            except av.error.FFmpegError:
                broken.add(None if packet is None else packet.opaque)
                continue
            whole.update(f.opaque for f in frames if isinstance(f.opaque, int) and not f.is_corrupt)
    return max(whole - broken, default=None)


def _decoded(packet: Packet[Any]) -> list[VideoFrame]:
    try:
        return packet.decode()
    except av.error.FFmpegError:
        return []  # players pass over it; what is missing then shows in the frames


class _Frames:
    def __init__(self) -> None:
        self._packets, self._pts = array("q"), array("q")
        self._corrupt = bytearray()
        self._sizes: list[tuple[int, tuple[int, int]]] = []
        self._first: VideoFrame | None = None

    def take(self, frames: list[VideoFrame]) -> None:
        for frame in frames:
            last = self._packets[-1] if self._packets else -1
            number = frame.opaque if isinstance(frame.opaque, int) else last + 1
            self._packets.append(number)
            self._pts.append(NO_STAMP if frame.pts is None else frame.pts)
            self._corrupt.append(frame.is_corrupt)
            size = (frame.width, frame.height)
            if not self._sizes or self._sizes[-1][1] != size:
                self._sizes.append((number, size))
            if self._first is None:
                self._first = frame

    def found(self) -> Shown:
        return Shown(
            np.frombuffer(self._packets, np.int64),
            np.frombuffer(self._pts, np.int64),
            np.frombuffer(self._corrupt, np.uint8).astype(bool),
            tuple(self._sizes),
            self._first,
        )
