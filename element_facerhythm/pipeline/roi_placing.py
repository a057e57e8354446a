"""Regions placed in the frame of a video, and what can be counted then."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.rois import PlacedRois, Rois, place_rois
from element_facerhythm.core.texture import LEAST_TEXTURE, texture_at
from element_facerhythm.parameters import open_parameters_from_mapping
from element_facerhythm.pipeline.run.fit import suggest_parameters
from element_facerhythm.video import VideoMetadata


def place_on_video(
    rois: Rois, metadata: VideoMetadata, spacing_px: int | None
) -> tuple[PlacedRois, int]:
    """Place regions in a video's frame; return with them the spacing of their points.

    Parameters
    ----------
    rois
        The regions.
    metadata
        Of the video.
    spacing_px
        Distance of the points; as a run would fit it where it is None.

    Raises
    ------
    RoiError
        They do not fit the frame, or seed no point.
    """
    if spacing_px is None:
        wanted = open_parameters_from_mapping({}).parameters
        suggested, _ = suggest_parameters(wanted, [metadata], rois)
        spacing_px = suggested.stand_in.ROIs.make_rois.point_spacing
    size = {"height_px": metadata.height_px, "width_px": metadata.width_px}
    return place_rois(rois, **size, spacing_px=spacing_px), spacing_px


def counts_of(placed: PlacedRois, frame: NDArray[np.uint8]) -> dict[str, Any]:
    """Return the number of points, of those with nothing to follow, and the share of the frame.

    Parameters
    ----------
    placed
        The regions in the frame.
    frame
        (H, W, 3) frame of the video.
    """
    has_texture = texture_at(frame, placed.point_positions) >= LEAST_TEXTURE
    return {
        "n_points": len(placed.point_positions),
        "n_points_without_texture": int((~has_texture).sum()),
        "area_fraction": float(placed.seed_mask.mean()),
    }
