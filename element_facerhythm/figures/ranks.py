"""What is explained, and how stable it is, against the number of components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from element_facerhythm.figures.style import COLOURS, FONT_SIZE, QUIET, new_figure, tidy, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from element_facerhythm.core.decomposition import RankFit


def rank_figure(fits: Mapping[str, Sequence[RankFit]]) -> Figure:
    """Draw explained variance, R squared and stability against rank, one line per model.

    R squared is dashed. Where the axis of what is explained does not begin at 0, this is written there.
    Every component's own stability is a dot; lines are means.
    """
    figure = new_figure(9.0, 3.4)
    left, right = figure.subplots(1, 2)
    for index, (key, model) in enumerate(fits.items()):
        colour = COLOURS[index % len(COLOURS)]
        label = f"model {key}" if len(fits) > 1 else None
        ranks = [fit.rank for fit in model]
        explained = [100 * fit.explained_variance for fit in model]
        left.plot(ranks, explained, "o-", color=colour, markersize=4, linewidth=1.5, label=label)
        about_mean = [100 * fit.r_squared for fit in model]
        left.plot(ranks, about_mean, "o--", color=colour, markersize=4, linewidth=1.5)
        for fit in model:
            right.plot(
                np.full(fit.rank, fit.rank), fit.stability, "o", color=colour, markersize=3,
                alpha=0.35, markeredgewidth=0,
            )  # fmt: skip
        stability = [fit.mean_stability for fit in model]
        right.plot(ranks, stability, "o-", color=colour, markersize=4, linewidth=1.5)
    _finish(left, "explained variance, R² dashed (%)")
    title(left, "How much do so many components explain?")
    lowest = left.get_ylim()[0]
    if lowest > 0:
        note = f"axis begins at {lowest:.3g} %, not at 0"
        left.text(0.98, 0.03, note, transform=left.transAxes, ha="right", color=QUIET,
                  fontsize=FONT_SIZE - 1)  # fmt: skip
    _finish(right, "stability over restarts")
    right.set_ylim(-0.03, 1.03)
    right.axhline(1, color=QUIET, linewidth=0.8, linestyle=(0, (2, 2)))
    title(right, "Are they found again from other starts?")
    if len(fits) > 1:
        left.legend(frameon=False, fontsize=FONT_SIZE - 1)
    return figure


def _finish(axes: Axes, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("number of components")
    axes.set_ylabel(label)
    tidy(axes, grid=True)
