"""When and where points were flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.figures.style import (
    FLAG_COLOUR,
    FONT_SIZE,
    INK,
    crop_to,
    length_bar,
    new_figure,
    show_frame,
    tidy,
    title,
)
from element_facerhythm.figures.time_axis import (
    Extent,
    frame_times_s,
    mark_videos,
    video_extents,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from element_facerhythm.io.project import Project

_N_COLUMNS = 1600
_NEVER = 1e-9  # in %: points below it were never flagged, and are small and gray
_LEAST_SCALE = 1.0  # in %: below it, shares on the face are not told apart


def violation_figure(project: Project) -> Figure:
    """Draw where on the face points were flagged, and which of them when, all videos on one time axis.

    Points of the raster are in the order of their height on the face.
    """
    extent = video_extents(project)
    times_s = frame_times_s(project, extent)
    middles_s = times_s + 0.5 / project.frame_rate_hz
    shares, raster, of_points = _violations(project, middles_s / extent.stops_s[-1])
    figure = new_figure(11.0, 4.6)
    axes = figure.subplot_mosaic(
        [["face", "share"], ["face", "raster"]], width_ratios=(1, 2.2), height_ratios=(1, 2.4)
    )
    above, below = axes["share"], axes["raster"]
    size = max(len(shares) // (4 * _N_COLUMNS), 1)
    highest = np.maximum.reduceat(shares, np.arange(0, len(shares), size))
    above.fill_between(times_s[::size], 100 * highest, color=FLAG_COLOUR, linewidth=0)
    above.set_ylim(0, max(5.0, 105 * float(highest.max(initial=0))))
    above.set_ylabel("flagged (%)")
    _draw_raster(below, project, extent, raster)
    for own in (above, below):
        own.set_xlim(0, extent.stops_s[-1])
        tidy(own)
        mark_videos(own, extent)
    above.tick_params(labelbottom=False)
    title(above, f"violations: {100 * shares.mean():.2f} % of all point-frames are flagged")
    _draw_face(axes["face"], project, of_points)
    return figure


def _draw_face(axes: Axes, project: Project, of_points: npt.NDArray[np.float64]) -> None:
    """Draw each point in the colour of its share, those that were flagged most on top."""
    positions, frame = project.point_positions, project.example_image()
    show_frame(axes, frame, dim=0.6, stretch=True)
    crop_to(axes, positions, frame.shape)
    percent = 100 * of_points
    order = np.argsort(percent, kind="stable")
    x, y = positions[order].T
    dots = axes.scatter(
        x, y, c=percent[order], s=np.where(percent[order] > 0, 14, 3),
        cmap=_share_map(), vmin=_NEVER, vmax=max(float(percent.max()), _LEAST_SCALE), linewidths=0,
    )  # fmt: skip
    length_bar(axes)
    title(axes, "where")
    bar = axes.figure.colorbar(dots, ax=axes, location="bottom", fraction=0.04, pad=0.02)
    bar.set_label("frames in which a point is flagged (%)", fontsize=FONT_SIZE - 1, color=INK)
    bar.ax.tick_params(labelsize=FONT_SIZE - 1, labelcolor=INK)
    bar.outline.set_visible(False)


def _draw_raster(
    axes: Axes, project: Project, extent: Extent, raster: npt.NDArray[np.bool_]
) -> None:
    x, y = project.point_positions.T
    rows = raster[np.lexsort((x, y))]
    unseen = _unseen_columns(project, extent, raster.shape[1])
    shown = np.ma.masked_array(rows, np.broadcast_to(unseen, rows.shape))
    axes.imshow(
        shown, aspect="auto", interpolation="nearest", cmap=_flag_map(), vmin=0, vmax=1,
        extent=(0, extent.stops_s[-1], len(rows) - 0.5, -0.5),
    )  # fmt: skip
    axes.set_ylabel("points, top to bottom")
    axes.set_xlabel("time (s)")


def _violations(
    project: Project, places: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Share of points flagged in each frame (T,), raster (P, columns), share of frames of each point (P,).

    `places` are (T,) where the middles of the frames lie on the time axis, 0 to 1.
    """
    n_frames = project.n_frames
    n_points = len(project.point_positions)
    offsets = np.concatenate([[0], np.cumsum(n_frames)])
    total = int(offsets[-1])
    n_columns = min(total, _N_COLUMNS)
    shares, of_points = np.zeros(total), np.zeros(n_points)
    raster = np.zeros((n_points, n_columns), dtype=bool)
    for index in range(len(n_frames)):
        tracking = project.tracking(index)
        frames = tracking.violation_rows.astype(np.int64) + offsets[index]
        np.add.at(shares, frames, 1 / n_points)
        np.add.at(of_points, tracking.violation_cols, 1 / total)
        columns = np.minimum((places[frames] * n_columns).astype(np.int64), n_columns - 1)
        raster[tracking.violation_cols, columns] = True
    return shares, raster, of_points


def _unseen_columns(project: Project, extent: Extent, n_columns: int) -> npt.NDArray[np.bool_]:
    """(columns,) of the raster that lie in pauses of the recording."""
    middles_s = (np.arange(n_columns) + 0.5) * extent.stops_s[-1] / n_columns
    unseen = np.zeros(n_columns, dtype=bool)
    for index, start_s in enumerate(extent.starts_s):
        clock = project.clock(index)
        own_s = start_s + clock.times_s - clock.times_s[0]
        for gap in clock.pauses:
            last_s, next_s = (
                own_s[gap.after_frame] + 1 / clock.frame_rate_hz,
                own_s[gap.after_frame + 1],
            )
            unseen |= (middles_s > last_s) & (middles_s < next_s)
    return unseen


def _share_map() -> Colormap:
    from matplotlib import colormaps

    return colormaps["YlOrRd"].with_extremes(under="#A0A0A0")


def _flag_map() -> Colormap:
    from matplotlib.colors import ListedColormap

    return ListedColormap(["#8A8A8A1A", FLAG_COLOUR])
