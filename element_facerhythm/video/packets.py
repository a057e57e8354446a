"""One pass over the packets of a file: how many frames, when each is shown, of what size."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from element_facerhythm.errors import VideoError
from element_facerhythm.files import FileMemory
from element_facerhythm.video.container import open_video, require_file

# A keyframe is decoded for its size unless one of the last packets was: with few keyframes all are,
# and where every frame is one, a twelfth.
_SIZE_CHECK_EVERY = 12


@dataclass(frozen=True, eq=False)
class PacketIndex:
    """What the packets of a file say.

    Attributes
    ----------
    n_frames
        Frames that will be shown, counted.
    pts
        (n_frames,) int64 time stamps in the order of showing, in units of the stream's time base;
        None where the file's stamps do not order its frames.
    sizes
        Each different (width, height) in pixels with the packet it was first seen in, in order.
    pixel_format
        Of the first frame.
    n_damaged
        Packets that the container itself calls damaged (cut off).
    """

    n_frames: int
    pts: NDArray[np.int64] | None
    sizes: tuple[tuple[int, tuple[int, int]], ...]
    pixel_format: str
    n_damaged: int


def scan_packets(path: Path) -> PacketIndex:
    """Index the packets of a video; kept for as long as the file does not change.

    Raises
    ------
    VideoError
        The file is no video, or cannot be read to its end.
    """
    require_file(path)
    return _indices.recall(path, lambda _file: _scan(path))


_indices: FileMemory[PacketIndex] = FileMemory(max_entries=64)


def _scan(path: Path) -> PacketIndex:
    n_damaged, n_packets, last_checked = 0, 0, -_SIZE_CHECK_EVERY
    stamps: list[int | None] = []
    decode_stamps: list[int] = []
    sizes: list[tuple[int, tuple[int, int]]] = []
    pixel_format = ""
    last_key: Packet[Any] | None = None
    with open_video(path) as (container, stream):
        context = stream.codec_context
        context.thread_type = "NONE"
        hides_frames = context.name in ("vp8", "libvpx")
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                n_damaged += packet.is_corrupt
                if packet.is_keyframe:
                    last_key = packet
                    if n_packets - last_checked >= _SIZE_CHECK_EVERY:
                        frame = _decode_alone(context, packet)
                        _note_size(sizes, n_packets, frame)
                        pixel_format = pixel_format or (frame.format.name if frame else "")
                        last_checked, last_key = n_packets, None
                n_packets += 1
                if packet.is_discard or (hides_frames and _is_hidden_vp8(packet)):
                    continue
                stamps.append(packet.pts)
                if packet.dts is not None:
                    decode_stamps.append(packet.dts)
        except av.error.FFmpegError as error:
            raise VideoError(
                f"Video {path} cannot be read beyond packet {n_packets}: {error.strerror}. "
                "Copy the file again."
            ) from error
        if last_key is not None:
            _note_size(sizes, n_packets - 1, _decode_alone(context, last_key))
        pixel_format = pixel_format or context.pix_fmt or ""
    return PacketIndex(
        len(stamps), _showing_order(stamps, decode_stamps), tuple(sizes), pixel_format, n_damaged
    )


def _decode_alone(context: VideoCodecContext, packet: Packet[Any]) -> VideoFrame | None:
    """Decode one keyframe without its neighbours; None where that is not possible."""
    try:
        frames = [*context.decode(packet), *context.decode(None)]
    except av.error.FFmpegError:
        frames = []  # the reader will say which frame is broken; here only sizes are wanted
    context.flush_buffers()
    return frames[0] if frames else None


def _note_size(
    sizes: list[tuple[int, tuple[int, int]]], packet_index: int, frame: VideoFrame | None
) -> None:
    if frame is not None and (not sizes or sizes[-1][1] != (frame.width, frame.height)):
        sizes.append((packet_index, (frame.width, frame.height)))


def _is_hidden_vp8(packet: Packet[Any]) -> bool:
    # VP8 stores reference pictures that are never shown as packets of their own; one bit says so.
    return not (bytes(packet)[0] >> 4) & 1


def _showing_order(stamps: list[int | None], decode_stamps: list[int]) -> NDArray[np.int64] | None:
    known = [stamp for stamp in stamps if stamp is not None]
    in_order = all(a < b for a, b in pairwise(decode_stamps))
    if not known or len(set(known)) < len(stamps) or not in_order:
        return None
    return np.sort(np.asarray(known, dtype=np.int64))
