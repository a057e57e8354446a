"""Regions of interest over a frame, to check them before use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.rois import Rois, place_rois
from element_facerhythm.core.texture import LEAST_TEXTURE, texture_at
from element_facerhythm.figures.style import (
    EDGE,
    EXCLUDE_COLOUR,
    FONT_SIZE,
    INK,
    MASK_COLOUR,
    SEED_COLOUR,
    SIGNAL_COLOUR,
    WEAK_COLOUR,
    length_bar,
    new_figure,
    show_frame,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch


def overlay_rois(
    frame_rgb: npt.NDArray[np.uint8], rois: Rois, *, spacing_px: int = 8, title: str | None = None
) -> Figure:
    """Draw seed polygons, their points (red without texture), and what mask and exclude polygons hide.

    Parameters
    ----------
    frame_rgb
        (H, W, 3) or (H, W) uint8.
    rois
        Regions; masks instead of polygons (face-rhythm's ROIs.h5) are outlined.
    spacing_px
        Distance between seed points where the regions do not bring their own.
    title
        Stands before the number of points and the share of the frame inside the regions; None for these
        alone.

    Raises
    ------
    RoiError
        When the regions do not fit the frame.
    """
    height, width = frame_rgb.shape[:2]
    placed = place_rois(rois, height_px=height, width_px=width, spacing_px=spacing_px)
    figure = new_figure(7.0, 7.0 * height / width + 0.85)
    axes = figure.add_subplot()
    show_frame(axes, np.where(_as_mask(placed.visible_mask, frame_rgb), frame_rgb, frame_rgb // 3))
    has_mask = rois.visible_mask is not None or bool(rois.mask_polygons)
    if has_mask:
        _outline(axes, rois.mask_polygons, placed.visible_mask, MASK_COLOUR)
    _outline(axes, rois.seed_polygons, placed.seed_mask, SEED_COLOUR)
    for polygon in rois.exclude_polygons:
        axes.add_patch(_patch(polygon, EXCLUDE_COLOUR, "--"))
    for polygon in rois.signal_polygons:
        axes.add_patch(_patch(polygon, SIGNAL_COLOUR, ":"))
    image = np.atleast_3d(frame_rgb)
    has_texture = texture_at(image, placed.point_positions) >= LEAST_TEXTURE
    for shown, colour in ((has_texture, "white"), (~has_texture, WEAK_COLOUR)):
        x, y = placed.point_positions[shown].T
        axes.plot(
            x, y, "o", color=colour, markersize=3.4, markeredgecolor=EDGE, markeredgewidth=0.5
        )
    caption = f"{len(has_texture)} points; {placed.seed_mask.mean():.0%} of the frame inside ROIs"
    axes.set_title(
        caption if title is None else f"{title}: {caption}", loc="left", fontsize=FONT_SIZE + 1,
        color=INK,
    )  # fmt: skip
    length_bar(axes)
    _legend(figure, has_texture, rois, has_mask=has_mask)
    return figure


def _legend(
    figure: Figure, has_texture: npt.NDArray[np.bool_], rois: Rois, *, has_mask: bool
) -> None:
    """Say below the frame what the colours are, of those that are there."""
    from matplotlib.lines import Line2D

    def dot(colour: str, label: str) -> Line2D:
        return Line2D([], [], marker="o", linestyle="", color=colour, markersize=4, label=label,
                      markeredgecolor=EDGE, markeredgewidth=0.5)  # fmt: skip

    shown = [Line2D([], [], color=SEED_COLOUR, linewidth=1.6, label="ROI: points are seeded here")]
    if has_mask:
        hidden = "edge of what the tracker sees (dark: hidden)"
        shown.append(Line2D([], [], color=MASK_COLOUR, linewidth=1.6, label=hidden))
    further = [
        (rois.exclude_polygons, EXCLUDE_COLOUR, "--", "excluded: no points, and hidden"),
        (rois.signal_polygons, SIGNAL_COLOUR, ":", "signals: measured here, no points"),
    ]
    shown += [
        Line2D([], [], color=colour, linewidth=1.6, label=label, linestyle=style)  # type: ignore[arg-type]
        for polygons, colour, style, label in further
        if polygons
    ]
    n_weak = int(np.count_nonzero(~has_texture))
    if n_weak < len(has_texture):
        shown.append(dot("white", "point"))
    if n_weak:
        shown.append(dot(WEAK_COLOUR, f"{n_weak} points with nothing to follow"))
    figure.legend(handles=shown, loc="outside lower left", ncols=2, frameon=False,
                  fontsize=FONT_SIZE - 1, labelcolor=INK)  # fmt: skip


def _as_mask(mask: npt.NDArray[np.bool_], frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return mask if frame.ndim == 2 else mask[..., None]


def _outline(
    axes: Axes,
    polygons: Sequence[npt.NDArray[np.float64]],
    mask: npt.NDArray[np.bool_],
    colour: str,
) -> None:
    """Draw polygons as they were drawn; where there are none, the border of the mask."""
    for polygon in polygons:
        axes.add_patch(_patch(polygon, colour))
    if not polygons:
        # The border is padded so that a region that touches the frame's edge is still closed.
        padded = np.pad(mask.astype(np.float32), 1)
        x, y = np.arange(-1, mask.shape[1] + 1), np.arange(-1, mask.shape[0] + 1)
        axes.contour(x, y, padded, levels=[0.5], colors=[colour], linewidths=1.6)


def _patch(polygon: npt.NDArray[np.float64], colour: str, style: str = "-") -> Patch:
    from matplotlib.patches import Polygon

    return Polygon(
        polygon, closed=True, fill=False, edgecolor=colour, linewidth=1.6, linestyle=style
    )
