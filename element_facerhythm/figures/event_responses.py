"""What components do around events: averages with their bands, and what chance gives."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from element_facerhythm.errors import RequestError
from element_facerhythm.figures.style import (
    COLOURS,
    FONT_SIZE,
    INK,
    QUIET,
    new_figure,
    tidy,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from element_facerhythm.core.peri_event import PeriEvent, PeriEventSettings

MOST_PANELS = 24
_N_COLUMNS = 3


@dataclass(frozen=True, eq=False)
class ResponsePanel:
    """One average to draw: what stands above and below it, and its false discovery rate."""

    heading: str
    average: PeriEvent
    q_value: float | None


def response_figure(
    panels: Sequence[ResponsePanel], unit: str, settings: PeriEventSettings
) -> Figure:
    """Draw averages around events, three in a row; of more than 24 the first.

    The line is the mean over trials, its band what trials drawn anew give; gray is what chance gives. All
    have one scale. Of phases the line is the resultant length, and dots are the mean phase where that is
    above chance. The line is thin where less than half of the trials count.

    Parameters
    ----------
    panels
        What is drawn.
    unit
        Of the averages.
    settings
        They were computed with.

    Raises
    ------
    RequestError
        There is nothing to draw.
    """
    shown = list(panels)[:MOST_PANELS]
    if not shown:
        raise RequestError("there is no response to draw")
    n_columns = 2 if len(shown) == 4 else min(_N_COLUMNS, len(shown))
    n_rows = -(-len(shown) // n_columns)
    figure = new_figure(1.0 + 3.4 * n_columns, 0.9 + 2.5 * n_rows)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.ravel()[len(shown) :]:
        axes.set_axis_off()
    for index, (axes, panel) in enumerate(zip(grid.ravel(), shown, strict=False)):
        _draw(axes, panel, COLOURS[0], settings)
        if index + n_columns >= len(shown):
            axes.tick_params(labelbottom=True)
    note = textwrap.fill(_note(len(shown), len(panels), settings), 10 + 50 * n_columns)
    figure.supxlabel(note, fontsize=FONT_SIZE - 1, color=QUIET)
    less = ", less the baseline" if settings.baseline_s is not None else ""
    figure.supylabel(f"{unit}{less}", fontsize=FONT_SIZE, color=INK)
    return figure


def _draw(axes: Axes, panel: ResponsePanel, colour: str, settings: PeriEventSettings) -> None:
    own, lags_s = panel.average, panel.average.lags_s
    axes.fill_between(lags_s, own.chance_low, own.chance_high, color="#D9D9D9", linewidth=0)
    axes.fill_between(lags_s, own.low, own.high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(lags_s, own.mean, color=colour, linewidth=0.8)
    many = own.n_trials_in_bin * 2 >= own.n_events
    axes.plot(lags_s, np.where(many, own.mean, np.nan), color=colour, linewidth=1.8)
    axes.axvline(0, color=INK, linewidth=0.8)
    if own.phase_rad is None:
        axes.axhline(0, color=QUIET, linewidth=0.8, linestyle=(0, (2, 2)))
    else:
        axes.set_ylim(0, 1)
        beside = axes.twinx()
        stands_out = (
            own.mean > own.chance_high if np.isfinite(own.chance_high).any() else own.mean > 0
        )
        shown = np.where(stands_out, own.phase_rad.mean, np.nan)
        beside.plot(lags_s, shown, ".", color=COLOURS[1], markersize=3)
        beside.set_ylim(-np.pi, np.pi)
        beside.set_yticks([-np.pi, 0, np.pi], ["−π", "0", "π"])
        tidy(beside)
        beside.tick_params(labelcolor=COLOURS[1])
    first, stop = settings.response
    axes.axvspan(first, stop, ymax=0.02, color=INK, linewidth=0)
    axes.set_xlim(own.edges_s[0], own.edges_s[-1])
    tidy(axes)
    title(axes, f"{panel.heading}\n{_numbers(panel)}")


def _numbers(panel: ResponsePanel) -> str:
    own = panel.average
    said = f"{own.n_trials} of {own.n_events} trials"
    if own.p_value is None:
        return said
    q = "" if panel.q_value is None else f", q {panel.q_value:.2g}"
    return f"p {own.p_value:.2g}{q}, {said}"


def _note(n_shown: int, n_panels: int, settings: PeriEventSettings) -> str:
    band = f"{settings.confidence:.0%} of"
    said = (
        "seconds from the event; coloured: "
        f"{band} averages of trials drawn anew, gray: {band} those by chance, bar below: the response"
    )
    return said + (f"; {n_shown} of {n_panels} responses" if n_shown < n_panels else "")
