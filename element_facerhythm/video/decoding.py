"""Frames of a video in the order they are shown; each is there and whole, or an error names it.

ffmpeg conceals much: it fills damaged areas, drops what it cannot decode, and ends quietly where a
file breaks off. Here the decoder is set to be strict where that refuses no good frame, frames it
calls damaged are refused, and every frame's time stamp is checked against those that are expected.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame

from element_facerhythm.errors import VideoError
from element_facerhythm.video.container import open_video
from element_facerhythm.video.packet_index import PacketIndex, Pictures
from element_facerhythm.video.shown import reading_options

# Frames that may be on their way through the decoder's threads when one of them is found broken.
_IN_FLIGHT = 64


class BrokenFrameError(Exception):
    """Frame `index` cannot be had, and why."""

    def __init__(self, index: int, why: str) -> None:
        super().__init__(why)
        self.index = index
        self.why = why


class _LostError(Exception):
    """A seek ended where the index knows no keyframe."""


def located(
    path: Path, index: PacketIndex, start: int, stop: int, broken: BrokenFrameError
) -> BrokenFrameError:
    """Find the first broken frame with one thread: several threads report an error late.

    Parameters
    ----------
    path, index
        The video, and what its packets say.
    start, stop
        First frame that was asked for, and the one after the last.
    broken
        What several threads reported; it is returned where one thread finds all frames whole.

    Raises
    ------
    VideoError
        The file cannot be opened any more.
    """
    first = max(broken.index - _IN_FLIGHT, start)
    try:
        for _ in whole_frames(path, index, first, stop, threads="NONE"):
            pass
    except BrokenFrameError as exact:
        return exact
    return broken


def whole_frames(
    path: Path, index: PacketIndex, start: int, stop: int, *, threads: str
) -> Iterator[VideoFrame]:
    """Yield frames as they are stored, each of them there and whole.

    Parameters
    ----------
    path, index
        The video, and what its packets say.
    start, stop
        First frame, and the one after the last; both within the video.
    threads
        How ffmpeg decodes: ``"AUTO"``, or ``"NONE"`` for one thread.

    Raises
    ------
    BrokenFrameError
        A frame is missing, damaged, or of another size than the first.
    VideoError
        The file cannot be opened.
    """
    expected = start
    if expected == stop:
        return
    if index.stills is not None:
        yield from _pictures(index, index.stills, start, stop)
        return
    for position, frame in _decoded_from(path, index, start, threads):
        if position < expected:
            continue
        if position > expected:
            raise BrokenFrameError(expected, "the decoder dropped it")
        _require_whole(frame, index, position)
        yield frame
        expected += 1
        if expected == stop:
            return
    raise BrokenFrameError(expected, "the file ends before it")


def _pictures(index: PacketIndex, stills: Pictures, start: int, stop: int) -> Iterator[VideoFrame]:
    position = start
    try:
        for frame in stills.frames(start, stop):
            _require_whole(frame, index, position)
            if frame.format.name != index.pixel_format:
                raise BrokenFrameError(
                    position,
                    f"it is of kind {frame.format.name}, the first of {index.pixel_format}",
                )
            yield frame
            position += 1
    except VideoError as error:
        raise BrokenFrameError(position, str(error)) from error


def _decoded_from(
    path: Path, index: PacketIndex, start: int, threads: str
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield decoded frames with their place in the video, from `start` or somewhat before on."""
    key = index.keyframe_for(start) if start else None
    if key is not None and index.pts is not None and index.keys is not None:
        stamp = index.keys.stamps[key]
        frames = _decoded(path, index, threads, seek_pts=int(stamp))
        try:
            first = next(frames, None)
        except (BrokenFrameError, _LostError):
            first = None
        if first is not None and first[0] <= np.searchsorted(index.pts, stamp):
            yield first
            yield from frames
            return
        # A container without an index (MPEG-TS) may land too late; then it is read from its start.
    yield from _decoded(path, index, threads)


def _decoded(
    path: Path, index: PacketIndex, threads: str, *, seek_pts: int | None = None
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield decoded frames with their place in the video, from its start or a keyframe sought.

    After a seek, what is shown before the first keyframe is left out: it may be predicted from what was
    skipped.
    """
    with open_video(path) as (container, stream):
        # what takes the place of missing pictures depends on the threads
        stream.thread_type = "NONE" if index.suspects else threads
        codec = stream.codec_context.name
        stream.codec_context.options = reading_options(codec, is_lenient=index.is_lenient)
        position, first_pts = 0, None
        try:
            if seek_pts is not None:
                container.seek(seek_pts, stream=stream, backward=True)
            for packet in container.demux(stream):
                if seek_pts is not None and first_pts is None and packet.size:
                    first_pts = _stamp_of_keyframe(packet, index)
                    if first_pts is None:
                        continue
                for frame in _decode(packet, index, position):
                    place = _place(frame, index, position, first_pts)
                    if place is not None:
                        yield place, frame
                        position = place + 1
        except (av.error.FFmpegError, OSError) as error:
            raise BrokenFrameError(position, f"reading failed: {error.strerror}") from error


def _stamp_of_keyframe(packet: Packet[Any], index: PacketIndex) -> int | None:
    """Stamp of the packet that a seek ended at; None where it is no keyframe."""
    if not packet.is_keyframe or packet.pts is None:
        return None
    if index.keys is None or not index.keys.holds(packet.pts, packet.pos):
        raise _LostError
    return packet.pts


def _place(
    frame: VideoFrame, index: PacketIndex, following: int, first_pts: int | None
) -> int | None:
    """Place of a frame in the video, by its stamp or as the next one; None where it is not shown."""
    if index.pts is None or frame.pts is None:
        return following
    if first_pts is not None and frame.pts < first_pts:
        return None
    place = int(np.searchsorted(index.pts, frame.pts))
    return None if index.is_lenient and not index.shows(place, frame.pts) else place


def _decode(packet: Packet[Any], index: PacketIndex, position: int) -> list[VideoFrame]:
    try:
        return packet.decode()
    except av.error.FFmpegError as error:
        if index.n_hidden or index.is_incomplete:
            return []  # frames that are known to be hidden; one that is not is missed by its place
        if index.pts is not None and packet.pts is not None:
            position = int(np.searchsorted(index.pts, packet.pts))
        raise BrokenFrameError(position, error.strerror or str(error)) from error


def _require_whole(frame: VideoFrame, index: PacketIndex, position: int) -> None:
    if frame.is_corrupt and not index.is_suspect(position):
        raise BrokenFrameError(position, "its data are damaged")
    width, height = index.sizes[0][1]
    if (frame.width, frame.height) != (width, height):
        raise BrokenFrameError(
            position, f"it is {frame.width} x {frame.height} px, the first {width} x {height} px"
        )
