"""What rhythms the face has, averaged over its points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.gaps import breaks_at, opened_at
from element_facerhythm.figures.style import (
    FONT_SIZE,
    SEQUENTIAL,
    log_frequency_axis,
    new_figure,
    tidy,
    title,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from element_facerhythm.io.project import Project

_BLOCK_BYTES = 32 << 20
_N_VIDEOS_MAX = 6
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
    """Draw the mean spectrogram of each video (of the first six), one colour scale for all."""
    indices = range(min(len(project.video_names), _N_VIDEOS_MAX))
    shown = [_columns(project, index) for index in indices]
    top = float(np.nanquantile(np.concatenate([mean.ravel() for mean, _ in shown]), 0.998))
    figure = new_figure(11.0, 0.5 + 3.0 * len(shown))
    rows = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for index, axes, (mean, times_s) in zip(indices, rows, shown, strict=True):
        clock = project.clock(index)
        axes.pcolormesh(
            times_s, project.frequencies_hz, mean, cmap=SEQUENTIAL, vmin=0, vmax=top,
            shading="nearest", rasterized=True,
        )  # fmt: skip
        log_frequency_axis(axes, project.frequencies_hz, which="y")
        axes.set_xlim(clock.times_s[0], clock.times_s[0] + clock.duration_s)
        axes.set_xlabel("time (s)")
        tidy(axes)
        title(axes, f"{project.video_names[index]}: mean over points, x and y")
    bar = figure.colorbar(rows[0].collections[0], ax=list(rows), pad=0.01, fraction=0.025)
    bar.set_label("normalised magnitude", fontsize=FONT_SIZE)
    bar.ax.tick_params(labelsize=FONT_SIZE - 1)
    bar.outline.set_visible(False)
    return figure
