"""How points moved over time, and when they were flagged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.gaps import breaks_at, opened_at
from element_facerhythm.figures.style import (
    COLOURS,
    FLAG_COLOUR,
    FONT_SIZE,
    INK,
    crop_to,
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
    from matplotlib.figure import Figure

    from element_facerhythm.io.lazy import LazyArray
    from element_facerhythm.io.project import Project

_N_COLUMNS = 1600
_BLOCK_BYTES = 32 << 20


def displacement_figure(project: Project, *, video_index: int = 0, n_points: int = 8) -> Figure:
    """Draw x and y displacement of some of the points that move most, and where they sit on the face.

    Points are picked for their motion, spread over the face. Frames in which a point was flagged
    are marked under its trace.

    Parameters
    ----------
    project
        With its tracks.
    video_index
        Number of the tracked sequence, from 0.
    n_points
        How many points to draw; all of them where there are fewer.

    Raises
    ------
    ProjectError
        A product is missing or damaged.
    """
    positions = project.point_positions
    tracking = project.tracking(video_index)
    motion = np.nan_to_num(rms_motion(tracking.points, positions), posinf=0.0)  # of whole tracks
    chosen = pick_points(motion, positions, n_points=n_points)
    frames, displacement = drawn_traces(tracking.points, positions, chosen)
    clock = project.clock(video_index)
    breaks = breaks_at(frames, [gap.after_frame for gap in clock.pauses])
    times_s, displacement = opened_at(breaks, clock.times_s[frames], displacement)
    figure = new_figure(11.0, 1.2 + 0.62 * len(chosen))
    face, traces = figure.subplots(1, 2, width_ratios=(1, 2.4))
    show_frame(face, project.example_image(), dim=0.8, stretch=True)
    crop_to(face, positions, project.example_image().shape)
    reach = max(float(np.nanmax(np.abs(displacement))), 1.0)
    for row, point in enumerate(chosen):
        colour = COLOURS[row % len(COLOURS)]
        base = -2.2 * reach * row
        flagged = _thinned(tracking.violation_rows[tracking.violation_cols == point])
        traces.plot(times_s, base + displacement[:, row, 0], color=colour, linewidth=0.9)
        traces.plot(times_s, base + displacement[:, row, 1], color=colour, lw=0.9, alpha=0.4)
        floor = np.full(len(flagged), base - reach)
        traces.plot(clock.times_s[flagged], floor, "s", color=FLAG_COLOUR, markersize=3, mew=0)
        face.plot(*positions[point], "o", color=colour, markersize=7, markeredgecolor="white")
    traces.set_yticks(-2.2 * reach * np.arange(len(chosen)), [f"point {p}" for p in chosen])
    traces.set_xlim(clock.times_s[0], clock.times_s[-1])
    traces.set_xlabel("time (s)")
    tidy(traces)
    _scale_bar(traces, reach)
    title(traces, "displacement: x (dark), y (light), flagged frames marked below")
    title(face, project.video_names[video_index])
    return figure


def rms_motion(points: LazyArray, positions: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(P,) root mean square displacement of each point in px, the mean taken over frames, x and y.

    Parameters
    ----------
    points
        (T, P, 2) tracks; read in blocks of frames.
    positions
        (P, 2) where the points were seeded.
    """
    total = np.zeros(len(positions))
    for block in _displacements(points, positions):
        total += np.square(block, dtype=np.float64).sum(axis=(0, 2))
    return np.sqrt(total / (2 * len(points)))


def drawn_traces(
    points: LazyArray, positions: npt.NDArray[np.float32], chosen: list[int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Frames (n,) and displacements (n, chosen, 2) to draw.

    Of a long video, the smallest and the largest value of each run of frames: no more can be seen.

    Parameters
    ----------
    points
        (T, P, 2) tracks; read in blocks of frames.
    positions
        (P, 2) where the points were seeded.
    chosen
        Indices of the points to draw.
    """
    size = max(len(points) // _N_COLUMNS // 4, 1)
    shown = np.concatenate(
        [_extremes(block[:, chosen], size) for block in _displacements(points, positions, size)]
    )
    if size == 1:
        return np.arange(len(points)), shown
    return np.arange(len(shown)) * size // 2, shown


def _extremes(block: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    """Minimum and maximum of each run of `size` frames, one after the other; all where it is 1."""
    if size == 1:
        return block
    firsts = np.arange(0, len(block), size)
    pairs = [extreme.reduceat(block, firsts, axis=0) for extreme in (np.minimum, np.maximum)]
    return np.stack(pairs, axis=1).reshape(-1, *block.shape[1:])


def _displacements(
    points: LazyArray, positions: npt.NDArray[np.float32], multiple: int = 1
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield displacements in blocks of frames, all but the last a multiple of frames long."""
    n_rows = max(_BLOCK_BYTES // positions.nbytes // multiple, 1) * multiple
    for start in range(0, len(points), n_rows):
        yield np.asarray(points[start : start + n_rows], dtype=np.float32) - positions


def _thinned(frames: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """At most some thousand of the frames."""
    return frames[:: len(frames) // (4 * _N_COLUMNS) + 1]


def pick_points(
    motion: npt.NDArray[np.float64], positions: npt.NDArray[np.float32], *, n_points: int
) -> list[int]:
    """Pick the indices of points that move much, no two close together, by descending motion.

    Parameters
    ----------
    motion
        (P,) how much each point moves, not negative and finite.
    positions
        (P, 2) in pixels.
    n_points
        How many; all of them where there are fewer.
    """
    spread = np.inf * np.ones(len(positions))
    size = float(np.ptp(positions, axis=0).max()) or 1.0
    chosen: list[int] = []
    for _ in range(min(n_points, len(positions))):
        score = motion * np.clip(spread / (size / 3), 0, 1)
        score[chosen] = -1
        chosen.append(int(np.argmax(score)))
        spread = np.minimum(spread, np.linalg.norm(positions - positions[chosen[-1]], axis=1))
    return chosen


def _scale_bar(axes: Axes, reach: float) -> None:
    length = max(step for step in (0.5, 1, 2, 5, 10, 20, 50) if step <= max(reach, 0.5))
    right = axes.get_xlim()[1]
    axes.plot([right * 1.012] * 2, [0, length], color=INK, linewidth=2, clip_on=False)
    axes.text(right * 1.02, length / 2, f"{length:g} px", va="center", fontsize=FONT_SIZE - 1)


def violation_figure(project: Project) -> Figure:
    """Draw which points were flagged when, all videos on one time axis."""
    extent = video_extents(project)
    times_s = frame_times_s(project, extent)
    middles_s = times_s + 0.5 / project.frame_rate_hz
    shares, raster = _violations(project, middles_s / extent.stops_s[-1])
    figure = new_figure(11.0, 4.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2.4))
    size = max(len(shares) // (4 * _N_COLUMNS), 1)
    highest = np.maximum.reduceat(shares, np.arange(0, len(shares), size))
    above.fill_between(times_s[::size], 100 * highest, color=FLAG_COLOUR, linewidth=0)
    above.set_ylim(0, max(5.0, 105 * float(highest.max(initial=0))))
    above.set_ylabel("flagged (%)")
    end = extent.stops_s[-1]
    n_points = raster.shape[0]
    unseen = _unseen_columns(project, extent, raster.shape[1])
    shown = np.ma.masked_array(raster, np.broadcast_to(unseen, raster.shape))
    below.imshow(
        shown, aspect="auto", interpolation="nearest", cmap=_flag_map(), vmin=0, vmax=1,
        extent=(0, end, n_points - 0.5, -0.5),
    )  # fmt: skip
    below.set_ylabel("point")
    below.set_xlabel("time (s)")
    below.set_xlim(0, end)
    for axes in (above, below):
        tidy(axes)
        mark_videos(axes, extent)
    title(above, f"violations: {100 * shares.mean():.2f} % of all point-frames are flagged")
    return figure


def _violations(
    project: Project, places: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Share of points flagged in each frame (T,), and the raster (P, columns) of all videos.

    `places` are (T,) where the middles of the frames lie on the time axis, 0 to 1.
    """
    n_frames = project.n_frames
    n_points = len(project.point_positions)
    offsets = np.concatenate([[0], np.cumsum(n_frames)])
    total = int(offsets[-1])
    n_columns = min(total, _N_COLUMNS)
    shares = np.zeros(total)
    raster = np.zeros((n_points, n_columns), dtype=bool)
    for index in range(len(n_frames)):
        tracking = project.tracking(index)
        frames = tracking.violation_rows.astype(np.int64) + offsets[index]
        np.add.at(shares, frames, 1 / n_points)
        columns = np.minimum((places[frames] * n_columns).astype(np.int64), n_columns - 1)
        raster[tracking.violation_cols, columns] = True
    return shares, raster


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


def _flag_map() -> object:
    from matplotlib.colors import ListedColormap

    return ListedColormap(["#F4F4F4", FLAG_COLOUR])
