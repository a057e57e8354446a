"""One look for every figure: sizes, colours and small helpers, without pyplot's global state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.figures.png import DPI, png_bytes
from element_facerhythm.io.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: distinguishable with every common kind of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C00")
SEED_COLOUR = "#E69F00"
MASK_COLOUR = "#56B4E9"
WEAK_COLOUR = "#D62728"
FLAG_COLOUR = "#D55E00"
INK = "#222222"
QUIET = "#8A8A8A"
SEQUENTIAL = "magma"
FONT_SIZE = 9.0


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure, laid out by constraints.

    Parameters
    ----------
    width_in, height_in
        Size in inches.
    """
    from element_facerhythm.figures.notebook_figure import NotebookFigure

    figure = NotebookFigure(figsize=(width_in, height_in), dpi=DPI, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    return figure


def tidy(axes: Axes, *, grid: bool = False) -> None:
    """Draw only the left and lower spine, in quiet ink, with small labels.

    Parameters
    ----------
    axes
        Whose spines, ticks and labels are restyled.
    grid
        Whether light lines go behind what is drawn.
    """
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(QUIET)
    axes.tick_params(labelsize=FONT_SIZE - 1, color=QUIET, labelcolor=INK)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(FONT_SIZE)
        label.set_color(INK)
    if grid:
        axes.grid(True, color="#DDDDDD", linewidth=0.6)
        axes.set_axisbelow(True)


def title(axes: Axes, text: str) -> None:
    """Write a left-aligned title.

    Parameters
    ----------
    axes, text
        Where it stands, and what it says.
    """
    axes.set_title(text, loc="left", fontsize=FONT_SIZE + 1, color=INK)


def log_frequency_axis(axes: Axes, frequencies_hz: npt.NDArray[np.floating], *, which: str) -> None:
    """Make the x or y axis a logarithmic one in Hz with few plain numbers.

    Parameters
    ----------
    axes
        Whose axis it is; it is labelled, too.
    frequencies_hz
        (F,) centre frequencies, above 0; ticks lie within their range.
    which
        ``"x"`` or ``"y"``.
    """
    from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

    low, high = float(np.min(frequencies_hz)), float(np.max(frequencies_hz))
    steps = [m * 10.0**e for e in range(-3, 5) for m in (1, 2, 5)]
    ticks = [step for step in steps if low * 0.98 <= step <= high * 1.02]
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
    (axes.set_xlabel if which == "x" else axes.set_ylabel)("frequency (Hz)")


def show_frame(
    axes: Axes, frame: npt.NDArray[np.uint8], *, dim: float = 1.0, stretch: bool = False
) -> None:
    """Show a frame without axes.

    Parameters
    ----------
    axes
        Where it fills everything, one unit a pixel.
    frame
        (H, W) or (H, W, 3), 0 to 255.
    dim
        Factor on all levels; below 1 it darkens the frame under what is drawn on top.
    stretch
        Whether a dark frame's contrast is raised first: its 99.8th percentile becomes white.
    """
    white = max(float(np.quantile(frame, 0.998)), 1.0) if stretch else 255.0
    picture = np.clip(np.asarray(frame, dtype=np.float32) / white, 0, 1) * dim
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    axes.imshow(np.clip(picture, 0, 1), interpolation="lanczos")
    axes.set_xlim(-0.5, picture.shape[1] - 0.5)
    axes.set_ylim(picture.shape[0] - 0.5, -0.5)
    axes.set_axis_off()


def crop_to(axes: Axes, points_px: npt.NDArray[np.floating], shape: tuple[int, ...]) -> None:
    """Zoom an image to points, with a margin and its aspect kept.

    Parameters
    ----------
    axes
        That show the image.
    points_px
        (P, 2) positions (x, y).
    shape
        (H, W, ...) of the image. The margin, 8 px and 12 % of the points' larger extent, does not reach
        beyond it.
    """
    low, high = points_px.min(axis=0), points_px.max(axis=0)
    margin = 0.12 * float(np.max(high - low)) + 8
    left, top = np.maximum(low - margin, -0.5)
    right, bottom = np.minimum(high + margin, np.array([shape[1], shape[0]]) - 0.5)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def save_figure(figure: Figure, path: Path) -> Path:
    """Write the figure as PNG, whole or not at all, and return its path.

    Parameters
    ----------
    figure
        What to write.
    path
        The file; its directory is made if missing, and a file there is replaced.
    """
    return write_bytes(path, png_bytes(figure))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file, whole or not at all, and return its path.

    Parameters
    ----------
    path
        The file; its directory is made if missing, and a file there is replaced.
    content
        All of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_bytes(content)
    return path
