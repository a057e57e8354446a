"""Rhythms in time: displacement, amplitude, thresholds, and bouts shaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.errors import RequestError
from element_facerhythm.figures.style import (
    COLOURS,
    EDGE,
    FONT_SIZE,
    INK,
    QUIET,
    new_figure,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from element_facerhythm.core.rhythm.bouts import Bout, Thresholds
    from element_facerhythm.core.rhythm.oscillation import Oscillation

_N_COLUMNS = 1600  # about twice the pixels across: longer recordings are drawn as smallest and largest values
_MOST_PANELS = 12


@dataclass(frozen=True, eq=False)
class BoutPanel:
    """One component to draw.

    Attributes
    ----------
    heading
        What stands above it.
    videos
        Its rhythm in each video, by number.
    thresholds
        Of its bouts; None where there are none.
    bouts
        Number of the video, and bout.
    """

    heading: str
    videos: Mapping[int, Oscillation]
    thresholds: Thresholds | None
    bouts: Sequence[tuple[int, Bout]]


def bout_figure(panels: Sequence[BoutPanel]) -> Figure:
    """Draw components below each other: displacement with its amplitude, and bouts shaded.

    Videos stand one after another. Nothing is drawn where nothing is known, beside gaps. Of a long recording,
    the smallest and the largest displacement of each run of frames are drawn. Twelve components at most are
    drawn, in their order.

    Parameters
    ----------
    panels
        The components.

    Raises
    ------
    RequestError
        There are none.
    """
    if not panels:
        raise RequestError("there is no component with a rhythm to draw; the notes say why")
    shown = panels[:_MOST_PANELS]
    figure = new_figure(11.0, 0.7 + 1.25 * len(shown))
    grid = figure.subplots(len(shown), 1, squeeze=False, sharex=True).ravel()
    for i, (axes, panel) in enumerate(zip(grid, shown, strict=True)):
        _draw(axes, panel, COLOURS[i % len(COLOURS)])
    note = "bouts are shaded; dark: the displacement, coloured: its amplitude; dashed: what a bout reaches"
    left = len(panels) - len(shown)
    note += f"; {left} more components are not drawn" if left else ""
    grid[-1].set_xlabel(f"s\n{note}", fontsize=FONT_SIZE - 1, color=INK)
    return figure


def _draw(axes: Axes, panel: BoutPanel, colour: str) -> None:
    reach, start_s = 1e-6, 0.0
    for video, rhythm in panel.videos.items():
        offset_s = start_s - rhythm.times_s[0]
        times, low, high, amplitude = _runs(rhythm)
        axes.fill_between(times + offset_s, low, high, color=EDGE, linewidth=0.4, zorder=2)
        for sign in (-1, 1):
            axes.plot(times + offset_s, sign * amplitude, color=colour, linewidth=1.0, zorder=3)
        for number, bout in panel.bouts:
            if number == video:
                axes.axvspan(
                    bout.onset_s + offset_s, bout.offset_s + offset_s,
                    color=colour, alpha=0.18, linewidth=0, zorder=1,
                )  # fmt: skip
        reach = max(reach, float(np.nanmax(amplitude, initial=0.0)))
        start_s += float(rhythm.times_s[-1] - rhythm.times_s[0])
    if panel.thresholds is not None and panel.thresholds.high_px <= 1.1 * reach:
        axes.axhline(panel.thresholds.high_px, color=QUIET, linewidth=0.8, linestyle="--", zorder=1)
    axes.set_ylim(-1.15 * reach, 1.15 * reach)
    axes.set_xlim(0, max(start_s, 1e-6))
    axes.set_ylabel("px", fontsize=FONT_SIZE - 1)
    n_bouts = f"{len(panel.bouts)} bout" + "s" * (len(panel.bouts) != 1)
    axes.set_title(f"{panel.heading}, {n_bouts}", loc="left", fontsize=FONT_SIZE, color=INK)
    tidy(axes)


def _runs(rhythm: Oscillation) -> tuple[npt.NDArray[np.float64], ...]:
    """Return times, smallest and largest displacement, and amplitude of runs of frames; NaN: not known."""
    n_frames = len(rhythm.times_s)
    size = max(-(-2 * n_frames // _N_COLUMNS), 1)
    first = np.arange(0, n_frames, size)
    if size == 1:
        moved = rhythm.displacement_px.astype(np.float64)
        return rhythm.times_s, moved, moved, rhythm.amplitude_px.astype(np.float64)
    known = np.isfinite(rhythm.amplitude_px)
    some = np.maximum.reduceat(known, first)
    values = []
    for reduced, data, filling in (
        (np.minimum, rhythm.displacement_px, np.inf),
        (np.maximum, rhythm.displacement_px, -np.inf),
        (np.maximum, rhythm.amplitude_px, -np.inf),
    ):
        runs = reduced.reduceat(np.where(known, data, filling), first)
        values.append(np.where(some, runs, np.nan).astype(np.float64))
    return (rhythm.times_s[first], *values)
