"""How points moved over time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.gaps import breaks_at, opened_at
from element_facerhythm.figures.style import (
    EDGE,
    FLAG_COLOUR,
    FONT_SIZE,
    HELD_COLOUR,
    INK,
    X_COLOUR,
    Y_COLOUR,
    crop_to,
    length_bar,
    new_figure,
    round_length,
    show_frame,
    tidy,
    title,
)
from element_facerhythm.figures.time_axis import spans_s

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from element_facerhythm.io.lazy import LazyArray
    from element_facerhythm.io.project import Project
    from element_facerhythm.io.stored_tracks import TrackingView
    from element_facerhythm.video.clock import Clock

_N_COLUMNS = 800  # about the pixels that the traces have across
_BLOCK_BYTES = 32 << 20
_ROW = 2.2  # height of a trace, in units of the largest displacement


@dataclass(frozen=True, eq=False)
class Envelope:
    """Displacements of some points, run of frames by run of frames.

    Attributes
    ----------
    frames
        (n,) first frame of each run.
    low, high
        (n, points, 2) smallest and largest displacement in each, in px; the same where a run is a frame.
    is_exact
        Whether each run is one frame.
    """

    frames: npt.NDArray[np.int64]
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    is_exact: bool


def displacement_figure(project: Project, *, video_index: int = 0, n_points: int = 8) -> Figure:
    """Draw x and y displacement of some of the points that move most, and where they sit on the face.

    Points are picked for their motion, spread over the face. Frames in which a point was flagged, and
    frames in which all points were held in place, are shaded from their beginning to their end. Of a long
    video, the smallest and the largest displacement of each run of frames are drawn.

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
    tracking, clock = project.tracking(video_index), project.clock(video_index)
    motion = np.nan_to_num(rms_motion(tracking.points, positions), posinf=0.0)  # of whole tracks
    chosen = pick_points(motion, positions, n_points=n_points)
    envelope = trace_envelope(tracking.points, positions, chosen)
    reach = max(float(np.nanmax(np.abs([envelope.low, envelope.high]))), 1e-3)
    figure = new_figure(11.0, 1.4 + 0.62 * len(chosen))
    face, traces = figure.subplots(1, 2, width_ratios=(1, 2.4))
    _draw_places(face, project, chosen)
    title(face, project.video_names[video_index])
    _draw_traces(traces, envelope, clock, reach)
    _shade(traces, tracking, clock, chosen, reach)
    traces.set_yticks(-_ROW * reach * np.arange(len(chosen)), [f"point {p}" for p in chosen])
    traces.set_ylim(-_ROW * reach * (len(chosen) - 0.5), _ROW * reach / 2)
    traces.set_xlim(clock.times_s[0], clock.times_s[0] + clock.duration_s)
    traces.set_xlabel("time (s)")
    tidy(traces)
    _scale_bar(traces, reach)
    how = "" if envelope.is_exact else "; band: smallest to largest of a run of frames"
    title(traces, f"{len(chosen)} of {len(positions)} points, of those that move most{how}")
    _legend(figure, has_held=tracking.held_frames is not None and len(tracking.held_frames) > 0)
    return figure


def _draw_places(axes: Axes, project: Project, chosen: list[int]) -> None:
    """Draw where the points are, with their numbers."""
    from matplotlib.patheffects import withStroke

    positions, frame = project.point_positions, project.example_image()
    show_frame(axes, frame, dim=0.8, stretch=True)
    crop_to(axes, positions, frame.shape)
    for point in chosen:
        x, y = positions[point]
        axes.plot(x, y, "o", color="white", markersize=5, markeredgecolor=EDGE)
        axes.annotate(
            str(point), (x, y), (4, 3), textcoords="offset points", color="white",
            fontsize=FONT_SIZE, path_effects=[withStroke(linewidth=2, foreground=EDGE)],
        )  # fmt: skip
    length_bar(axes)


def _draw_traces(axes: Axes, envelope: Envelope, clock: Clock, reach: float) -> None:
    breaks = breaks_at(envelope.frames, [gap.after_frame for gap in clock.pauses])
    times_s, low = opened_at(breaks, clock.times_s[envelope.frames], envelope.low)
    _, high = opened_at(breaks, clock.times_s[envelope.frames], envelope.high)
    for row in range(low.shape[1]):
        base = -_ROW * reach * row
        for direction, colour in enumerate((X_COLOUR, Y_COLOUR)):
            lower, upper = base + low[:, row, direction], base + high[:, row, direction]
            if envelope.is_exact:
                axes.plot(times_s, lower, color=colour, linewidth=0.9)
            else:
                axes.fill_between(times_s, lower, upper, color=colour, alpha=0.75, linewidth=0.5)


def _shade(
    axes: Axes, tracking: TrackingView, clock: Clock, chosen: list[int], reach: float
) -> None:
    """Shade when a point was flagged behind its trace, and when all were held behind all."""
    for row, point in enumerate(chosen):
        flagged = np.sort(tracking.violation_rows[tracking.violation_cols == point])
        axes.broken_barh(
            spans_s(flagged, clock, _N_COLUMNS), (-_ROW * reach * (row + 0.5), _ROW * reach),
            facecolor=FLAG_COLOUR, alpha=0.3, linewidth=0, zorder=0.5,
        )  # fmt: skip
    if tracking.held_frames is not None:
        bottom = -_ROW * reach * (len(chosen) - 0.5)
        axes.broken_barh(
            spans_s(np.sort(tracking.held_frames), clock, _N_COLUMNS),
            (bottom, _ROW * reach * len(chosen)),
            facecolor=HELD_COLOUR, alpha=0.3, linewidth=0, zorder=0.4,
        )  # fmt: skip


def _legend(figure: Figure, *, has_held: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shown = [
        Line2D([], [], color=X_COLOUR, label="x, to the right"),
        Line2D([], [], color=Y_COLOUR, label="y, down"),
        Patch(facecolor=FLAG_COLOUR, alpha=0.3, label="point flagged"),
    ]
    if has_held:
        shown.append(Patch(facecolor=HELD_COLOUR, alpha=0.3, label="nothing seen, points held"))
    figure.legend(handles=shown, loc="outside lower right", ncols=4, frameon=False,
                  fontsize=FONT_SIZE - 1, labelcolor=INK)  # fmt: skip


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


def trace_envelope(
    points: LazyArray, positions: npt.NDArray[np.float32], chosen: list[int]
) -> Envelope:
    """Displacements to draw: of a long video the smallest and the largest of each run of frames.

    Parameters
    ----------
    points
        (T, P, 2) tracks; read in blocks of frames.
    positions
        (P, 2) where the points were seeded.
    chosen
        Indices of the points to draw.
    """
    size = max(len(points) // _N_COLUMNS, 1) if len(points) > 4 * _N_COLUMNS else 1
    lows, highs = [], []
    for block in _displacements(points, positions, size):
        firsts = np.arange(0, len(block), size)
        lows.append(np.minimum.reduceat(block[:, chosen], firsts, axis=0))
        highs.append(np.maximum.reduceat(block[:, chosen], firsts, axis=0))
    low, high = np.concatenate(lows), np.concatenate(highs)
    return Envelope(np.arange(len(low)) * size, low, high, size == 1)


def _displacements(
    points: LazyArray, positions: npt.NDArray[np.float32], multiple: int = 1
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield displacements in blocks of frames, all but the last a multiple of frames long."""
    n_rows = max(_BLOCK_BYTES // positions.nbytes // multiple, 1) * multiple
    for start in range(0, len(points), n_rows):
        yield np.asarray(points[start : start + n_rows], dtype=np.float32) - positions


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
    length = round_length(reach)
    place = axes.get_yaxis_transform()
    axes.plot([1.012] * 2, [0, length], color=INK, linewidth=2, clip_on=False, transform=place)
    axes.text(1.02, length / 2, f"{length:g} px", va="center", fontsize=FONT_SIZE - 1, color=INK,
              transform=place)  # fmt: skip
