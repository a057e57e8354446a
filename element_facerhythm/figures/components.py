"""The components of a decomposition: where on the face, at what frequency, and when.

All components are drawn on one scale: a point, a frequency or a moment counts by its share of the component's
norm, so that a component which explains little looks as little as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from element_facerhythm.figures.component_maps import (
    dot_size_pt,
    draw_map,
    map_aspect,
    map_scale,
)
from element_facerhythm.figures.component_panels import ComponentPanels, component_panels
from element_facerhythm.figures.style import (
    COLOURS,
    FONT_SIZE,
    INK,
    QUIET,
    log_frequency_axis,
    new_figure,
    tidy,
)
from element_facerhythm.figures.time_axis import Extent, mark_videos, video_extents

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from element_facerhythm.io.project import Project

__all__ = ["ComponentPanels", "component_figure", "component_panels"]

LEAST_EXPLAINED = 0.01
"""Share below which a component is marked as weak."""

WEAK_ALPHA = 0.35
_SMALL = 0.2  # of the common scale: below it a curve's shape is drawn once more, enlarged
_MAP_WIDTH_IN = 3.6


def is_weak(panel: ComponentPanels) -> bool:
    """Whether a component explains less than 1 % (or more than nothing at all: less than nothing)."""
    return panel.explained_variance is not None and panel.explained_variance < LEAST_EXPLAINED


def component_figure(project: Project, *, model_key: str = "0") -> Figure:
    """Draw one row per component: a map of both directions, frequency loading, time course.

    Maps, spectra and time courses each share one scale over all components; see the top of this module. The
    shape of a curve that is small on it is drawn dotted, enlarged by the factor that stands beside it. What
    explains less than 1 % is faded.

    Parameters
    ----------
    project, model_key
        As for `component_panels`; the maps are drawn over the project's first frame.

    Raises
    ------
    ProjectError, ParameterError
        As of `component_panels`.
    """
    panels = component_panels(project, model_key)
    frame, positions = project.example_image(), project.point_positions
    extent = video_extents(project)
    row_in = _MAP_WIDTH_IN * map_aspect(positions, frame.shape)
    figure = new_figure(11.0, (row_in + 0.62) * len(panels) + 1.0)
    rows = figure.subplots(len(panels), 3, squeeze=False, width_ratios=(1.3, 1, 1.7))
    largest_map = max(float(np.nanmax(panel.point_shares)) for panel in panels) or 1.0
    size_pt = dot_size_pt(positions, frame.shape, 72 * _MAP_WIDTH_IN)
    tops = _common_tops(panels)
    for index, (row, panel) in enumerate(zip(rows, panels, strict=True)):
        colour = COLOURS[index % len(COLOURS)]
        draw_map(row[0], panel.direction_shares / largest_map, positions, frame, size_pt=size_pt)
        row[0].set_title(
            _heading(index, panel), loc="left", fontsize=FONT_SIZE, fontweight="bold",
            color=QUIET if is_weak(panel) else colour,
        )  # fmt: skip
        _draw_frequency(row[1], panel, project, colour, tops[0])
        _draw_time(row[2], panel, extent, colour, tops[1])
    _name_videos(rows[0, 2], panels[0], project)
    for row in rows[:-1]:
        row[1].set_xlabel("")
        row[2].set_xlabel("")
    map_scale(figure, list(rows[:, 0]), size_pt)
    return figure


def _heading(index: int, panel: ComponentPanels) -> str:
    explained = panel.explained_variance
    if explained is None:
        return f"component {index}  ·  explained variance not stored"
    if is_weak(panel):
        return f"component {index}  ·  explains only {100 * explained:.2g} %"
    return f"component {index}  ·  explained variance {100 * explained:.1f} %"


def _name_videos(axes: Axes, panel: ComponentPanels, project: Project) -> None:
    """Say which videos a model is of, where it is not of all."""
    if len(panel.videos) < len(project.video_names):
        named = ", ".join(project.video_names[video] for video in panel.videos)
        axes.set_title(f"{axes.get_title(loc='left')}  ·  {named}", loc="left", fontsize=FONT_SIZE)


def _common_tops(panels: list[ComponentPanels]) -> tuple[float, float]:
    """Largest share at a frequency, and at a moment, of all components."""
    frequency = max(_largest(panel.frequency_shares) for panel in panels)
    time = max(_largest(shares) for panel in panels for _, shares in panel.time_shares)
    return frequency or 1.0, time or 1.0


def _largest(values: np.ndarray) -> float:
    """Largest magnitude of the finite values; 0 where there is none."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _draw_frequency(
    axes: Axes, panel: ComponentPanels, project: Project, colour: str, top: float
) -> None:
    frequencies_hz, shares = project.frequencies_hz, panel.frequency_shares / top
    alpha = WEAK_ALPHA if is_weak(panel) else 1.0
    low, high = panel.half_power_hz
    if np.isfinite([low, high]).all():
        axes.axvspan(low, high, color=QUIET, alpha=0.15, linewidth=0)
        band = f", half power {low:.1f}–{high:.1f} Hz"
    else:
        band = ""
    axes.fill_between(frequencies_hz, shares, color=colour, alpha=0.25 * alpha, linewidth=0)
    axes.plot(frequencies_hz, shares, color=colour, linewidth=1.6, alpha=alpha)
    axes.axvline(panel.peak_frequency_hz, color=QUIET, linewidth=0.8, linestyle=(0, (2, 2)))
    _enlarge(axes, [(frequencies_hz, shares)])
    log_frequency_axis(axes, frequencies_hz, which="x")
    axes.set_xlim(frequencies_hz[0], frequencies_hz[-1])
    _scale(axes, [shares])
    axes.set_ylabel("loading (1 = largest)")
    tidy(axes)
    _small_title(axes, f"peak {panel.peak_frequency_hz:.1f} Hz{band}")


def _draw_time(axes: Axes, panel: ComponentPanels, extent: Extent, colour: str, top: float) -> None:
    alpha = WEAK_ALPHA if is_weak(panel) else 1.0
    curves = [(times_s, shares / top) for times_s, shares in panel.time_shares]
    for times_s, shares in curves:
        axes.plot(times_s, shares, color=colour, linewidth=1.3, alpha=alpha)
    _enlarge(axes, curves)
    mark_videos(axes, extent)
    axes.set_xlim(extent.starts_s[min(panel.videos)], extent.stops_s[max(panel.videos)])
    _scale(axes, [shares for _, shares in curves])
    axes.set_xlabel("time (s)")
    tidy(axes)
    known = panel.stability is not None and np.isfinite(panel.stability)
    _small_title(axes, f"stability {panel.stability:.2f}" if known else "stability not known")


def _small_title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=FONT_SIZE, color=INK)


def _enlarge(axes: Axes, curves: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Draw curves that are small on the common scale once more, dotted, and say by how much enlarged."""
    largest = max(_largest(values) for _, values in curves)
    if not 0 < largest < _SMALL:
        return
    power = 10.0 ** np.floor(np.log10(1 / largest))
    factor = max(step * power for step in (1, 2, 5) if step * power <= 1 / largest)
    for places, values in curves:
        axes.plot(places, factor * values, color=QUIET, linewidth=0.9, linestyle=(0, (1, 1.5)))
    axes.text(0.99, 0.97, f"dotted: × {factor:,.0f}", transform=axes.transAxes, ha="right",
              va="top", fontsize=FONT_SIZE - 1, color=QUIET)  # fmt: skip


def _scale(axes: Axes, curves: list[np.ndarray]) -> None:
    """Show 0 to 1, and down to -1 where there are negative loadings."""
    has_negative = any(bool((values < 0).any()) for values in curves)
    axes.set_ylim(-1.08 if has_negative else 0, 1.08)
    axes.set_yticks([-1, 0, 1] if has_negative else [0, 1])
