"""A video that regions are for, and the regions placed in its frame."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from element_facerhythm.core.rois import PlacedRois, Rois
    from element_facerhythm.video import VideoMetadata

_NO_MATTER_HZ = 30.0  # regions need no time, and a video may have no rate


def probe(video: Path) -> "VideoMetadata":
    """Facts about a video that regions are drawn on; it may have been cut off.

    Raises
    ------
    VideoError
        It is no video.
    """
    from element_facerhythm.video import probe_video

    return probe_video(video, frame_rate_hz=_NO_MATTER_HZ, allow_incomplete=True)


def place(rois: "Rois", metadata: "VideoMetadata", spacing: int | None) -> "PlacedRois":
    """Place the ROIs in the video's frame, with points as far apart as `spacing`, or as `run` puts them."""
    from element_facerhythm.pipeline.roi_placing import place_on_video

    return place_on_video(rois, metadata, spacing)[0]
