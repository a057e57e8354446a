"""Frames of a video in the order they are shown; each is there and whole, or an error names it.

ffmpeg conceals much: it fills damaged areas, drops what it cannot decode, and ends quietly where a
file breaks off. Here the decoder is told to be strict, frames it calls damaged are refused, and
every frame's time stamp is checked against those that the file's packets announce.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from element_facerhythm.errors import DecodeError, VideoError
from element_facerhythm.video.container import RE_ENCODE, open_video
from element_facerhythm.video.gray import GrayConverter, GrayFrame, GrayRule
from element_facerhythm.video.packet_index import PacketIndex
from element_facerhythm.video.packets import scan_packets
from element_facerhythm.video.shown import reading_options

RgbFrame = NDArray[np.uint8]

# Frames that may be on their way through the decoder's threads when one of them is found broken.
_IN_FLIGHT = 64


class _BrokenFrameError(Exception):
    """Frame `index` cannot be had, and why."""

    def __init__(self, index: int, why: str) -> None:
        super().__init__(why)
        self.index = index
        self.why = why


def iterate_gray_frames(
    path: str | Path, *, start: int = 0, stop: int | None = None, rule: GrayRule = "mean"
) -> Iterator[GrayFrame]:
    """Gray frames (H, W) uint8.

    Parameters
    ----------
    path
        The file.
    start, stop
        First frame, and the one after the last; None goes to the end.
    rule
        `mean`: of R, G and B, cut to a whole number as face-rhythm does; `luma`: weighted, as
        OpenCV and facemap do. On monochrome video the two are one.

    Raises
    ------
    VideoError
        The file is no video, or does not hold these frames.
    DecodeError
        While iterating: a frame cannot be decoded. The message names the file and the frame.
    """
    return _frames(Path(path), start, stop, GrayConverter(rule))


def iterate_rgb_frames(
    path: str | Path, *, start: int = 0, stop: int | None = None
) -> Iterator[RgbFrame]:
    """Colour frames (H, W, 3) uint8; arguments and errors as in `iterate_gray_frames`."""
    return _frames(Path(path), start, stop, _RgbConverter())


def read_rgb_frame(path: str | Path, index: int) -> RgbFrame:
    """One colour frame (H, W, 3) uint8; errors as in `iterate_gray_frames`."""
    frames = _frames(Path(path), index, index + 1, _RgbConverter())
    try:
        return next(frames)
    finally:
        frames.close()


class _RgbConverter:
    """Turns frames into RGB (H, W, 3) uint8."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> RgbFrame:
        rgb: Any = self._reformatter.reformat(frame, format="rgb24").to_ndarray()
        return np.ascontiguousarray(rgb)


def _frames(
    path: Path, start: int, stop: int | None, convert: Callable[[VideoFrame], NDArray[np.uint8]]
) -> Generator[NDArray[np.uint8]]:
    index = scan_packets(path)
    last = index.n_frames if stop is None else stop
    if not 0 <= start <= last <= index.n_frames:
        raise VideoError(
            f"Frames {start} to {last} were asked of video {path}, which holds {index.n_frames}."
        )
    return _converted(path, index, start, last, convert)


def _converted(
    path: Path,
    index: PacketIndex,
    start: int,
    stop: int,
    convert: Callable[[VideoFrame], NDArray[np.uint8]],
) -> Generator[NDArray[np.uint8]]:
    try:
        for frame in _whole_frames(path, index, start, stop, threads="AUTO"):
            yield convert(frame)
    except _BrokenFrameError as broken:
        broken = _located(path, index, start, stop, broken)
        raise DecodeError(
            f"Video {path}: frame {broken.index} of {index.n_frames} cannot be decoded "
            f"({broken.why}); {RE_ENCODE}."
        ) from broken


def _located(
    path: Path, index: PacketIndex, start: int, stop: int, broken: _BrokenFrameError
) -> _BrokenFrameError:
    """Find the first broken frame with one thread: several threads report an error late."""
    first = max(broken.index - _IN_FLIGHT, start)
    try:
        for _ in _whole_frames(path, index, first, stop, threads="NONE"):
            pass
    except _BrokenFrameError as exact:
        return exact
    return broken


def _whole_frames(
    path: Path, index: PacketIndex, start: int, stop: int, *, threads: str
) -> Iterator[VideoFrame]:
    """Yield frames `start` to `stop`, each of them or _BrokenFrameError."""
    expected = start
    if expected == stop:
        return
    for position, frame in _decoded_from(path, index, start, threads):
        if position < expected:
            continue
        if position > expected:
            raise _BrokenFrameError(expected, "the decoder dropped it")
        _require_whole(frame, index, position)
        yield frame
        expected += 1
        if expected == stop:
            return
    raise _BrokenFrameError(expected, "the file ends before it")


def _decoded_from(
    path: Path, index: PacketIndex, start: int, threads: str
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield decoded frames with their place in the video, from `start` or somewhat before on."""
    if start and index.pts is not None and index.keys is not None:
        keys = index.keys[index.keys <= index.pts[start]]
        frames = _decoded(path, index, threads, seek_pts=int(keys[-1]) if len(keys) else 0)
        try:
            first = next(frames, None)
        except _BrokenFrameError:
            first = None
        if first is not None and first[0] <= start:
            yield first
            yield from frames
            return
        # A container without an index (MPEG-TS) may land too late; then it is read from its start.
    yield from _decoded(path, index, threads)


def _decoded(
    path: Path, index: PacketIndex, threads: str, *, seek_pts: int | None = None
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield decoded frames with their place in the video, from its start or a keyframe sought.

    After a seek, what is shown before the first keyframe is left out: it may be predicted from what was skipped.
    """
    with open_video(path) as (container, stream):
        stream.thread_type = threads
        codec = stream.codec_context.name
        stream.codec_context.options = reading_options(codec, is_lenient=index.is_lenient)
        position, key_pts = 0, None
        try:
            if seek_pts is not None:
                container.seek(seek_pts, stream=stream, backward=True)
            for packet in container.demux(stream):
                if seek_pts is not None and key_pts is None and packet.size:
                    if not packet.is_keyframe or packet.pts is None:
                        continue
                    key_pts = packet.pts
                for frame in _decode(packet, index, position):
                    if index.pts is not None and frame.pts is not None:
                        if key_pts is not None and frame.pts < key_pts:
                            continue
                        position = int(np.searchsorted(index.pts, frame.pts))
                    yield position, frame
                    position += 1
        except (av.error.FFmpegError, OSError) as error:
            raise _BrokenFrameError(position, f"reading failed: {error.strerror}") from error


def _decode(packet: Packet[Any], index: PacketIndex, position: int) -> list[VideoFrame]:
    try:
        return packet.decode()
    except av.error.FFmpegError as error:
        if index.n_hidden or index.is_incomplete:
            return []  # frames that are known to be hidden; one that is not is missed by its place
        if index.pts is not None and packet.pts is not None:
            position = int(np.searchsorted(index.pts, packet.pts))
        raise _BrokenFrameError(position, error.strerror or str(error)) from error


def _require_whole(frame: VideoFrame, index: PacketIndex, position: int) -> None:
    if frame.is_corrupt and not index.is_suspect(position):
        raise _BrokenFrameError(position, "its data are damaged")
    width, height = index.sizes[0][1]
    if (frame.width, frame.height) != (width, height):
        raise _BrokenFrameError(
            position, f"it is {frame.width} x {frame.height} px, the first {width} x {height} px"
        )
