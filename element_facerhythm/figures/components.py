"""The components of a decomposition: where on the face, at what frequency, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.decomposition.loadings import real_loadings
from element_facerhythm.figures.style import (
    COLOURS,
    FONT_SIZE,
    QUIET,
    SEQUENTIAL,
    crop_to,
    log_frequency_axis,
    new_figure,
    show_frame,
    tidy,
    title,
)
from element_facerhythm.figures.time_axis import Extent, mark_videos, video_extents
from element_facerhythm.io.stored_factors import (
    project_courses,
    project_factors,
    project_maps,
    project_spectra,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from element_facerhythm.core.decomposition.factors import Factors
    from element_facerhythm.io.project import Project

Loadings = npt.NDArray[np.floating]
TimesAndLoadings = tuple[npt.NDArray[np.float64], Loadings]
"""Times in s, and loadings."""


@dataclass(frozen=True)
class ComponentPanels:
    """One component, ready to draw. Complex loadings are shown by their magnitude.

    Attributes
    ----------
    maps
        (2, P) spatial loading of each point for x and y; (1, P) where the model does not
        separate the directions.
    frequency
        (F,) loadings.
    videos
        Numbers of the videos that the model is of.
    time_courses
        One (times in s, loadings) pair for each of them, times on the axis of all videos together; NaN
        where the recording paused.
    """

    maps: Loadings
    frequency: Loadings
    videos: tuple[int, ...]
    time_courses: tuple[TimesAndLoadings, ...]
    explained_variance: float | None
    peak_frequency_hz: float


def component_panels(project: Project, model_key: str = "0") -> list[ComponentPanels]:
    """Gather what is drawn of every component, in the stored order.

    Parameters
    ----------
    project
        With its tracks, spectrograms and decomposition.
    model_key
        Of the decomposition; a key of `Project.models`.

    Raises
    ------
    ProjectError
        There is no such model, or a product is missing or damaged.
    ParameterError
        The model has no points, frequencies or time to draw.
    """
    models = project.models()
    factors = project_factors(project, model_key, models)
    maps = project_maps(project, factors).loadings.values()
    spectra = project_spectra(project, factors)
    time_courses = _time_courses_on_one_axis(project, factors)
    variance = models[model_key].explained_variance
    return [
        ComponentPanels(
            maps=real_loadings(np.stack([direction[index] for direction in maps])),
            frequency=real_loadings(spectra.loadings[index]),
            videos=tuple(video for video, _ in time_courses[index]),
            time_courses=tuple(course for _, course in time_courses[index]),
            explained_variance=None if variance is None else float(variance[index]),
            peak_frequency_hz=float(peak_hz),
        )
        for index, peak_hz in enumerate(spectra.peaks_hz)
    ]


def _time_courses_on_one_axis(
    project: Project, factors: Factors
) -> dict[int, list[tuple[int, TimesAndLoadings]]]:
    """Time courses by component, each with its video, the videos one after another."""
    starts = video_extents(project).starts_s
    found: dict[int, list[tuple[int, TimesAndLoadings]]] = {}
    for course in project_courses(project, factors):
        video = course.video_index
        times_s = starts[video] + course.times_s - project.clock(video).times_s[0]
        found.setdefault(course.component_index, []).append(
            (video, (times_s, real_loadings(course.loadings)))
        )
    return found


def component_figure(project: Project, *, model_key: str = "0") -> Figure:
    """Draw one row per component: map of x, map of y, frequency loading, time course.

    Loadings of a row's two maps share one scale, so that the direction of the motion can be read.

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
    frame = project.example_image()
    positions = project.point_positions
    aspect = _aspect(positions, frame.shape)
    extent = video_extents(project)
    figure = new_figure(12.0, (2.35 * aspect + 0.6) * len(panels) + 0.3)
    rows = figure.subplots(len(panels), 4, squeeze=False, width_ratios=(1.15, 1.15, 1, 1.8))
    for index, (row, panel) in enumerate(zip(rows, panels, strict=True)):
        colour = COLOURS[index % len(COLOURS)]
        _draw_maps(row[:2], panel, project.point_positions, frame)
        row[0].set_title(
            _heading(index, panel), loc="left", fontsize=FONT_SIZE + 1, color=colour,
            fontweight="bold",
        )  # fmt: skip
        _draw_frequency(row[2], panel, project.frequencies_hz, colour)
        _draw_time(row[3], panel, extent, colour)
    videos = panels[0].videos
    if len(videos) < len(extent.starts_s):
        title(rows[0, 3], ", ".join(project.video_names[video] for video in videos))
    for row in rows[:-1]:
        row[2].set_xlabel("")
        row[3].set_xlabel("")
    return figure


def _heading(index: int, panel: ComponentPanels) -> str:
    parts = [f"component {index}", f"{panel.peak_frequency_hz:.1f} Hz"]
    if panel.explained_variance is not None:
        parts.append(f"explained variance {100 * panel.explained_variance:.1f} %")
    return "  ·  ".join(parts)


def _aspect(positions: npt.NDArray[np.float32], shape: tuple[int, ...]) -> float:
    """Height over width of the crop that the maps show."""
    spread = np.ptp(positions, axis=0) + 0.24 * np.ptp(positions, axis=0).max() + 16
    width, height = np.minimum(spread, [shape[1], shape[0]])
    return float(np.clip(height / width, 0.5, 1.4))


def _draw_maps(
    pair: Sequence[Axes],
    panel: ComponentPanels,
    positions_px: npt.NDArray[np.float32],
    frame: npt.NDArray[np.uint8],
) -> None:
    largest = _largest(panel.maps)
    labels = ("x", "y") if len(panel.maps) == 2 else ("x and y",)
    for axes, loadings, label in zip(pair, panel.maps, labels, strict=False):
        _draw_map(axes, frame, positions_px, np.abs(loadings) / largest, label=label)
    if len(panel.maps) == 1:
        pair[1].set_axis_off()


def _draw_map(
    axes: Axes,
    frame: npt.NDArray[np.uint8],
    positions_px: npt.NDArray[np.float32],
    loadings: npt.NDArray[np.floating],
    *,
    label: str,
) -> None:
    """Draw points over a darkened frame; colour and size grow with the loading (0..1)."""
    show_frame(axes, frame, dim=0.6, stretch=True)
    crop_to(axes, positions_px, frame.shape)
    order = np.argsort(loadings)
    x, y = positions_px[order].T
    strength = np.clip(loadings[order], 0, 1)
    axes.scatter(
        x, y, c=strength, s=3 + 34 * strength, cmap=SEQUENTIAL, vmin=-0.1, vmax=1,
        linewidths=0,
    )  # fmt: skip
    axes.text(0.03, 0.96, label, transform=axes.transAxes, color="white", va="top",
              fontsize=FONT_SIZE + 1, fontweight="bold")  # fmt: skip


def _draw_frequency(
    axes: Axes,
    panel: ComponentPanels,
    frequencies_hz: npt.NDArray[np.floating],
    colour: str,
) -> None:
    loadings = panel.frequency / _largest(panel.frequency)
    axes.fill_between(frequencies_hz, loadings, color=colour, alpha=0.25, linewidth=0)
    axes.plot(frequencies_hz, loadings, color=colour, linewidth=1.6)
    axes.axvline(panel.peak_frequency_hz, color=QUIET, linewidth=0.8, linestyle=(0, (2, 2)))
    log_frequency_axis(axes, frequencies_hz, which="x")
    axes.set_xlim(frequencies_hz[0], frequencies_hz[-1])
    _scale_loadings(axes, [loadings])
    axes.set_ylabel("loading")
    tidy(axes)


def _draw_time(axes: Axes, panel: ComponentPanels, extent: Extent, colour: str) -> None:
    top = _largest(np.concatenate([loadings for _, loadings in panel.time_courses]))
    for times_s, loadings in panel.time_courses:
        axes.plot(times_s, loadings / top, color=colour, linewidth=1.3)
    mark_videos(axes, extent)
    axes.set_xlim(extent.starts_s[min(panel.videos)], extent.stops_s[max(panel.videos)])
    _scale_loadings(axes, [loadings / top for _, loadings in panel.time_courses])
    axes.set_xlabel("time (s)")
    tidy(axes)


def _largest(loadings: Loadings) -> float:
    """Largest magnitude of the finite loadings; 1 where there is none but 0."""
    return float(np.abs(loadings[np.isfinite(loadings)]).max(initial=0.0)) or 1.0


def _scale_loadings(axes: Axes, loadings: Sequence[Loadings]) -> None:
    """Show 0 to 1, and down to -1 where there are negative loadings."""
    has_negative = any(bool((values < 0).any()) for values in loadings)
    axes.set_ylim(-1.08 if has_negative else 0, 1.08)
    axes.set_yticks([-1, 0, 1] if has_negative else [0, 1])
