"""The components of a decomposition: where on the face, at what frequency, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

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
)
from element_facerhythm.figures.time_axis import (
    Extent,
    broken_at_gaps,
    mark_videos,
    video_extents,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from element_facerhythm.io.project import Project

Loadings = npt.NDArray[np.float32]


class Model(Protocol):
    """What is drawn of a model; the stored and the computed ones both have it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Axes as decomposed."""
        ...

    @property
    def factors(self) -> Mapping[str, Loadings]:
        """Axis name to (n, R) loadings."""
        ...

    @property
    def explained_variance(self) -> Any:
        """(R,) fractions, or None where they are not known."""
        ...


@dataclass(frozen=True)
class ComponentPicture:
    """One component, ready to draw.

    Attributes
    ----------
    maps
        (2, P) spatial loading of each point for x and y; (1, P) where the model does not tell the
        directions apart.
    frequency
        (F,) loadings.
    time_courses
        One (times in s, loadings) pair per video, times on the axis of all videos together.
    """

    maps: Loadings
    frequency: Loadings
    time_courses: tuple[tuple[npt.NDArray[np.float64], Loadings], ...]
    explained_variance: float | None
    peak_frequency_hz: float


def find_axis(names: tuple[str, ...], word: str) -> str | None:
    """Return the axis whose name holds `word` as a word, such as ``time`` in ``(time trials)``."""
    found = [name for name in names if word in name.strip("()").split()]
    return found[0] if found else None


def spatial_maps(model: Model, n_points: int) -> Loadings:
    """(2, P, R) loadings per direction and point; (1, P, R) where directions are not resolved."""
    points_name, xy_name = find_axis(model.names, "points"), find_axis(model.names, "xy")
    if points_name is None:
        raise ValueError(f"a model over {model.names} has no points to draw")
    points = model.factors[points_name]
    rank = points.shape[1]
    if points_name == xy_name:
        # Concatenated in the order of the words: "(xy points)" runs over points fastest.
        words = points_name.strip("()").split()
        if words.index("xy") < words.index("points"):
            return points.reshape(2, n_points, rank)
        return points.reshape(n_points, 2, rank).transpose(1, 0, 2)
    if xy_name is None:
        return points[None]
    return model.factors[xy_name][:, None, :] * points[None]


def component_pictures(project: Project, model_key: str = "0") -> list[ComponentPicture]:
    """Gather what is drawn of every component, in the stored order."""
    model = project.models()[model_key]
    maps = spatial_maps(model, len(project.point_positions))
    frequency_name = find_axis(model.names, "frequency")
    if frequency_name is None:
        raise ValueError(f"a model over {model.names} has no frequencies to draw")
    frequency = model.factors[frequency_name]
    courses = _time_courses(project, model, model_key)
    variance = model.explained_variance
    return [
        ComponentPicture(
            maps=maps[..., index],
            frequency=frequency[:, index],
            time_courses=tuple((times, loadings[:, index]) for times, loadings in courses),
            explained_variance=None if variance is None else float(variance[index]),
            peak_frequency_hz=float(project.frequencies_hz[np.argmax(frequency[:, index])]),
        )
        for index in range(frequency.shape[1])
    ]


def _time_courses(
    project: Project, model: Model, model_key: str
) -> list[tuple[npt.NDArray[np.float64], Loadings]]:
    """Gather times in s and (W, R) loadings of each video that the model is about."""
    name = find_axis(model.names, "time")
    if name is None:
        return []
    factor = model.factors[name]
    starts = video_extents(project).starts_s
    windows = [project.window_times_s(index) for index in range(len(starts))]
    indices = list(range(len(starts)))
    if len(factor) != sum(len(window) for window in windows):
        indices = [int(model_key)] if model_key.isdigit() else [0]
    courses, offset = [], 0
    for index in indices:
        n_windows = len(windows[index])
        clock = project.clock(index)
        course = broken_at_gaps(clock, windows[index], factor[offset : offset + n_windows])
        courses.append((starts[index] + course[0] - clock.times_s[0], course[1]))
        offset += n_windows
    return courses


def component_figure(project: Project, *, model_key: str = "0") -> Figure:
    """Draw one row per component: map of x, map of y, frequency loading, time course.

    Loadings of a row's two maps share one scale, so that the direction of the motion can be read.
    """
    pictures = component_pictures(project, model_key)
    frame = project.example_image()
    positions = project.point_positions
    aspect = _aspect(positions, frame.shape)
    extent = video_extents(project)
    figure = new_figure(12.0, (2.35 * aspect + 0.6) * len(pictures) + 0.3)
    rows = figure.subplots(len(pictures), 4, squeeze=False, width_ratios=(1.15, 1.15, 1, 1.8))
    for index, (row, picture) in enumerate(zip(rows, pictures, strict=True)):
        colour = COLOURS[index % len(COLOURS)]
        _draw_maps(row[:2], picture, project.point_positions, frame)
        row[0].set_title(
            _heading(index, picture), loc="left", fontsize=FONT_SIZE + 1, color=colour,
            fontweight="bold",
        )  # fmt: skip
        _draw_frequency(row[2], picture, project.frequencies_hz, colour)
        _draw_time(row[3], picture, extent, colour)
    for row in rows[:-1]:
        row[2].set_xlabel("")
        row[3].set_xlabel("")
    return figure


def _heading(index: int, picture: ComponentPicture) -> str:
    parts = [f"component {index}", f"{picture.peak_frequency_hz:.1f} Hz"]
    if picture.explained_variance is not None:
        parts.append(f"{100 * picture.explained_variance:.1f} % of variance")
    return "  ·  ".join(parts)


def _aspect(positions: npt.NDArray[np.float32], shape: tuple[int, ...]) -> float:
    """Height over width of the crop that the maps show."""
    spread = np.ptp(positions, axis=0) + 0.24 * np.ptp(positions, axis=0).max() + 16
    width, height = np.minimum(spread, [shape[1], shape[0]])
    return float(np.clip(height / width, 0.5, 1.4))


def _draw_maps(
    pair: Sequence[Axes],
    picture: ComponentPicture,
    positions_px: npt.NDArray[np.float32],
    frame: npt.NDArray[np.uint8],
) -> None:
    largest = float(picture.maps.max()) or 1.0
    labels = ("x", "y") if len(picture.maps) == 2 else ("x and y",)
    for axes, loadings, label in zip(pair, picture.maps, labels, strict=False):
        draw_map(axes, frame, positions_px, loadings / largest, label=label)
    if len(picture.maps) == 1:
        pair[1].set_axis_off()


def draw_map(
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
    picture: ComponentPicture,
    frequencies_hz: npt.NDArray[np.floating],
    colour: str,
) -> None:
    loadings = picture.frequency / (float(np.max(picture.frequency)) or 1.0)
    axes.fill_between(frequencies_hz, loadings, color=colour, alpha=0.25, linewidth=0)
    axes.plot(frequencies_hz, loadings, color=colour, linewidth=1.6)
    axes.axvline(picture.peak_frequency_hz, color=QUIET, linewidth=0.8, linestyle=(0, (2, 2)))
    log_frequency_axis(axes, frequencies_hz, which="x")
    axes.set_xlim(frequencies_hz[0], frequencies_hz[-1])
    axes.set_ylim(0, 1.08)
    axes.set_yticks([0, 1])
    axes.set_ylabel("loading")
    tidy(axes)


def _draw_time(axes: Axes, picture: ComponentPicture, extent: Extent, colour: str) -> None:
    top = (
        max((float(np.nanmax(loadings)) for _, loadings in picture.time_courses), default=1.0)
        or 1.0
    )
    for times_s, loadings in picture.time_courses:
        axes.plot(times_s, loadings / top, color=colour, linewidth=1.3)
    mark_videos(axes, extent)
    axes.set_xlim(0, extent.stops_s[-1])
    axes.set_ylim(0, 1.08)
    axes.set_yticks([0, 1])
    axes.set_xlabel("time (s)")
    tidy(axes)
