"""Regions of interest over a frame, to check them before use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.rois import Rois, place_rois
from element_facerhythm.core.texture import LEAST_TEXTURE, texture_at
from element_facerhythm.figures.style import (
    FONT_SIZE,
    INK,
    MASK_COLOUR,
    SEED_COLOUR,
    WEAK_COLOUR,
    new_figure,
    show_frame,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def overlay_rois(
    frame_rgb: npt.NDArray[np.uint8], rois: Rois, *, spacing_px: int = 8, title: str | None = None
) -> Figure:
    """Draw seed polygons, the points that they seed (red without texture), and what the mask hides.

    Parameters
    ----------
    frame_rgb
        (H, W, 3) or (H, W) uint8.
    rois
        Regions; masks instead of polygons (face-rhythm's ROIs.h5) are outlined.
    spacing_px
        Distance between seed points where the regions do not bring their own.
    title
        Stands before the number of points and the share of the frame; None for these alone.

    Raises
    ------
    RoiError
        When the regions do not fit the frame.
    """
    height, width = frame_rgb.shape[:2]
    placed = place_rois(rois, height_px=height, width_px=width, spacing_px=spacing_px)
    figure = new_figure(7.0, 7.0 * height / width + 0.6)
    axes = figure.add_subplot()
    show_frame(axes, np.where(_as_mask(placed.visible_mask, frame_rgb), frame_rgb, frame_rgb // 3))
    if not placed.visible_mask.all():
        _outline(axes, placed.visible_mask, MASK_COLOUR)
    _outline(axes, placed.seed_mask, SEED_COLOUR)
    image = np.atleast_3d(frame_rgb)
    has_texture = texture_at(image, placed.point_positions) >= LEAST_TEXTURE
    for shown, colour in ((has_texture, "white"), (~has_texture, WEAK_COLOUR)):
        x, y = placed.point_positions[shown].T
        axes.plot(x, y, "o", color=colour, markersize=3.4, markeredgecolor=INK, markeredgewidth=0.5)
    n_points, n_weak = len(has_texture), int(np.count_nonzero(~has_texture))
    weak = f", {n_weak} of them (red) with nothing to follow" if n_weak else ""
    hidden = "" if placed.visible_mask.all() else ", dark: hidden from the tracker"
    caption = f"{n_points} points in {placed.seed_mask.mean():.0%} of the frame{weak}{hidden}"
    axes.set_title(
        caption if title is None else f"{title}: {caption}", loc="left", fontsize=FONT_SIZE + 1
    )
    return figure


def _as_mask(mask: npt.NDArray[np.bool_], frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return mask if frame.ndim == 2 else mask[..., None]


def _outline(axes: Axes, mask: npt.NDArray[np.bool_], colour: str) -> None:
    # The border is padded so that a region that touches the frame's edge is still closed.
    padded = np.pad(mask.astype(np.float32), 1)
    x, y = np.arange(-1, mask.shape[1] + 1), np.arange(-1, mask.shape[0] + 1)
    axes.contour(x, y, padded, levels=[0.5], colors=[colour], linewidths=1.6)
