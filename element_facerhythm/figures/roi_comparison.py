"""Regions on two recordings, side by side, and one picture laid over the other in two colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.rois import Rois
from element_facerhythm.figures.style import (
    EXCLUDE_COLOUR,
    MASK_COLOUR,
    SEED_COLOUR,
    SIGNAL_COLOUR,
    new_figure,
    show_frame,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def compare_rois(
    image: npt.NDArray[np.uint8],
    rois: Rois,
    other: npt.NDArray[np.uint8],
    moved: Rois,
    laid_over: npt.NDArray[np.uint8],
    *,
    names: tuple[str, str],
    caption: str,
) -> Figure:
    """Draw regions on both recordings, and both pictures over each other.

    Parameters
    ----------
    image, rois
        (H, W) background image of the first recording, and its regions.
    other, moved
        Those of the second.
    laid_over
        (H, W) the second picture in the pixels of the first.
    names
        Of the recordings.
    caption
        What is said of the alignment.
    """
    height, width = image.shape
    figure = new_figure(13.5, 4.3 * height / width + 0.6)
    first, second, both = figure.subplots(1, 3)
    for axes, picture, regions, name in (
        (first, image, rois, names[0]),
        (second, other, moved, names[1]),
    ):
        show_frame(axes, picture, stretch=True)
        _draw(axes, regions)
        title(axes, name)
    red, cyan = _spread(image), _spread(laid_over)
    show_frame(both, np.stack([red, cyan, cyan], axis=-1))
    _draw(both, rois)
    title(both, f"first red, second cyan\n{caption}")
    return figure


def _spread(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Gray levels between the 1st and the 99.5th percentile, over the whole range."""
    low, high = np.percentile(picture, (1, 99.5))
    scaled = (picture.astype(np.float32) - low) / max(float(high - low), 1.0)
    return np.asarray(np.clip(scaled, 0, 1) * 255, dtype=np.uint8)


def _draw(axes: Axes, rois: Rois) -> None:
    for polygons, colour, style in (
        (rois.mask_polygons, MASK_COLOUR, "-"),
        (rois.seed_polygons, SEED_COLOUR, "-"),
        (rois.exclude_polygons, EXCLUDE_COLOUR, "--"),
        (rois.signal_polygons, SIGNAL_COLOUR, ":"),
    ):
        for polygon in polygons:
            axes.plot(*np.concatenate([polygon, polygon[:1]]).T, style, color=colour, linewidth=1.4)
