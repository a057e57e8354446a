"""One look for every figure: sizes, colours and small helpers, without pyplot's global state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.figures.formats import FORMATS, figure_bytes
from element_facerhythm.figures.png import DPI
from element_facerhythm.io.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: distinguishable with every common kind of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C00")
SEED_COLOUR = "#E69F00"
MASK_COLOUR = "#56B4E9"
EXCLUDE_COLOUR = "#CC79A7"
SIGNAL_COLOUR = "#009E73"
WEAK_COLOUR = "#D62728"
FLAG_COLOUR = "#D55E00"
HELD_COLOUR = "#8A8A8A"
X_COLOUR, Y_COLOUR = "#0072B2", "#E69F00"
"""Motion along x and along y: a dark blue and a bright orange, which are also told apart in gray."""
INK = "#222222"
EDGE = "#1A1A1A"
"""Around what is drawn on a frame; unlike ink, it stays dark where a page is dark."""
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
    axes.set_facecolor("none")
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


def length_bar(axes: Axes) -> None:
    """Draw a bar of a round number of pixels into the lower right corner of axes that show a frame."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    length_px = round_length((right - left) / 4)
    x, y = right - 0.05 * (right - left), bottom - 0.05 * (bottom - top)
    axes.plot([x - length_px, x], [y, y], color="white", linewidth=2, solid_capstyle="butt")
    axes.text(
        x - length_px / 2, y - 0.015 * (bottom - top), f"{length_px:g} px", color="white",
        ha="center", va="bottom", fontsize=FONT_SIZE - 1,
    )  # fmt: skip


def round_length(most: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20 ... (and 0.5, 0.2 ...) that is not above a number."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9)))


def stated_number(settings: Mapping[str, Any], name: str, default: float) -> float:
    """Return a finite number of a section of ``config.yaml``; the default where it is none.

    Parameters
    ----------
    settings
        The section.
    name
        Of the number.
    default
        What face-rhythm takes where nothing is stated.
    """
    stated = settings.get(name, default)
    plain = isinstance(stated, int | float) and not isinstance(stated, bool)
    return float(stated) if plain and np.isfinite(stated) else default


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure, whole or not at all, and return its path.

    Parameters
    ----------
    figure
        What to write.
    path
        The file, SVG or PDF where it ends so, else PNG; its directory is made if missing, and a file there is
        replaced.
    """
    ending = path.suffix.lower().removeprefix(".")
    return write_bytes(path, figure_bytes(figure, ending if ending in FORMATS else FORMATS[0]))


def save_picture(picture: npt.NDArray[np.uint8], path: Path) -> Path:
    """Write a frame as PNG, pixel by pixel, whole or not at all, and return its path.

    Parameters
    ----------
    picture
        (H, W) gray levels.
    path
        As of `save_figure`.
    """
    import cv2

    return write_bytes(path, cv2.imencode(".png", picture)[1].tobytes())


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
