"""Video files: what they hold, counted rather than believed, and their frames in order."""

from element_facerhythm.files.regular import Signature
from element_facerhythm.video.content import video_sha256
from element_facerhythm.video.levels import Levels
from element_facerhythm.video.metadata import (
    VideoMetadata,
    probe_video,
    require_same_format,
    share_levels,
    without_levels,
)
from element_facerhythm.video.reader import (
    iterate_gray_frames,
    iterate_rgb_frames,
    key_frames,
    read_rgb_frame,
)
from element_facerhythm.video.unchanged import (
    require_entered,
    require_entered_times,
    require_unchanged,
    signatures_of,
    video_change,
)

__all__ = [
    "Levels",
    "Signature",
    "VideoMetadata",
    "iterate_gray_frames",
    "iterate_rgb_frames",
    "key_frames",
    "probe_video",
    "read_rgb_frame",
    "require_entered",
    "require_entered_times",
    "require_same_format",
    "require_unchanged",
    "share_levels",
    "signatures_of",
    "video_change",
    "video_sha256",
    "without_levels",
]
