"""What a video file holds: facts from its content, apart from what its header claims."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from element_facerhythm.errors import VideoError
from element_facerhythm.files.names import is_text
from element_facerhythm.files.regular import Signature, signature_of
from element_facerhythm.video.clock import Clock, have_one_rate
from element_facerhythm.video.container import RE_ENCODE, open_video_file
from element_facerhythm.video.container_size import declared_size
from element_facerhythm.video.content import video_sha256, video_signature
from element_facerhythm.video.levels import Levels, bit_depth, levels_of, require_room
from element_facerhythm.video.limits import FRAME_PIXELS_VARIABLE, max_frame_pixels
from element_facerhythm.video.packet_index import PacketIndex
from element_facerhythm.video.packets import scan_packets
from element_facerhythm.video.recorded_time import recorded_time
from element_facerhythm.video.recording_levels import histogram, own_levels
from element_facerhythm.video.stated_facts import container_facts, picture_facts
from element_facerhythm.video.still_files import is_set_of_stills

logger = logging.getLogger(__name__)

# Frame rates of one camera, averaged over files of different length, differ by less than this.
_SAME_RATE = 1e-4
# How often a file is read that changes meanwhile; only its times may have changed.
_ATTEMPTS = 3


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
        Frame rate between gaps, measured by the frames' times and never rounded (29.97... stays 29.97...).
    header_frame_rate_hz
        Frame rate that the header or the bitstream claims; None where it claims none.
    times_source, times_sha256
        The camera's file that the frames' times are taken from, and its digest; None where there is none.
    acquisition
        What the `metadata.json` of the recorder says; None where there is none.
    clock
        When each frame was taken; see `video.clock`.
    n_frames
        Frames counted in the content.
    n_frames_header
        Frames that the header claims; None where it claims nothing.
    duration_s
        From the first frame to the end of the last one, by their times.
    codec, pixel_format
        ffmpeg's names.
    size_bytes, sha256
        Size and digest of the whole file.
    recording_time
        When the file was created, from its own metadata, in UTC unless it says otherwise; None
        where it says nothing.
    rotation_deg, is_flipped
        How stored frames are turned for showing (see `video.orientation`); sizes are those after it.
    pixel_aspect
        Width of a pixel over its height; 1 where nothing is said. Frames are not stretched.
    bit_depth
        Bits of the deepest component of a pixel, at least 8.
    level_low, level_high
        Values that are analysed as 0 and 255, of video of more than 8 bits; None where it has 8, or the
        high byte is taken.
    n_hidden_frames
        Frames that are stored and that no decoder shows (see `PacketIndex.n_hidden`); not in `n_frames`.
    suspect_frames
        Ranges of frames (first, one after the last) after lost packets, up to the next keyframe.
    is_incomplete
        Whether the file ends in the midst of a frame, or before its container does; what is whole is counted.
    remarks
        What else was left out or changed, in sentences.
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
    header_frame_rate_hz: float | None
    times_source: str | None
    times_sha256: str | None
    acquisition: Mapping[str, Any] | None = field(compare=False, repr=False)
    clock: Clock = field(compare=False, repr=False)
    rotation_deg: int = 0
    is_flipped: bool = False
    pixel_aspect: float = 1.0
    bit_depth: int = 8
    level_low: float | None = None
    level_high: float | None = None
    n_hidden_frames: int = 0
    suspect_frames: tuple[tuple[int, int], ...] = ()
    is_incomplete: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def levels(self) -> Levels | None:
        """Levels to read the video with; None for 8 bits, or for the high byte."""
        if self.level_low is None or self.level_high is None:
            return None
        return Levels(self.level_low, self.level_high)

    @property
    def n_suspect_frames(self) -> int:
        """Number of frames in `suspect_frames`."""
        return sum(stop - start for start, stop in self.suspect_frames)


def probe_video(
    path: str | Path,
    *,
    frame_rate_hz: float | None = None,
    times: str | Path | None = None,
    allow_incomplete: bool = False,
) -> VideoMetadata:
    """Examine a video: read every packet, decode as many frames as it takes to know which are shown.

    Parameters
    ----------
    path
        The file; or a TIFF of several pages, a directory of pictures, or a pattern (`frame_*.png`).
    frame_rate_hz
        Frames per second in the place of what the file says, at equal distances; pictures and some raw
        streams say nothing.
    times
        File with the time of each frame; ``"stamps"`` takes those of the video; None looks for a file
        beside it (see `video.time_files`).
    allow_incomplete
        Whether a file that was cut off, as by a recorder that died, is taken up to its last whole frame.

    Returns
    -------
    VideoMetadata

    Raises
    ------
    VideoError
        The file is missing, empty, cut off, no video, too large (see `video.limits`), without a picture
        or without a frame, its frames change size, its first frames cannot be decoded, nothing gives a frame
        rate, or it changes while it is read.
    """
    path = Path(path)
    if not is_text(path.absolute()):
        raise VideoError(
            f"Video {path}: its name, or that of a directory above it, is no text in UTF-8, and can stand in "
            "no project and no database; rename it."
        )
    for _ in range(_ATTEMPTS):
        before = _signature(path)
        found = _probe(path, before.size_bytes, frame_rate_hz, times, allow_incomplete)
        if _signature(path) == before:
            return found
    raise VideoError(
        f"Video {path} changes while it is read; wait until it is recorded or copied to its end."
    )


def _signature(path: Path) -> Signature:
    if is_set_of_stills(path):
        return video_signature(path)
    with open_video_file(path) as file:
        return signature_of(file.fileno())


def _probe(
    path: Path,
    size_bytes: int,
    given_hz: float | None,
    times: str | Path | None,
    allow_incomplete: bool,
) -> VideoMetadata:
    index = scan_packets(path)
    _require_sound(path, index)
    if index.is_incomplete and not allow_incomplete:
        raise _cut_off(path, index, size_bytes)
    if index.stills is None:
        facts, stated = container_facts(path, index)
    else:
        facts, stated = picture_facts(path, index.stills), None
    time = recorded_time(path, index, stated, given_hz=given_hz, times=times)
    levels = own_levels(path)
    width, height = index.shown_size
    return VideoMetadata(
        path=path,
        width_px=width,
        height_px=height,
        frame_rate_hz=time.clock.frame_rate_hz,
        header_frame_rate_hz=None if stated is None else stated[0],
        times_source=None if time.by_camera is None else time.by_camera.source,
        times_sha256=None if time.by_camera is None else time.by_camera.sha256,
        acquisition=time.acquisition,
        clock=time.clock,
        n_frames=index.n_frames,
        duration_s=time.clock.duration_s,
        pixel_format=index.pixel_format,
        size_bytes=size_bytes,
        sha256=video_sha256(path),
        rotation_deg=index.orientation.rotation_deg,
        is_flipped=index.orientation.is_flipped,
        bit_depth=bit_depth(index.pixel_format),
        level_low=None if levels is None else levels.low,
        level_high=None if levels is None else levels.high,
        n_hidden_frames=index.n_hidden,
        suspect_frames=index.suspects,
        is_incomplete=index.is_incomplete,
        **facts,
    )


def share_levels(videos: Sequence[VideoMetadata]) -> tuple[VideoMetadata, ...]:
    """Videos of one recording with the levels of all of them together; see `video.levels`.

    Files count by their numbers of frames.
    """
    if len(videos) == 1 or not all(video.bit_depth > 8 for video in videos):
        return tuple(videos)
    levels = levels_of([(histogram(video.path), video.n_frames) for video in videos])
    return tuple(replace(video, level_low=levels.low, level_high=levels.high) for video in videos)


def without_levels(videos: Sequence[VideoMetadata]) -> tuple[VideoMetadata, ...]:
    """Videos that are read by their high byte, as face-rhythm reads them."""
    return tuple(replace(video, level_low=None, level_high=None) for video in videos)


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
        if first.bit_depth != other.bit_depth:
            raise VideoError(
                f"Videos of one recording must have one depth: {first.path} has {first.bit_depth} bits, "
                f"{other.path} has {other.bit_depth}. Register them as two recordings."
            )
        if not have_one_rate(first.clock, other.clock, _SAME_RATE):
            raise VideoError(
                f"Videos of one recording must have one frame rate: {first.path} has "
                f"{first.frame_rate_hz:.6g} Hz, {other.path} has {other.frame_rate_hz:.6g} Hz. "
                "Register them as two recordings."
            )


def _cut_off(path: Path, index: PacketIndex, actual: int) -> VideoError:
    with open_video_file(path) as file:
        declared = declared_size(path, file)
    if declared is not None and declared > actual:
        why = f"its container is {declared} bytes long, the file has {actual}"
    else:
        why = "it ends in the midst of a frame"
    return VideoError(
        f"Video {path} is truncated: {why}; copy it again. Where its recorder died, --incomplete takes the "
        f"{index.n_frames} frames that are whole."
    )


def _require_sound(path: Path, index: PacketIndex) -> None:
    if index.n_frames == 0 and not index.n_hidden:
        raise VideoError(f"Video {path} holds no frame (0 counted); record or copy it again.")
    if not index.sizes or index.n_frames == 0:
        raise VideoError(
            f"Video {path}: not one of its keyframes can be decoded, or they have more than "
            f"{max_frame_pixels()} pixels ({FRAME_PIXELS_VARIABLE}); {RE_ENCODE}."
        )
    require_room(path, index.pixel_format, *index.sizes[0][1])
    if len(index.sizes) > 1:
        (_, first), (where, other) = index.sizes[:2]
        raise VideoError(
            f"Video {path} changes its frame size from {first[0]} x {first[1]} px to "
            f"{other[0]} x {other[1]} px near frame {where}; split it there, or re-encode it to "
            "one size."
        )
