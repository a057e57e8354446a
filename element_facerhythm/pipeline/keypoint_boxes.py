"""The part of each video that facemap's network sees: the frame, a given box, or a box around what moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from element_facerhythm.errors import KeypointError
from element_facerhythm.pipeline.keypoint_records import BoxChoice, Corners
from element_facerhythm.pipeline.records import Progress
from element_facerhythm.pipeline.roi_proposal import propose_rois_for_video
from element_facerhythm.video import VideoMetadata

if TYPE_CHECKING:
    from element_facerhythm.keypoints.facemap_frames import BoundingBox

_BOX_MARGIN = 0.1  # of the larger side, around what moves


def bounding_boxes(
    choice: BoxChoice, videos: Sequence[VideoMetadata], progress: Progress
) -> list[BoundingBox]:
    """Return one box per video, within the frame.

    Parameters
    ----------
    choice
        Corners of one box for all videos, or of one for each; `auto` for what moves in the first; None for
        the whole frame.
    videos
        Videos of one frame size.
    progress
        Where the search for what moves reports to.

    Raises
    ------
    KeypointError
        Their number is another, or one has no area or reaches beyond the frame.
    RoiError
        Nothing moves.
    """
    from element_facerhythm.keypoints.facemap_frames import BoundingBox

    width, height = videos[0].width_px, videos[0].height_px
    if choice is None:
        boxes = [BoundingBox.whole(width, height)]
    elif choice == "auto":
        boxes = [_moving_box(videos[0], progress)]
    else:
        boxes = [BoundingBox(*corners) for corners in choice]
    if len(boxes) not in (1, len(videos)):
        raise KeypointError(
            f"{len(boxes)} bounding boxes were given for {len(videos)} videos; expected one for all, or "
            "one for each"
        )
    for box in boxes:
        box.require_within(width, height)
    return boxes * len(videos) if len(boxes) == 1 else boxes


def _moving_box(video: VideoMetadata, progress: Progress) -> BoundingBox:
    """Box around what moves, with a margin: on a video of a face, the face."""
    import numpy as np

    from element_facerhythm.keypoints.facemap_frames import BoundingBox

    rois, _ = propose_rois_for_video(video.path, video.n_frames, progress=progress)
    corners = np.concatenate([np.asarray(polygon) for polygon in rois.seed_polygons])
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = _BOX_MARGIN * (high - low).max()
    left, top = np.floor(np.maximum(low - margin, 0)).astype(int)
    limit = [video.width_px, video.height_px]
    right, bottom = np.ceil(np.minimum(high + margin, limit)).astype(int)
    return BoundingBox(int(left), int(right), int(top), int(bottom))


def corners_of(box: BoundingBox) -> Corners:
    """Left, right, top and bottom of a box, in pixels of the full frame."""
    return box.left, box.right, box.top, box.bottom
