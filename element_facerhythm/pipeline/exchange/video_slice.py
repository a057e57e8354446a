"""A part of a video as a file of its own: the same pictures bit for bit, copied as stored where possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from element_facerhythm.errors import ProcessingError, RequestError
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.video.container import open_video
from element_facerhythm.video.decoding import whole_frames
from element_facerhythm.video.metadata import probe_video
from element_facerhythm.video.packet_index import PacketIndex
from element_facerhythm.video.packets import scan_packets

FORMATS = {".mkv": "matroska", ".mp4": "mp4", ".avi": "avi"}
COPIED, ENCODED = "copied", "encoded anew, lossless"


@dataclass(frozen=True)
class SlicedVideo:
    """A part of a video that was written.

    Attributes
    ----------
    path
        The file.
    n_frames
        Frames in it.
    method
        `COPIED`: packets as they are stored; or `ENCODED`: the pictures in FFV1.
    reason
        Why it could not be copied; empty where it was.
    """

    path: Path
    n_frames: int
    method: str
    reason: str


def slice_video(
    source: Path,
    first: int,
    stop: int,
    target: Path,
    advance: Callable[[int], None] = lambda done: None,
) -> SlicedVideo:
    """Write frames of a video into a file of its own, and compare each with its original.

    Packets are copied where the part begins at a keyframe and what is stored for its frames stands together;
    else the pictures are encoded anew in FFV1, which loses nothing.

    Parameters
    ----------
    source
        The video.
    first, stop
        First frame, and the one after the last.
    target
        The file, ending in ``.mkv``, ``.mp4`` or ``.avi``; FFV1 goes into ``.mkv`` and ``.avi``.
    advance
        Called with the number of frames that were compared.

    Raises
    ------
    RequestError
        The part is none of the video, the file cannot be of that kind, or lies where the video does.
    VideoError, DecodeError
        The video cannot be read.
    ProcessingError
        What was written does not hold the same pictures; nothing is left then.
    """
    video = probe_video(source)
    if not 0 <= first < stop <= video.n_frames:
        raise RequestError(
            f"frames {first}:{stop} are no part of {source}, which has {video.n_frames} frames, from 0; give "
            "A:B with B after the last one"
        )
    ending = target.suffix.lower()
    if ending not in FORMATS:
        raise RequestError(f"{target} ends in none of {', '.join(FORMATS)}")
    if target.exists() and target.samefile(source):
        raise RequestError(f"{target} is the video itself; give another name")
    index = scan_packets(source)
    kept = _copied_range(source, index, first, stop)
    with atomic_path(target) as draft:
        reason = kept if isinstance(kept, str) else _copied(source, kept, draft, FORMATS[ending])
        if reason:
            _require_lossless(
                target, f"frames {first}:{stop} cannot be copied as they are stored", reason
            )
            _encode(source, index, first, stop, draft, FORMATS[ending], video.frame_rate_hz)
        require_same_pictures(source, index, first, stop, draft, advance)
    return SlicedVideo(target, stop - first, ENCODED if reason else COPIED, reason)


def require_same_pictures(
    source: Path,
    index: PacketIndex,
    first: int,
    stop: int,
    written: Path,
    advance: Callable[[int], None],
) -> None:
    """Compare every picture of a file with the frame of a video that it was made of.

    Parameters
    ----------
    source, index
        The video, and what its packets say.
    first, stop
        Frames of it.
    written
        The file.
    advance
        Called with the number of frames that were compared.

    Raises
    ------
    ProcessingError
        One differs, or there are more or fewer of them.
    """
    own = scan_packets(written)
    if own.n_frames != stop - first:
        raise ProcessingError(
            f"{written} would hold {own.n_frames} frames in place of {stop - first}; nothing was kept"
        )
    pairs = zip(
        whole_frames(source, index, first, stop, threads="AUTO"),
        whole_frames(written, own, 0, stop - first, threads="AUTO"),
        strict=True,
    )
    for n_done, (before, after) in enumerate(pairs, 1):
        if not _are_same(before, after):
            raise ProcessingError(
                f"frame {first + n_done - 1} of {source} is another picture in {written}; nothing was kept"
            )
        advance(n_done)


def _pixels(frame: VideoFrame) -> list[NDArray[np.uint8]]:
    """Bytes (lines, bytes) of every plane of a picture, without what pads its lines."""
    form, planes = frame.format, frame.planes
    found = []
    for number, plane in enumerate(planes):
        own = [component.bits for component in form.components if component.plane == number]
        bits = form.padded_bits_per_pixel if len(planes) == 1 else sum(-(-n // 8) * 8 for n in own)
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)
        found.append(lines[:, : -(-plane.width * bits // 8)])
    return found


def _are_same(stored: VideoFrame, written: VideoFrame) -> bool:
    name, other = stored.format.name, written.format.name
    if other == "bgr0":  # whose fourth byte means nothing
        return np.array_equal(stored.to_ndarray(format="rgb24"), written.to_ndarray(format="rgb24"))
    if name.replace("yuvj", "yuv") != other.replace("yuvj", "yuv"):
        stored = stored.reformat(format=other)
    return all(map(np.array_equal, _pixels(stored), _pixels(written)))


def _copied_range(source: Path, index: PacketIndex, first: int, stop: int) -> tuple[int, int] | str:
    """Packets, in the order of the file, that hold exactly these frames; or why there are none."""
    if index.stills is not None or index.pts is None:
        return "its time stamps do not order its frames"
    wanted = set(index.pts[first:stop].tolist())
    stamps, keys = _packets_of(source)
    places = [place for place, stamp in enumerate(stamps) if stamp in wanted]
    if len(places) != len(wanted):
        return "its packets are not its frames"
    if places[-1] - places[0] + 1 != len(places):
        return "frames around its end are stored among others"
    if not keys[places[0]] or stamps[places[0]] != min(wanted):
        return f"frame {first} is no keyframe"
    return places[0], places[-1] + 1


def _packets_of(source: Path) -> tuple[list[int | None], list[bool]]:
    """Time stamp of each packet in the order of the file, and whether it is a keyframe."""
    with open_video(source) as (container, stream):
        found = [(p.pts, p.is_keyframe) for p in container.demux(stream) if p.size]
    return [stamp for stamp, _ in found], [is_key for _, is_key in found]


def _copied(source: Path, places: tuple[int, int], target: Path, kind: str) -> str:
    """Copy packets; return why that was not possible, or nothing."""
    try:
        with (
            open_video(source) as (container, stream),
            av.open(str(target), "w", format=kind) as written,
        ):
            copy = written.add_stream_from_template(stream)
            start: int | None = None
            for packet in _taken(container.demux(stream), *places):
                stamps = [stamp for stamp in (packet.pts, packet.dts) if stamp is not None]
                start = min(stamps, default=0) if start is None else start
                packet.pts = None if packet.pts is None else packet.pts - start
                packet.dts = None if packet.dts is None else packet.dts - start
                packet.stream = copy
                written.mux(packet)
    except (av.error.FFmpegError, ValueError):
        return f"a file of kind {kind} does not take them"
    return ""


def _require_lossless(target: Path, what: str, reason: str) -> None:
    if target.suffix.lower() == ".mp4":
        raise RequestError(
            f"{what} ({reason}), and encoded without loss they go into .mkv or .avi; give such a name, or "
            "begin at a keyframe"
        )


def _taken(packets: Iterator[Any], first: int, stop: int) -> Iterator[Any]:
    place = 0
    for packet in packets:
        if not packet.size:
            continue
        if first <= place < stop:
            yield packet
        place += 1
        if place == stop:
            return


def _encode(
    source: Path, index: PacketIndex, first: int, stop: int, target: Path, kind: str, rate_hz: float
) -> None:
    rate = Fraction(rate_hz).limit_denominator(100_000)
    frames = whole_frames(source, index, first, stop, threads="AUTO")
    try:
        with av.open(str(target), "w", format=kind) as written:
            stream = written.add_stream("ffv1", rate=rate)
            stream.width, stream.height = index.sizes[0][1]
            stream.pix_fmt = _lossless_format(index.pixel_format)
            start: int | None = None
            for number, stored in enumerate(frames):
                frame = _reformatted(stored, stream.pix_fmt)
                keeps_times = kind == "matroska" and stored.pts is not None
                if keeps_times and stored.time_base is not None and stored.pts is not None:
                    start = stored.pts if start is None else start
                    frame.pts, frame.time_base = stored.pts - start, stored.time_base
                    if number == 0:
                        stream.codec_context.time_base = stored.time_base
                else:
                    frame.pts, frame.time_base = number, 1 / rate
                written.mux(stream.encode(frame))
            written.mux(stream.encode())
    except (av.error.FFmpegError, ValueError) as error:
        raise ProcessingError(f"{target} could not be encoded in FFV1: {error}") from error


def _lossless_format(pixel_format: str) -> str:
    """Format of FFV1 that holds every value of another one.

    Raises
    ------
    RequestError
        There is none.
    """
    known = {one.name for one in av.codec.Codec("ffv1", "w").video_formats or ()}
    little = pixel_format.removesuffix("be") + "le" if pixel_format.endswith("be") else pixel_format
    for name in (pixel_format, pixel_format.replace("yuvj", "yuv"), little):
        if name in known:
            return name
    if pixel_format in ("rgb24", "bgr24", "pal8", "rgb0", "0rgb", "0bgr"):
        return "bgr0"
    raise RequestError(
        f"pictures of {pixel_format} cannot be encoded in FFV1 as they are; begin the part at a keyframe"
    )


def _reformatted(frame: VideoFrame, pixel_format: str) -> VideoFrame:
    if frame.format.name == pixel_format:
        return frame
    if frame.format.name.startswith("yuvj"):  # the same values, whose range is told otherwise
        full = ColorRange.JPEG
        return frame.reformat(format=pixel_format, src_color_range=full, dst_color_range=full)
    return frame.reformat(format=pixel_format)
