"""What rhythms the face has, averaged over its points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

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

_N_POINTS_PER_BLOCK = 64
_N_VIDEOS_MAX = 6


def mean_spectrogram(project: Project, video_index: int) -> npt.NDArray[np.float64]:
    """(F, W) magnitude averaged over x, y and points; read from disk in blocks of points."""
    spectrogram = project.spectrogram(video_index)
    n_points = spectrogram.shape[1]
    total = np.zeros(spectrogram.shape[2:])
    for start in range(0, n_points, _N_POINTS_PER_BLOCK):
        block = np.asarray(spectrogram[:, start : start + _N_POINTS_PER_BLOCK])
        total += np.abs(block).sum(axis=(0, 1))
    return total / (2 * n_points)


def spectrogram_figure(project: Project) -> Figure:
    """Draw the mean spectrogram of each video (of the first six), one colour scale for all."""
    indices = range(min(len(project.video_names), _N_VIDEOS_MAX))
    means = [mean_spectrogram(project, index) for index in indices]
    top = float(np.quantile(np.concatenate([mean.ravel() for mean in means]), 0.998))
    figure = new_figure(11.0, 0.5 + 3.0 * len(means))
    rows = figure.subplots(len(means), 1, squeeze=False)[:, 0]
    for index, axes, mean in zip(indices, rows, means, strict=True):
        times_s = project.window_centres(index) / project.frame_rate_hz
        axes.pcolormesh(
            times_s, project.frequencies_hz, mean, cmap=SEQUENTIAL, vmin=0, vmax=top,
            shading="nearest", rasterized=True,
        )  # fmt: skip
        log_frequency_axis(axes, project.frequencies_hz, which="y")
        axes.set_xlim(0, project.n_frames[index] / project.frame_rate_hz)
        axes.set_xlabel("time (s)")
        tidy(axes)
        title(axes, f"{project.video_names[index]}: mean over points, x and y")
    bar = figure.colorbar(rows[0].collections[0], ax=list(rows), pad=0.01, fraction=0.025)
    bar.set_label("normalised magnitude", fontsize=FONT_SIZE)
    bar.ax.tick_params(labelsize=FONT_SIZE - 1)
    bar.outline.set_visible(False)
    return figure
