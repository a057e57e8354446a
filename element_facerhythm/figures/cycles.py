"""What a rhythm looks like: the mean cycle of each component, as a closed path at each point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.mean_cycle import MeanCycle, fewest_frames, mean_cycle
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

_MOST_FRAMES, _MOST_BYTES = 20_000, 128 << 20
"""Frames, and bytes of displacements, that are averaged at most: those of the strongest moments."""

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
    note = _note(len(shown), len(panels)) + _averaged_note(project)
    figure.supxlabel(note, fontsize=FONT_SIZE - 1, color=QUIET)
    return figure


def _averaged_note(project: Project) -> str:
    """Say how much of a long recording is averaged; nothing where all of it is."""
    n_most = _most_frames(project)
    if sum(project.n_frames) <= n_most:
        return ""
    seconds = n_most / project.frame_rate_hz
    return f"\naveraged are the {seconds:.3g} s in which a component is strongest"


def _most_frames(project: Project) -> int:
    point_bytes = 2 * np.dtype(np.float32).itemsize
    return min(_MOST_BYTES // (point_bytes * len(project.point_positions)), _MOST_FRAMES)


def _note(n_shown: int, n_components: int) -> str:
    note = "a path is one mean period, a dot where the point is at phase 0"
    if n_shown < n_components:
        note += f"; {n_shown} of {n_components} components: those that explain 1 % or more"
        note += f", {_MOST_COMPONENTS} at most" if n_shown == _MOST_COMPONENTS else ""
    return note


def component_cycle(project: Project, panel: ComponentPanels) -> MeanCycle:
    """Mean cycle of a component at its peak frequency, in its half-power band.

    Of a long recording, the moments in which the component is strongest are averaged.

    Parameters
    ----------
    project
        With its tracks.
    panel
        The component.

    Raises
    ------
    ProjectError
        The tracks are missing or damaged.
    ParameterError
        The recording is too short or too slow for it, or nothing moves.
    """
    band = panel.half_power_hz
    return mean_cycle(
        list(_pieces(project, panel)),
        panel.maps,
        frame_rate_hz=project.frame_rate_hz,
        frequency_hz=panel.peak_frequency_hz,
        band_hz=band if np.isfinite(band).all() else None,
    )


def _pieces(project: Project, panel: ComponentPanels) -> Iterator[npt.NDArray[np.float32]]:
    """Yield displacements of uninterrupted pieces: all, or those around the component's strongest moments."""
    n_left = _most_frames(project)
    fewest = fewest_frames(project.frame_rate_hz, panel.peak_frequency_hz)
    # pieces that are too short are not averaged, and must not take the place of others
    found = sorted(
        _strongest(project, panel, n_left), key=lambda p: (p[3] - p[2] >= fewest, p), reverse=True
    )
    for _strength, video, first, stop in found:
        stop = min(stop, first + n_left)
        piece = np.asarray(project.tracking(video).points[first:stop], dtype=np.float32)
        piece -= project.point_positions
        if np.isfinite(piece).all():
            yield piece
            n_left -= stop - first
        if n_left == 0:
            return


def _strongest(
    project: Project, panel: ComponentPanels, n_most: int
) -> Iterator[tuple[float, int, int, int]]:
    """Yield mean loading, video, and frames ``[first, stop)`` of the strongest part of each stretch."""
    starts_s = video_extents(project).starts_s
    for video, (times_s, loadings) in zip(panel.videos, panel.time_courses, strict=True):
        clock = project.clock(video)
        own_s = times_s - starts_s[video] + clock.times_s[0]
        strength = np.interp(clock.times_s, own_s, np.nan_to_num(np.abs(loadings)))
        sums = np.cumsum(np.r_[0.0, strength])
        for stretch in clock.stretches:
            n = min(stretch.stop - stretch.first, n_most)
            own = sums[stretch.first : stretch.stop + 1]
            first = stretch.first + int(np.argmax(own[n:] - own[: len(own) - n]))
            yield float(sums[first + n] - sums[first]) / n, video, first, first + n


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
