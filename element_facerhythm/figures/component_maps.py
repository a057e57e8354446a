"""Maps of components: an ellipse at each point, its size and colour by loading, its form by direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.figures.style import (
    FONT_SIZE,
    INK,
    SEQUENTIAL,
    crop_to,
    length_bar,
    show_frame,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SMALLEST, _LARGEST = 4.0, 13.0  # diameters of the largest dot, in points
_THINNEST = 0.3  # of an ellipse's length
_DARKEST = -0.4  # where the colours would begin, so that those from 0 on show on a dark frame
_LEGEND = (1.0, 0.5, 0.25, 0.05)
_MOST_MARKS = 4000  # more than these are a raster in SVG and PDF


def map_aspect(positions_px: npt.NDArray[np.float32], shape: tuple[int, ...]) -> float:
    """Height over width of the crop that maps show.

    Parameters
    ----------
    positions_px
        (P, 2) home positions.
    shape
        (H, W, ...) of the frame.
    """
    width, height = _crop_px(positions_px, shape)
    return float(np.clip(height / width, 0.5, 1.4))


def dot_size_pt(
    positions_px: npt.NDArray[np.float32], shape: tuple[int, ...], width_pt: float
) -> float:
    """Diameter of the largest dot, in points, so that neighbours just touch.

    Parameters
    ----------
    positions_px, shape
        As of `map_aspect`.
    width_pt
        Width of a map.
    """
    from scipy.spatial import cKDTree

    if len(positions_px) < 2:
        return _LARGEST
    distances, _ = cKDTree(positions_px).query(positions_px, k=2)
    pt_per_px = width_pt / _crop_px(positions_px, shape)[0]
    return float(np.clip(1.3 * np.median(distances[:, 1]) * pt_per_px, _SMALLEST, _LARGEST))


def _crop_px(
    positions_px: npt.NDArray[np.float32], shape: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """Width and height of the crop of `crop_to`."""
    extent = np.ptp(positions_px, axis=0)
    spread = extent + 0.24 * extent.max() + 16
    return np.minimum(spread, [shape[1], shape[0]]).astype(np.float64)


def draw_map(
    axes: Axes,
    shares: npt.NDArray[np.float64],
    positions_px: npt.NDArray[np.float32],
    frame: npt.NDArray[np.uint8],
    *,
    size_pt: float,
) -> None:
    """Draw an ellipse at each point over a darkened frame: wide where it moves along x, high along y.

    Parameters
    ----------
    axes
        Where.
    shares
        (2, P) of x and y, or (1, P) of both, 0 to 1 on the scale of all components.
    positions_px
        (P, 2) home positions.
    frame
        (H, W, 3) or (H, W) uint8.
    size_pt
        Diameter of the dot for 1, in points; areas grow with the share.
    """
    from matplotlib.collections import EllipseCollection

    show_frame(axes, frame, dim=0.45, stretch=True)
    crop_to(axes, positions_px, frame.shape)
    strength = np.nan_to_num(np.linalg.norm(shares, axis=0))
    widths, heights = ellipse_axes(np.nan_to_num(shares), size_pt)
    order = np.argsort(strength, kind="stable")
    ellipses = EllipseCollection(
        widths[order], heights[order], np.zeros(len(order)), units="points",
        offsets=positions_px[order], transOffset=axes.transData, array=strength[order],
        cmap=SEQUENTIAL, clim=(_DARKEST, 1.0), linewidths=0, rasterized=len(order) > _MOST_MARKS,
    )  # fmt: skip
    axes.add_collection(ellipses, autolim=False)
    length_bar(axes)


def ellipse_axes(
    shares: npt.NDArray[np.float64], size_pt: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(P,) widths and heights, in points: the diagonal squared is proportional to the share.

    Parameters
    ----------
    shares
        (2, P) or (1, P), 0 to 1.
    size_pt
        Length for a share of 1.
    """
    strength = np.linalg.norm(shares, axis=0)
    lengths = size_pt * np.sqrt(strength)
    if len(shares) == 1:
        return lengths, lengths
    parts = shares / np.where(strength > 0, strength, 1.0)
    width, height = np.maximum(parts, _THINNEST) * lengths
    return width, height


def map_scale(
    figure: Figure, maps: Sequence[Axes], size_pt: float, *, largest: str = "of all"
) -> None:
    """Draw the scale that all maps share: colour and size of the dots, and what their form means.

    Parameters
    ----------
    figure
        Of the maps.
    maps
        Axes that `draw_map` drew on.
    size_pt
        As given to `draw_map`.
    largest
        What a share of 1 is the largest of.
    """
    from matplotlib.collections import EllipseCollection

    ellipses = maps[0].collections[0]
    bar = figure.colorbar(
        ellipses, ax=list(maps), location="bottom", fraction=0.02, pad=0.01, aspect=28, shrink=0.96
    )
    bar.ax.set_xlim(0, 1)
    bar.set_ticks(sorted(_LEGEND), labels=[f"{share:g}" for share in sorted(_LEGEND)])
    bar.ax.tick_params(labelsize=FONT_SIZE - 1, labelcolor=INK)
    bar.outline.set_visible(False)
    bar.set_label(
        f"part of a point (1 = largest {largest})\nwide: moves along x; high: along y",
        fontsize=FONT_SIZE - 1, color=INK,
    )  # fmt: skip
    shares = np.array([_LEGEND])
    diameters, _ = ellipse_axes(shares, size_pt)
    bar.ax.add_collection(
        EllipseCollection(
            diameters, diameters, np.zeros(len(_LEGEND)), units="points",
            offsets=np.stack([_LEGEND, np.full(len(_LEGEND), 2.0)], axis=1),
            transOffset=bar.ax.transData, facecolors=INK, linewidths=0, clip_on=False,
        ),
        autolim=False,
    )  # fmt: skip
