"""What a video file holds: facts from its content, and what its header claims, told apart."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from element_facerhythm.digest import file_sha256
from element_facerhythm.errors import VideoError
from element_facerhythm.files import signature_of
from element_facerhythm.video.container import RE_ENCODE, open_video, open_video_file
from element_facerhythm.video.container_size import declared_size
from element_facerhythm.video.limits import FRAME_PIXELS_VARIABLE, max_frame_pixels
from element_facerhythm.video.packet_index import PacketIndex
from element_facerhythm.video.packets import scan_packets

logger = logging.getLogger(__name__)

# Frame rates of one camera, averaged over files of different length, differ by less than this.
_SAME_RATE = 1e-4
# How often a file is read that changes meanwhile; only its times may have changed.
_ATTEMPTS = 3
_COUNT = re.compile("[0-9]{1,18}")
_YEARS = range(1970, 9999)  # before, a clock was not set


@dataclass(frozen=True)
class VideoMetadata:
    """Facts about one video file.

    Attributes
    ----------
    path
        The file, as it was given.
    width_px, height_px
        Size of the decoded frames.
    frame_rate_hz
        Average frame rate, never rounded (29.97... stays 29.97...).
    n_frames
        Frames counted in the content.
    n_frames_header
        Frames that the header claims; None where it claims nothing.
    duration_s
        n_frames / frame_rate_hz.
    codec, pixel_format
        ffmpeg's names.
    size_bytes, sha256
        Size and digest of the whole file.
    recording_time
        When the file was created, from its own metadata, in UTC unless it says otherwise; None
        where it says nothing.
    """

    path: Path
    width_px: int
    height_px: int
    frame_rate_hz: float
    n_frames: int
    n_frames_header: int | None
    duration_s: float
    codec: str
    pixel_format: str
    size_bytes: int
    sha256: str
    recording_time: datetime | None


def probe_video(path: str | Path) -> VideoMetadata:
    """Examine a video file: read every packet, decode as many frames as the size check needs.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    VideoMetadata

    Raises
    ------
    VideoError
        The file is missing, empty, truncated, no video, too large (see `video.limits`), without a picture
        or without a frame, its frames change size, its first frames cannot be decoded, it has no frame
        rate, or it changes while it is read.
    """
    path = Path(path)
    for _ in range(_ATTEMPTS):
        with open_video_file(path) as file:
            before = signature_of(file.fileno())
            _require_complete(path, file, before.size_bytes)
        found = _probe(path, before.size_bytes)
        with open_video_file(path) as file:
            if signature_of(file.fileno()) == before:
                return found
    raise VideoError(
        f"Video {path} changes while it is read; wait until it is recorded or copied to its end."
    )


def _probe(path: Path, size_bytes: int) -> VideoMetadata:
    index = scan_packets(path)
    _require_sound(path, index)
    with open_video(path) as (container, stream):
        rate = _frame_rate(path, stream)
        header_count = _header_count(stream)
        recorded = _recording_time(path, stream, container)
        codec = stream.codec_context.codec.canonical_name
    if header_count is not None and header_count != index.n_frames:
        logger.warning(
            "%s: the header claims %d frames, the file holds %d; the counted number is used",
            path,
            header_count,
            index.n_frames,
        )
    width, height = index.sizes[0][1]
    return VideoMetadata(
        path=path,
        width_px=width,
        height_px=height,
        frame_rate_hz=rate,
        n_frames=index.n_frames,
        n_frames_header=header_count,
        duration_s=index.n_frames / rate,
        codec=codec,
        pixel_format=index.pixel_format,
        size_bytes=size_bytes,
        sha256=file_sha256(path),
        recording_time=recorded,
    )


def require_same_format(videos: Sequence[VideoMetadata]) -> None:
    """Raise VideoError, naming both files, unless all videos agree in frame size and frame rate."""
    for other in videos[1:]:
        first = videos[0]
        if (first.width_px, first.height_px) != (other.width_px, other.height_px):
            raise VideoError(
                f"Videos of one recording must have one size: {first.path} has "
                f"{first.width_px} x {first.height_px} px, {other.path} has "
                f"{other.width_px} x {other.height_px} px. Register them as two recordings."
            )
        if not math.isclose(first.frame_rate_hz, other.frame_rate_hz, rel_tol=_SAME_RATE):
            raise VideoError(
                f"Videos of one recording must have one frame rate: {first.path} has "
                f"{first.frame_rate_hz:.6g} Hz, {other.path} has {other.frame_rate_hz:.6g} Hz. "
                "Register them as two recordings."
            )


def _require_complete(path: Path, file: BufferedReader, actual: int) -> None:
    declared = declared_size(path, file)
    if declared is not None and declared > actual:
        raise VideoError(
            f"Video {path} is truncated: its container is {declared} bytes long, the file has "
            f"{actual}; copy it again."
        )


def _require_sound(path: Path, index: PacketIndex) -> None:
    if index.n_frames == 0 and not index.n_hidden:
        raise VideoError(f"Video {path} holds no frame (0 counted); record or copy it again.")
    if not index.sizes or index.n_frames == 0:
        raise VideoError(
            f"Video {path}: not one of its keyframes can be decoded, or they have more than "
            f"{max_frame_pixels()} pixels ({FRAME_PIXELS_VARIABLE}); {RE_ENCODE}."
        )
    if len(index.sizes) > 1:
        (_, first), (where, other) = index.sizes[:2]
        raise VideoError(
            f"Video {path} changes its frame size from {first[0]} x {first[1]} px to "
            f"{other[0]} x {other[1]} px near frame {where}; split it there, or re-encode it to "
            "one size."
        )
    if index.n_damaged:
        raise VideoError(
            f"Video {path} is truncated or damaged: {index.n_damaged} of its packets are cut off; "
            f"{RE_ENCODE}."
        )


def _frame_rate(path: Path, stream: VideoStream) -> float:
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate:
            return float(rate)
    raise VideoError(
        f"Video {path} has no frame rate; give it one "
        "(ffmpeg -r RATE -i IN -c:v libx264 -crf 12 OUT.mp4)."
    )


def _header_count(stream: VideoStream) -> int | None:
    """Frame count in the stream's header, or in Matroska's tags."""
    if stream.frames > 0:
        return int(stream.frames)
    for key, value in stream.metadata.items():
        if key.upper().startswith("NUMBER_OF_FRAMES") and _COUNT.fullmatch(value):
            return int(value)
    return None


def _recording_time(path: Path, stream: VideoStream, container: InputContainer) -> datetime | None:
    for metadata in (container.metadata, stream.metadata):
        text = next((v for k, v in metadata.items() if k.lower() == "creation_time"), None)
        if text is None:
            continue
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            logger.warning("%s: its creation time is not understood and is left out", path)
            continue
        if time.year in _YEARS:
            return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return None
