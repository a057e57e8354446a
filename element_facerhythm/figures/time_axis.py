"""Seconds along which results are drawn: videos one after another, gaps left open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from element_facerhythm.figures.style import QUIET

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from element_facerhythm.io.project import Project
    from element_facerhythm.video.clock import Clock


@dataclass(frozen=True)
class Extent:
    """Where each video lies on a common time axis, in seconds."""

    starts_s: tuple[float, ...]
    stops_s: tuple[float, ...]


def video_extents(project: Project) -> Extent:
    """Lay the videos one after another."""
    stops = np.cumsum([project.clock(i).duration_s for i in range(len(project.n_frames))])
    return Extent((0.0, *map(float, stops[:-1])), tuple(map(float, stops)))


def frame_times_s(project: Project, extent: Extent) -> npt.NDArray[np.float64]:
    """(T,) time of every frame of all videos on their common axis.

    Parameters
    ----------
    project
        Whose clocks say when the frames were.
    extent
        Where its videos lie on the axis; see `video_extents`.

    Raises
    ------
    ProjectError
        A product that says when the frames were is missing or damaged.
    """
    own = [project.clock(i).times_s for i in range(len(extent.starts_s))]
    return np.concatenate(
        [start + times - times[0] for start, times in zip(extent.starts_s, own, strict=True)]
    )


def mark_videos(axes: Axes, extent: Extent) -> None:
    """Draw a line where one video ends and the next begins.

    Parameters
    ----------
    axes
        With time, in seconds, along x.
    extent
        Where the videos lie on it.
    """
    for boundary in extent.stops_s[:-1]:
        axes.axvline(boundary, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))


def spans_s(
    frames: npt.NDArray[np.integer], clock: Clock, n_columns: int
) -> list[tuple[float, float]]:
    """Beginning and length in seconds of each run of frames, from its first frame to the end of its last.

    Parameters
    ----------
    frames
        Rising numbers of frames.
    clock
        Of their video.
    n_columns
        What is nearer together than the duration over this number is one span, and none is shorter.
    """
    if not len(frames):
        return []
    interval_s, least_s = 1 / clock.frame_rate_hz, clock.duration_s / n_columns
    begins, ends = clock.times_s[frames], clock.times_s[frames] + interval_s
    apart = np.flatnonzero(begins[1:] - ends[:-1] > max(0.5 * interval_s, least_s))
    first, last = np.r_[0, apart + 1], np.r_[apart, len(frames) - 1]
    lengths = np.maximum(ends[last] - begins[first], least_s)
    return [(float(b), float(n)) for b, n in zip(begins[first], lengths, strict=True)]
