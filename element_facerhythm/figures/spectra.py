"""What rhythms the face has, averaged over its points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.gaps import breaks_at, opened_at
from element_facerhythm.figures.style import (
    FONT_SIZE,
    INK,
    SEQUENTIAL,
    log_frequency_axis,
    new_figure,
    stated_number,
    tidy,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from element_facerhythm.io.project import Project

_BLOCK_BYTES = 32 << 20
_N_VIDEOS_MAX = 6
_LEAST_TOLD = 0.05  # of a video: what is left out of it is told
_N_COLUMNS = 2400  # more than a figure has pixels across


def mean_spectrogram(project: Project, video_index: int) -> npt.NDArray[np.float64]:
    """(F, W) magnitude averaged over x, y and points; read from disk in blocks of points.

    Parameters
    ----------
    project
        With its spectrograms.
    video_index
        Number of the tracked sequence, from 0.

    Raises
    ------
    ProjectError
        The spectrograms are missing or damaged.
    """
    spectrogram = project.spectrogram(video_index)
    n_points = spectrogram.shape[1]
    size = max(_BLOCK_BYTES * n_points // spectrogram.nbytes, 1)
    total = np.zeros(spectrogram.shape[2:])
    for start in range(0, n_points, size):
        block = np.asarray(spectrogram[:, start : start + size])
        total += np.abs(block).sum(axis=(0, 1))
    return total / (2 * n_points)


def _columns(
    project: Project, video_index: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean spectrogram (F, n) and times (n,) of the columns to draw; NaN in pauses."""
    pauses = [gap.after_frame for gap in project.clock(video_index).pauses]
    breaks = breaks_at(project.window_centres(video_index), pauses)
    mean = mean_spectrogram(project, video_index)
    times_s, columns = opened_at(breaks, project.window_times_s(video_index), mean.T)
    return _shorten(columns.T, times_s)


def _shorten(
    mean: npt.NDArray[np.float64], times_s: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Average neighbouring windows where there are more of them than a figure can show."""
    size = -(-len(times_s) // _N_COLUMNS)
    firsts = np.arange(0, len(times_s), size)
    counts = np.diff([*firsts, len(times_s)])
    return np.add.reduceat(mean, firsts, axis=1) / counts, np.add.reduceat(times_s, firsts) / counts


def spectrogram_figure(project: Project) -> Figure:
    """Draw the mean spectrogram of each video (of the first six), one colour scale for all.

    Its time axis ends where the windows do: before the first and after the last one the filters reach
    beyond the recording, which the title says.
    """
    indices = range(min(len(project.video_names), _N_VIDEOS_MAX))
    shown = [_columns(project, index) for index in indices]
    top = float(np.nanquantile(np.concatenate([mean.ravel() for mean, _ in shown]), 0.998))
    figure = new_figure(11.0, 0.5 + 3.0 * len(shown))
    rows = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for index, axes, (mean, times_s) in zip(indices, rows, shown, strict=True):
        axes.pcolormesh(
            times_s, project.frequencies_hz, mean, cmap=SEQUENTIAL, vmin=0, vmax=top,
            shading="nearest", rasterized=True,
        )  # fmt: skip
        log_frequency_axis(axes, project.frequencies_hz, which="y")
        axes.set_xlabel("time (s)")
        tidy(axes)
        name = project.video_names[index]
        title(axes, f"{name}: mean over points, x and y{_left_out(project, index, axes)}")
    bar = figure.colorbar(rows[0].collections[0], ax=list(rows), pad=0.01, fraction=0.025)
    bar.set_label(_unit(project), fontsize=FONT_SIZE, color=INK)
    bar.ax.tick_params(labelsize=FONT_SIZE - 1, labelcolor=INK)
    bar.outline.set_visible(False)
    return figure


def _left_out(project: Project, index: int, axes: Axes) -> str:
    """Say what part of the video the axes do not show, where it can be seen."""
    clock, (first_s, last_s) = project.clock(index), axes.get_xlim()
    start_s, stop_s = clock.times_s[0], clock.times_s[0] + clock.duration_s
    if (first_s - start_s) + (stop_s - last_s) < _LEAST_TOLD * clock.duration_s:
        return ""
    return (
        f"\n{max(first_s, start_s):.3g} to {min(last_s, stop_s):.3g} s of {clock.duration_s:.3g} s: the "
        "longest filters need what lies before and after"
    )


def _unit(project: Project) -> str:
    """Name what the colours are: magnitudes in px, or what normalisation has made of them."""
    settings = project.settings("VQT_Analyzer")
    exponent = stated_number(settings, "spectrogram_exponent", 1.0)
    factor = stated_number(settings, "normalization_factor", 0.0)
    power = stated_number(settings, "one_over_f_exponent", 0.0)
    parts = ["magnitude (px)" if exponent == 1 else f"(magnitude in px)$^{{{exponent:g}}}$"]
    if factor:
        whole = "power of the whole face"
        part = whole if factor == 1 else f"({1 - factor:g} + {factor:g} × {whole})"
        parts.append(f"/ {part}")
    if power:
        parts.append("× frequency (Hz)" + ("" if power == 1 else f"$^{{{power:g}}}$"))
    return "\n".join(parts)
