"""One pass over the packets of a file: how many frames, when each is shown, of what size."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from io import BufferedReader
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
from element_facerhythm.video.container import (
    ReadBudget,
    open_stream,
    require_file,
    require_within_limits,
    too_many_frames,
)
from element_facerhythm.video.limits import max_frames
from element_facerhythm.video.png import PNG_CODECS, require_small_texts

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
    tick_s
        Unit of the stamps.
    """

    n_frames: int
    pts: NDArray[np.int64] | None
    sizes: tuple[tuple[int, tuple[int, int]], ...]
    pixel_format: str
    n_damaged: int
    tick_s: float = 0.0

    @property
    def times_s(self) -> NDArray[np.float64] | None:
        """(n_frames,) stamps in seconds; None where `pts` is."""
        return None if self.pts is None else self.pts.astype(np.float64) * self.tick_s


def scan_packets(path: Path) -> PacketIndex:
    """Index the packets of a video; kept for as long as the file does not change.

    Raises
    ------
    VideoError
        The file is no video, is too large (see `video.limits`), or cannot be read to its end.
    """
    require_file(path)
    return _indices.recall(path, lambda file: _scan(path, file))


_indices: FileMemory[PacketIndex] = FileMemory(max_entries=64)


def _scan(path: Path, file: BufferedReader) -> PacketIndex:
    require_within_limits(path, file)
    budget = ReadBudget()
    with open_stream(path, file, budget) as (container, stream):
        stream.codec_context.thread_type = "NONE"
        scan = _Scan(path, stream.codec_context, float(stream.time_base or 0))
        try:
            for packet in container.demux(stream):
                scan.take(packet)
                budget.renew()
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(
                f"Video {path} cannot be read beyond packet {scan.n_packets}: {error.strerror}. "
                "Copy the file again."
            ) from error
        return scan.index()


class _Scan:
    """What is found in one packet after another; 16 bytes are kept of each, for there may be millions."""

    def __init__(self, path: Path, context: VideoCodecContext, tick_s: float) -> None:
        self._path, self._tick_s = path, tick_s
        self._context = context
        if context.name in PNG_CODECS:
            require_small_texts(path, context.extradata or b"")
        self._hides_frames = context.name in ("vp8", "libvpx")
        self._max_frames = max_frames()
        self.n_packets = 0
        self._n_taken = 0
        self._n_damaged = 0
        self._last_checked = -_SIZE_CHECK_EVERY
        self._last_key: Packet[Any] | None = None
        self._sizes: list[tuple[int, tuple[int, int]]] = []
        self._pixel_format = ""
        self._n_frames = 0
        self._stamps = array("q")
        self._last_decode_stamp: int | None = None
        self._in_order = True

    def take(self, packet: Packet[Any]) -> None:
        """Take in the next packet of the file; VideoError where there are too many."""
        self._n_taken += 1
        if self._n_taken > self._max_frames + 1:  # the last one is empty and ends the stream
            raise too_many_frames(self._path, self._n_taken - 1)
        if not packet.size:
            return
        self._n_damaged += packet.is_corrupt
        if self._context.name in PNG_CODECS:
            require_small_texts(self._path, bytes(packet))
        if packet.is_keyframe:
            self._check_size(packet)
        self.n_packets += 1
        if packet.is_discard or (self._hides_frames and _is_hidden_vp8(packet)):
            return
        self._n_frames += 1
        if packet.pts is not None:
            self._stamps.append(packet.pts)
        if packet.dts is not None:
            last = self._last_decode_stamp
            self._in_order &= last is None or last < packet.dts
            self._last_decode_stamp = packet.dts

    def _check_size(self, packet: Packet[Any]) -> None:
        self._last_key = packet
        if self.n_packets - self._last_checked >= _SIZE_CHECK_EVERY:
            frame = _decode_alone(self._context, packet)
            self._note_size(self.n_packets, frame)
            self._pixel_format = self._pixel_format or (frame.format.name if frame else "")
            self._last_checked, self._last_key = self.n_packets, None

    def _note_size(self, packet_index: int, frame: VideoFrame | None) -> None:
        if frame is not None:
            size = (frame.width, frame.height)
            if not self._sizes or self._sizes[-1][1] != size:
                self._sizes.append((packet_index, size))

    def index(self) -> PacketIndex:
        """Give what was found, after the last packet."""
        if self._last_key is not None:
            self._note_size(self.n_packets - 1, _decode_alone(self._context, self._last_key))
        return PacketIndex(
            self._n_frames,
            self._showing_order(),
            tuple(self._sizes),
            self._pixel_format or self._context.pix_fmt or "",
            self._n_damaged,
            self._tick_s,
        )

    def _showing_order(self) -> NDArray[np.int64] | None:
        if not self._n_frames or len(self._stamps) < self._n_frames or not self._in_order:
            return None
        stamps = np.sort(np.frombuffer(self._stamps, dtype=np.int64))
        return None if (stamps[1:] == stamps[:-1]).any() else stamps


def _decode_alone(context: VideoCodecContext, packet: Packet[Any]) -> VideoFrame | None:
    """Decode one keyframe without its neighbours; None where that is not possible."""
    try:
        frames = [*context.decode(packet), *context.decode(None)]
    except av.error.FFmpegError:
        frames = []  # the reader will say which frame is broken; here only sizes are wanted
    context.flush_buffers()
    return frames[0] if frames else None


def _is_hidden_vp8(packet: Packet[Any]) -> bool:
    # VP8 stores reference pictures that are never shown as packets of their own; one bit says so.
    return not (bytes(packet)[0] >> 4) & 1
