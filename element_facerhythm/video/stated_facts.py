"""What a video says of itself: rate, number of frames, time of recording, shape of its pixels."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from av.container import InputContainer
from av.video.stream import VideoStream

from element_facerhythm.video.container import open_video
from element_facerhythm.video.packet_index import PacketIndex, Pictures
from element_facerhythm.video.still_files import is_set_of_stills, missing_numbers, still_files
from element_facerhythm.video.stream_rate import RateSource, stream_rate

logger = logging.getLogger(__name__)

_COUNT = re.compile("[0-9]{1,18}")
_YEARS = range(1970, 9999)  # before, a clock was not set


def container_facts(
    path: Path, index: PacketIndex
) -> tuple[dict[str, Any], tuple[float, RateSource] | None]:
    """Read what a container says, and compare its number of frames with those counted.

    Parameters
    ----------
    path
        The video.
    index
        What its packets say.

    Returns
    -------
    Facts by the names of `VideoMetadata`; and the rate in Hz with where it stands, None where it is not said.

    Raises
    ------
    VideoError
        The file cannot be opened as a video.
    """
    with open_video(path) as (container, stream):
        header_count = _header_count(stream)
        facts = {
            "n_frames_header": header_count,
            "recording_time": _recording_time(path, stream, container),
            "codec": stream.codec_context.codec.canonical_name,
            "pixel_aspect": float(stream.sample_aspect_ratio or 1),
        }
        stated = stream_rate(container, stream)
    if header_count is not None and header_count != index.n_frames:
        logger.warning(
            "%s: the header claims %d frames, the file holds %d; the counted number is used",
            path,
            header_count,
            index.n_frames,
        )
    return facts, stated


def picture_facts(path: Path, stills: Pictures) -> dict[str, Any]:
    """Return the facts of pictures, which say nothing of their time, by the names of `VideoMetadata`.

    Parameters
    ----------
    path
        The stack, or the directory or pattern of pictures; numbers missing in their names become a remark.
    stills
        What it holds.

    Raises
    ------
    VideoError
        There are no pictures any more.
    """
    n_missing = missing_numbers(still_files(path)) if is_set_of_stills(path) else 0
    remark = (
        f"{n_missing} numbers are missing between those of its pictures; the pictures that are there are "
        "taken as following each other"
    )
    return {
        "n_frames_header": None,
        "recording_time": None,
        "codec": stills.codec,
        "remarks": (remark,) if n_missing else (),
    }


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
