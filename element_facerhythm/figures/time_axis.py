"""Seconds along which results are drawn: videos one after another, gaps left open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    """(T,) time of every frame of all videos on their common axis."""
    own = [project.clock(i).times_s for i in range(len(extent.starts_s))]
    return np.concatenate(
        [start + times - times[0] for start, times in zip(extent.starts_s, own, strict=True)]
    )


def broken_at_gaps(
    clock: Clock, times_s: npt.NDArray[np.float64], values: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
    """Put NaN into the gaps of a clock, so that nothing is drawn across them.

    Parameters
    ----------
    clock
        Of the video.
    times_s
        (W,) times of the values, rising.
    values
        (W, ...) floats.
    """
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    for gap in clock.pauses:
        middle_s = clock.times_s[gap.after_frame : gap.after_frame + 2].mean()
        place = int(np.searchsorted(times_s, middle_s))
        if 0 < place < len(times_s):
            # one step off the values, so that a column of a picture is as wide there as anywhere
            inside = [times_s[place - 1] + step_s, times_s[place] - step_s]
            times_s = np.insert(times_s, place, sorted(inside))
            values = np.insert(values, [place, place], np.nan, axis=0)
    return times_s, values


def mark_videos(axes: Axes, extent: Extent) -> None:
    """Draw a line where one video ends and the next begins."""
    for boundary in extent.stops_s[:-1]:
        axes.axvline(boundary, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
