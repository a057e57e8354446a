"""What a rhythm looks like: the mean cycle of each component, as a closed path at each point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.mean_cycle import MeanCycle, mean_cycle
from element_facerhythm.errors import ParameterError
from element_facerhythm.figures.component_maps import map_aspect
from element_facerhythm.figures.component_panels import ComponentPanels, component_panels
from element_facerhythm.figures.components import is_weak
from element_facerhythm.figures.style import (
    COLOURS,
    FONT_SIZE,
    INK,
    QUIET,
    crop_to,
    length_bar,
    new_figure,
    show_frame,
)
from element_facerhythm.figures.time_axis import video_extents

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from element_facerhythm.io.project import Project

_MOST_BYTES = 256 << 20
"""Displacements that are averaged, at most: of longer recordings those around the strongest moments."""

_MOST_COMPONENTS = 9
_N_COLUMNS = 3
_PANEL_IN = 3.6
_APART = 0.05  # least distance between points that are drawn, as a part of the panel's width
_LEAST_REACH = 0.03  # of the largest path: smaller ones are not seen
_N_PHASES = 32
LEAST_FOLLOWED = 0.25
"""Share of a point's movement in the band that its mean cycle must be for its path to be drawn."""


def cycle_figure(project: Project, *, model_key: str = "0") -> Figure:
    """Draw how every point moves during one period of each component that explains 1 % or more.

    A path is the displacement averaged over periods (`core.mean_cycle`), enlarged by the factor that stands
    above, its dot where the point is at phase 0: the same moment for all. Points whose movement does not
    follow the rhythm have no path, and of points close together the one that moves most has. Nine components
    at most are drawn, in their order.

    Parameters
    ----------
    project, model_key
        As for `component_panels`; paths are drawn over the project's first frame.

    Raises
    ------
    ProjectError, ParameterError
        As of `component_panels`.
    """
    panels = component_panels(project, model_key)
    shown = [i for i, panel in enumerate(panels) if not is_weak(panel)][:_MOST_COMPONENTS]
    aspect = map_aspect(project.point_positions, project.example_image().shape)
    n_rows = max(-(-len(shown) // _N_COLUMNS), 1)
    figure = new_figure(11.0, n_rows * (_PANEL_IN * aspect + 0.6) + 0.4)
    grid = figure.subplots(n_rows, _N_COLUMNS, squeeze=False).ravel()
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    for axes, index in zip(grid, shown, strict=False):
        _draw_panel(axes, project, index, panels[index])
    if not shown:
        grid[0].text(0, 0.5, "no component explains 1 % or more", color=QUIET)
    note = _note(len(shown), len(panels)) + _averaged_note(project, panels)
    figure.supxlabel(note, fontsize=FONT_SIZE - 1, color=QUIET)
    return figure


def _averaged_note(project: Project, panels: list[ComponentPanels]) -> str:
    """Say how much of a long recording is averaged; nothing where all of it is."""
    clocks = [project.clock(video) for panel in panels[:1] for video in panel.videos]
    longest = max((s.stop - s.first for clock in clocks for s in clock.stretches), default=0)
    n_most = _most_frames(project, max(len(clocks), 1))
    if longest <= n_most:
        return ""
    return f"\nof each stretch, the {n_most / project.frame_rate_hz:.0f} s in which a component is strongest"


def _most_frames(project: Project, n_videos: int, most_bytes: int = _MOST_BYTES) -> int:
    return max(most_bytes // project.point_positions.nbytes // n_videos, 1)


def _note(n_shown: int, n_components: int) -> str:
    note = "a path is one mean period, a dot where the point is at phase 0"
    if n_shown < n_components:
        note += f"; {n_shown} of {n_components} components: those that explain 1 % or more"
        note += f", {_MOST_COMPONENTS} at most" if n_shown == _MOST_COMPONENTS else ""
    return note


def component_cycle(
    project: Project, panel: ComponentPanels, *, most_bytes: int = _MOST_BYTES
) -> MeanCycle:
    """Mean cycle of a component at its peak frequency, in its half-power band.

    Parameters
    ----------
    project
        With its tracks.
    panel
        The component.
    most_bytes
        Displacements that are averaged, at most: of longer recordings those around the strongest moments.

    Raises
    ------
    ProjectError
        The tracks are missing or damaged.
    ParameterError
        The recording is too short or too slow for it, or nothing moves.
    """
    band = panel.half_power_hz
    return mean_cycle(
        list(_pieces(project, panel, most_bytes)),
        panel.maps,
        frame_rate_hz=project.frame_rate_hz,
        frequency_hz=panel.peak_frequency_hz,
        band_hz=band if np.isfinite(band).all() else None,
    )


def _pieces(
    project: Project, panel: ComponentPanels, most_bytes: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield displacements of uninterrupted pieces: all, or those around the component's strongest moments."""
    home = project.point_positions
    starts_s = video_extents(project).starts_s
    n_most = _most_frames(project, len(panel.videos), most_bytes)
    for video, (times_s, loadings) in zip(panel.videos, panel.time_courses, strict=True):
        clock, points = project.clock(video), project.tracking(video).points
        for stretch in clock.stretches:
            first, stop = stretch.first, stretch.stop
            if stop - first > n_most:
                own_s = times_s - starts_s[video] + clock.times_s[0]
                strength = np.interp(
                    clock.times_s[first:stop], own_s, np.nan_to_num(np.abs(loadings))
                )
                sums = np.cumsum(np.r_[0.0, strength])
                first += int(np.argmax(sums[n_most:] - sums[:-n_most]))
                stop = first + n_most
            piece = np.asarray(points[first:stop], dtype=np.float32) - home
            if np.isfinite(piece).all():
                yield piece


def spread_out(
    reach_px: npt.NDArray[np.float64], positions: npt.NDArray[np.float32], apart_px: float
) -> npt.NDArray[np.intp]:
    """Pick points that move, no two nearer together than a distance, those that move most first.

    Parameters
    ----------
    reach_px
        (P,) how far each moves; what does not move is not picked.
    positions
        (P, 2) in pixels.
    apart_px
        The distance.
    """
    chosen: list[int] = []
    free = reach_px > 0
    for point in np.argsort(-reach_px, kind="stable"):
        if free[point]:
            chosen.append(int(point))
            free &= np.linalg.norm(positions - positions[point], axis=1) >= apart_px
    return np.asarray(chosen, dtype=np.intp)


def _draw_panel(axes: Axes, project: Project, index: int, panel: ComponentPanels) -> None:
    frame, positions = project.example_image(), project.point_positions
    show_frame(axes, frame, dim=0.5, stretch=True)
    crop_to(axes, positions, frame.shape)
    colour = COLOURS[index % len(COLOURS)]
    try:
        cycle = component_cycle(project, panel)
    except ParameterError as error:
        heading = f"component {index}: no mean cycle"
        _wrapped(axes, str(error))
    else:
        heading = f"component {index}: {cycle.frequency_hz:.1f} Hz"
        _draw_paths(axes, cycle, positions, _bright(colour))
    axes.set_title(heading + axes.get_title(loc="left"), loc="left", fontsize=FONT_SIZE, color=INK)
    length_bar(axes)


def _bright(colour: str) -> str:
    """Return a colour that shows on a darkened frame."""
    return {"#000000": "#FFFFFF", "#0072B2": "#56B4E9"}.get(colour, colour)


def _wrapped(axes: Axes, text: str) -> None:
    import textwrap

    axes.text(
        0.5, 0.5, textwrap.fill(text, 44), transform=axes.transAxes, color="white", ha="center",
        va="center", fontsize=FONT_SIZE - 1,
    )  # fmt: skip


def _draw_paths(
    axes: Axes, cycle: MeanCycle, positions: npt.NDArray[np.float32], colour: str
) -> None:
    from matplotlib.collections import PolyCollection

    follows = cycle.followed >= LEAST_FOLLOWED
    reach_px = np.where(follows, cycle.reach_px, 0.0)
    largest = float(reach_px.max())
    if not largest:
        axes.set_title("\nno point follows the rhythm", loc="left")
        return
    apart_px = _APART * float(np.ptp(axes.get_xlim()))
    seen = np.where(reach_px >= _LEAST_REACH * largest, reach_px, 0.0)
    drawn = spread_out(seen, positions, apart_px)
    factor = float(f"{apart_px / largest:.1g}")
    paths = positions[drawn] + factor * cycle.path(_N_PHASES)[:, drawn]
    axes.add_collection(
        PolyCollection(
            list(np.swapaxes(paths, 0, 1)), facecolors="none", edgecolors=colour, linewidths=1.2
        ),
        autolim=False,
    )  # fmt: skip
    axes.plot(*paths[0].T, "o", color="white", markersize=1.8, markeredgewidth=0)
    told = (
        f"motion × {factor:g}; largest {largest:.2g} px; {follows.mean():.0%} of points follow it"
    )
    axes.set_title(f"\n{told}", loc="left")
