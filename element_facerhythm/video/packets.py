"""One pass over the packets of a file: how many frames, when each is shown, of what size."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from element_facerhythm.errors import VideoError
from element_facerhythm.files.regular import FileMemory
from element_facerhythm.video.container import (
    ReadBudget,
    open_stream,
    require_file,
    require_within_limits,
    too_many_frames,
)
from element_facerhythm.video.container_size import declared_size, ends_within_ts_packet
from element_facerhythm.video.limits import max_frames, max_packet_bytes
from element_facerhythm.video.orientation import UPRIGHT, Orientation, orientation_of
from element_facerhythm.video.packet_facts import Packets, build_index
from element_facerhythm.video.packet_index import PacketIndex
from element_facerhythm.video.pictures import Picture, PictureReader
from element_facerhythm.video.pictures_h264 import H264Pictures
from element_facerhythm.video.pictures_hevc import HevcPictures
from element_facerhythm.video.png import PNG_CODECS, require_small_texts
from element_facerhythm.video.shown import NO_STAMP, last_whole_packet
from element_facerhythm.video.still_files import is_set_of_stills
from element_facerhythm.video.stills import is_tiff, scan_stack, scan_stills
from element_facerhythm.video.stream_rate import makes_up_stamps

# A keyframe is decoded for its size unless one of the last packets was: with few keyframes all are,
# and where every frame is one, a twelfth.
_SIZE_CHECK_EVERY = 12
# Packets from one keyframe to the next that are kept at most, to see at the end whether the last is whole.
_MAX_TAIL = 1000
# A packet that small holds no picture: "as the one before", or what old DivX files are padded with.
_MIN_PICTURE_BYTES = 16

_PICTURES: dict[str, Callable[[bytes], PictureReader]] = {
    "h264": H264Pictures,
    "hevc": HevcPictures,
}

_Group: TypeAlias = "list[tuple[int, Packet[Any]]]"


def scan_packets(path: Path) -> PacketIndex:
    """Index the packets of a video, or the pictures of a stack or a directory; kept until a file changes.

    Raises
    ------
    VideoError
        The file is no video, is too large (see `video.limits`), or cannot be read to its end.
    """
    if is_set_of_stills(path):
        return scan_stills(path)
    require_file(path)
    return _indices.recall(path, lambda file: _scan(path, file))


_indices: FileMemory[PacketIndex] = FileMemory(max_entries=64)


def _scan(path: Path, file: BufferedReader) -> PacketIndex:
    if is_tiff(path):
        return scan_stack(path, file)
    require_within_limits(path, file)
    declared = declared_size(path, file)
    size = file.seek(0, 2)
    budget = ReadBudget()
    with open_stream(path, file, budget) as (container, stream):
        stream.codec_context.thread_type = "NONE"
        scan = _Scan(path, stream, has_real_stamps=not makes_up_stamps(container))
        try:
            for packet in container.demux(stream):
                scan.take(packet)
                budget.renew()
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(
                f"Video {path} cannot be read beyond packet {scan.n_packets}: {error.strerror}. "
                "Copy the file again."
            ) from error
        is_cut = declared is not None and declared > size
        ends_early = container.format.name == "mpegts" and ends_within_ts_packet(file, size)
        packets = scan.found(file, is_cut=is_cut, last_is_cut=ends_early)
    return build_index(path, file, packets)


class _Scan:
    """What is found in one packet after another; some 40 bytes are kept of each: there may be millions."""

    def __init__(self, path: Path, stream: VideoStream, *, has_real_stamps: bool) -> None:
        self._path = path
        context = self._context = stream.codec_context
        self._time_base = float(stream.time_base or 0)
        self._has_real_stamps = has_real_stamps
        if context.name in PNG_CODECS:
            require_small_texts(path, context.extradata or b"")
        self._hides_frames = context.name in ("vp8", "libvpx")
        self._max_frames = max_frames()
        self._pictures: PictureReader | None = (
            _PICTURES[context.name](context.extradata or b"") if context.name in _PICTURES else None
        )
        self.n_packets = 0
        self._n_taken = 0
        self._last_checked = -_SIZE_CHECK_EVERY
        self._last_key: Packet[Any] | None = None
        self._sizes: list[tuple[int, tuple[int, int]]] = []
        self._pixel_format = ""
        self._orientation: Orientation = UPRIGHT
        self._pts, self._dts = array("q"), array("q")
        self._sequences, self._orders = array("q"), array("q")
        self._places = array("q")
        self._flags: dict[str, bytearray] = {
            name: bytearray() for name in ("key", "corrupt", "out", "gap", "second", "tiny")
        }
        self._tail = _Tail()

    def take(self, packet: Packet[Any]) -> None:
        """Take in the next packet of the file; VideoError where there are too many."""
        self._n_taken += 1
        if self._n_taken > self._max_frames + 1:  # the last one is empty and ends the stream
            raise too_many_frames(self._path, self._n_taken - 1)
        if not packet.size:
            return
        if self._context.name in PNG_CODECS:
            require_small_texts(self._path, bytes(packet))
        if packet.is_keyframe:
            self._check_size(packet)
            self._places.append(-1 if packet.pos is None else packet.pos)
        self._tail.take(self.n_packets, packet)
        self._note(packet)
        self.n_packets += 1

    def _note(self, packet: Packet[Any]) -> None:
        picture = self._pictures.take(bytes(packet)) if self._pictures is not None else None
        self._pts.append(NO_STAMP if packet.pts is None else packet.pts)
        self._dts.append(NO_STAMP if packet.dts is None else packet.dts)
        if self._pictures is not None:
            self._note_order(picture)
        facts = {
            "key": packet.is_keyframe,
            "corrupt": packet.is_corrupt,
            "out": packet.is_discard or (self._hides_frames and _is_hidden_vp8(packet)),
            "gap": picture is not None and picture.follows_gap,
            "second": picture is not None and picture.is_second_field,
            "tiny": packet.size < _MIN_PICTURE_BYTES,
        }
        for name, fact in facts.items():
            self._flags[name].append(fact)

    def _note_order(self, picture: Picture | None) -> None:
        is_known = picture is not None and picture.order is not None
        self._sequences.append(picture.sequence if picture is not None else -1)
        self._orders.append(picture.order if is_known else NO_STAMP)  # type: ignore[union-attr,arg-type]

    def _check_size(self, packet: Packet[Any]) -> None:
        self._last_key = packet
        if self.n_packets - self._last_checked >= _SIZE_CHECK_EVERY:
            frame = _decode_alone(self._context, packet)
            self._note_size(self.n_packets, frame)
            if frame is not None and not self._pixel_format:
                self._pixel_format = frame.format.name
                self._orientation = orientation_of(self._path, frame)
            self._last_checked, self._last_key = self.n_packets, None

    def _note_size(self, packet_index: int, frame: VideoFrame | None) -> None:
        if frame is not None:
            size = (frame.width, frame.height)
            if not self._sizes or self._sizes[-1][1] != size:
                self._sizes.append((packet_index, size))

    def found(self, file: BufferedReader, *, is_cut: bool, last_is_cut: bool) -> Packets:
        """Return what was found, after the last packet.

        Parameters
        ----------
        file
            The video.
        is_cut
            Whether the container says that more follows.
        last_is_cut
            Whether the last packet is known to be cut off.
        """
        if self._last_key is not None:
            self._note_size(self.n_packets - 1, _decode_alone(self._context, self._last_key))
        flags = {
            name: np.frombuffer(bytes(values), np.uint8).astype(bool)
            for name, values in self._flags.items()
        }
        return Packets(
            codec=self._context.name,
            time_base=self._time_base,
            has_real_stamps=self._has_real_stamps,
            reorders=self._context.has_b_frames > 0,
            sizes=tuple(self._sizes),
            pixel_format=self._pixel_format or self._context.pix_fmt or "",
            orientation=self._orientation,
            pts=np.frombuffer(self._pts, np.int64),
            dts=np.frombuffer(self._dts, np.int64),
            sequences=np.frombuffer(self._sequences, np.int64),
            orders=np.frombuffer(self._orders, np.int64),
            is_key=flags["key"],
            is_corrupt=flags["corrupt"],
            places=np.frombuffer(self._places, np.int64),
            is_out=flags["out"],
            follows_gap=flags["gap"],
            is_second_field=flags["second"],
            is_cut=is_cut,
            n_whole=self.n_packets - 1
            if last_is_cut and self.n_packets
            else self._count_whole(
                file, flags["out"] | flags["second"] | flags["tiny"], is_cut=is_cut
            ),
        )

    def _count_whole(self, file: BufferedReader, holds_nothing: Any, *, is_cut: bool) -> int:
        """Packets up to the last that holds a whole frame, or that cannot be judged."""
        tail = self._tail.packets
        if not tail:
            return self.n_packets
        number, packet = tail[-1]
        if is_cut and _reaches(packet, file.seek(0, 2)):
            return number  # its rest lay beyond
        if self._pictures is not None and not self._pictures.is_whole(bytes(packet)):
            return number
        last = last_whole_packet(self._path, file, tail)
        if last is None and len(tail) > 1:
            return self.n_packets
        first_broken = tail[0][0] if last is None else last + 1
        judged = np.flatnonzero(~holds_nothing[first_broken:])
        return first_broken if len(judged) else self.n_packets


def _reaches(packet: Packet[Any], size: int) -> bool:
    """Whether a packet ends where the file does."""
    return packet.pos is not None and packet.pos + packet.size >= size


class _Tail:
    """Packets from the last keyframe but one on, as far as they are not too many."""

    def __init__(self) -> None:
        self._before: _Group | None = []
        self._group: _Group | None = []
        self._n_bytes = 0

    @property
    def packets(self) -> _Group:
        """Number and content of each, in the order of storing; none where they are too many."""
        return [] if self._group is None or self._before is None else [*self._before, *self._group]

    def take(self, number: int, packet: Packet[Any]) -> None:
        """Take in the next packet of the file."""
        if packet.is_keyframe:
            self._before, self._group, self._n_bytes = self._group, [], 0
        if self._group is None:
            return
        self._group.append((number, packet))
        self._n_bytes += packet.size
        if len(self._group) > _MAX_TAIL or self._n_bytes > max_packet_bytes():
            self._group = None


def _decode_alone(context: Any, packet: Packet[Any]) -> VideoFrame | None:
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
