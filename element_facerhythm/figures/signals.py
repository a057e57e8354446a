"""Signals of the whole face over time: motion energy, pupils, eyes and treadmills; what motion is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.extremes import extremes, run_size
from element_facerhythm.figures.style import (
    COLOURS,
    FONT_SIZE,
    INK,
    QUIET,
    new_figure,
    tidy,
    title,
)
from element_facerhythm.figures.time_axis import (
    Extent,
    frame_times_s,
    mark_videos,
    video_extents,
)
from element_facerhythm.io.stored_signals import signals_of_project

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from element_facerhythm.io.project import Project
    from element_facerhythm.io.stored_signals import StoredRegion, StoredSignals

MOST_REGIONS = 8
_N_COLUMNS = 1600
_N_MASKS = 4


def signal_figure(project: Project) -> Figure:
    """Draw the signals of each region over time, where the regions are, and the first masks of motion.

    Of a long recording the smallest and the largest value of each run of frames are drawn. Gaps in a curve
    are frames without a value. Of more than eight regions, the first are drawn, and the title says so.

    Parameters
    ----------
    project
        With its FacialSignal.h5.

    Raises
    ------
    ProjectError
        A product is missing or damaged.
    """
    signals = signals_of_project(project)
    regions = [r for r in signals.regions if r.is_over_time][:MOST_REGIONS]
    figure = new_figure(11.0, max(1.2 + 0.95 * len(regions), 4.6))
    left, right = figure.subfigures(1, 2, width_ratios=(1, 2.2), squeeze=False)[0]
    colours = {region.index: COLOURS[i % len(COLOURS)] for i, region in enumerate(regions)}
    _draw_left(left, signals, regions, colours)
    if not regions:
        right.text(0.5, 0.5, "no signal over time is stored", ha="center", color=QUIET)
        return figure
    rows = right.subplots(len(regions), 1, sharex=True, squeeze=False)[:, 0]
    places, extent, label = _time_axis(project, signals.n_frames or 0)
    for axes, region in zip(rows, regions, strict=True):
        _draw_trace(axes, region, places, colours[region.index])
        if extent is not None:
            mark_videos(axes, extent)
    rows[-1].set_xlabel(label)
    rows[-1].set_xlim(places[0], max(places[-1], places[0] + 1e-6))
    n_more = len(signals.regions) - len(regions)
    right.suptitle(
        f"signals of {len(regions)} regions" + (f"; {n_more} more are not drawn" if n_more else ""),
        fontsize=FONT_SIZE + 1, color=INK, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def _draw_left(
    figure: Figure, signals: StoredSignals, regions: list[StoredRegion], colours: dict[int, str]
) -> None:
    masked = next((region for region in signals.regions if _has_masks(region)), None)
    heights = (2.2, 1.4, 1.2) if masked is not None else (1.0,)
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    _draw_places(parts[0].subplots(), signals, regions, colours)
    if masked is None:
        return
    _draw_shares(parts[1].subplots(), signals, colours)
    svd = masked.svd["motion_svd"]
    assert svd.mask is not None
    axes = parts[2].subplots(1, _N_MASKS)
    for i, panel in enumerate(axes):
        panel.set_axis_off()
        if i < svd.n_components:
            picture = np.asarray(svd.mask[i], np.float64)
            most = float(np.nanmax(np.abs(picture))) or 1.0
            panel.imshow(picture, cmap="RdBu_r", vmin=-most, vmax=most)
            panel.set_title(str(i + 1), fontsize=FONT_SIZE - 1, color=INK, pad=2)
    parts[2].suptitle(f"first masks of motion, {masked.name}", fontsize=FONT_SIZE, color=INK)


def _has_masks(region: StoredRegion) -> bool:
    svd = region.svd.get("motion_svd")
    return svd is not None and svd.mask is not None and svd.n_components > 0


def _draw_places(
    axes: Axes, signals: StoredSignals, regions: list[StoredRegion], colours: dict[int, str]
) -> None:
    axes.set_axis_off()
    mean = signals.images.get("mean_frame")
    if mean is not None:
        side = signals.bin_px or 1
        height, width = mean.shape
        extent = (0.0, float(width * side), float(height * side), 0.0)
        axes.imshow(np.asarray(mean, np.float64), cmap="gray", extent=extent)
    for region in regions:
        if region.polygon is not None and region.index:
            outline = np.vstack([region.polygon, region.polygon[:1]])
            axes.plot(outline[:, 0], outline[:, 1], color=colours[region.index], linewidth=1.6)
    title(axes, "mean frame")


def _draw_shares(axes: Axes, signals: StoredSignals, colours: dict[int, str]) -> None:
    """Draw how much of all variance the first components explain together, region by region."""
    for region in signals.regions:
        svd = region.svd.get("motion_svd")
        if svd is None or not np.isfinite(svd.share_of_variance).any():
            continue
        together = np.cumsum(np.nan_to_num(svd.share_of_variance))
        colour = colours.get(region.index, QUIET)
        axes.plot(np.arange(1, len(together) + 1), together, color=colour, linewidth=1.3)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("components of motion")
    axes.set_ylabel("share of variance")
    tidy(axes, grid=True)


def _draw_trace(
    axes: Axes, region: StoredRegion, along: npt.NDArray[np.float64], colour: str
) -> None:
    values = region.over_time()
    size = run_size(len(values), _N_COLUMNS) if len(values) > 4 * _N_COLUMNS else 1
    if size == 1:
        axes.plot(along, values, color=colour, linewidth=0.8)
    else:
        axes.fill_between(
            along[::size], *extremes(values, values, size), color=colour, linewidth=0.5
        )
    if not np.isfinite(values).any():
        axes.text(0.5, 0.5, "no value in any frame", ha="center", va="center", color=QUIET,
                  transform=axes.transAxes, fontsize=FONT_SIZE)  # fmt: skip
    tidy(axes)
    title(axes, f"{region.name}: {region.quantity}")


def _time_axis(
    project: Project, n_frames: int
) -> tuple[npt.NDArray[np.float64], Extent | None, str]:
    """Place of every frame along x, where the videos lie, and the label; frames where there is no clock."""
    there = {product.name for product in project.products}
    if {"PointTracker", "VQT_Analyzer"} <= there and sum(project.n_frames) == n_frames:
        extent = video_extents(project)
        return frame_times_s(project, extent), extent, "time (s)"
    return np.arange(n_frames, dtype=np.float64), None, "frame"
