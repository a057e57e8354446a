"""Coordinates along the time of a recording: its videos end to end, each frame when it was taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.project import Project
from element_facerhythm.video.clock import Clock, even_clock

TIME_ATTRS = {
    "units": "s",
    "long_name": "time since the first frame of the recording, videos end to end, pauses included",
}
_FRAME = "frame of what was tracked of the video, from 0"


def frame_coordinates(project: Project) -> dict[str, xr.Variable]:
    """Coordinates along all frames of a recording, and the names of its videos.

    Returns
    -------
    `time` (T,) in seconds, `video` and `frame` (T,), `video_name` (videos,).

    Raises
    ------
    ProjectError
        A product that says when the frames were is missing or damaged.
    """
    clocks = [project.clock(i) for i in range(len(project.video_keys))]
    times = [shift + clock.times_s for shift, clock in zip(_shifts_s(clocks), clocks, strict=True)]
    frames = [np.arange(clock.n_frames, dtype=np.int64) for clock in clocks]
    return {**_along(times, frames, _FRAME), **_videos(project.video_names)}


def window_coordinates(project: Project) -> dict[str, xr.Variable]:
    """Coordinates along all spectrogram windows of a recording, and the names of its videos.

    Returns
    -------
    `time` (W,) in seconds, `video` and `frame` (W,) at the centres of the windows, fractions of frames
    included, and `video_name` (videos,).

    Raises
    ------
    ProjectError
        A product that says when the windows were is missing or damaged.
    """
    videos = range(len(project.video_keys))
    shifts = _shifts_s([project.clock(i) for i in videos])
    times = [shift + project.window_times_s(i) for i, shift in enumerate(shifts)]
    frames = [project.window_centres(i) for i in videos]
    coordinates = _along(times, frames, "frame at the centre of the window")
    return {**coordinates, **_videos(project.video_names)}


def signal_coordinates(
    project: Project, n_frames: int, video_n_frames: tuple[int, ...]
) -> dict[str, xr.Variable]:
    """Coordinates along all frames of signals, which may be there without tracks.

    Parameters
    ----------
    project
        The project.
    n_frames
        Of all videos.
    video_n_frames
        Of each video; empty where not known.

    Returns
    -------
    As of `frame_coordinates`; without a clock and without a frame rate, `time` is missing.

    Raises
    ------
    ProjectError
        A product that says when the frames were is damaged.
    """
    there = {product.name for product in project.products}
    if {"PointTracker", "VQT_Analyzer"} <= there and sum(project.n_frames) == n_frames:
        return frame_coordinates(project)
    lengths = video_n_frames or (n_frames,)
    try:
        rate_hz = project.frame_rate_hz
    except ProjectError:  # nothing says it
        rate_hz = None
    frames = [np.arange(n, dtype=np.int64) for n in lengths]
    clocks = [even_clock(n, rate_hz or 1.0, "header") for n in lengths]
    times = [shift + clock.times_s for shift, clock in zip(_shifts_s(clocks), clocks, strict=True)]
    coordinates = _along(times, frames, _FRAME)
    if rate_hz is None:
        del coordinates["time"]
    return coordinates


def _shifts_s(clocks: Sequence[Clock]) -> list[float]:
    """Seconds that are added to the times of each video: it begins where the one before ended."""
    shifts, stop_s = [], float(clocks[0].times_s[0])
    for clock in clocks:
        shifts.append(stop_s - float(clock.times_s[0]))
        stop_s += clock.duration_s
    return shifts


def _along(
    times_s: list[NDArray[np.float64]], frames: list[NDArray[Any]], what: str
) -> dict[str, xr.Variable]:
    video = np.repeat(np.arange(len(frames), dtype=np.int32), [len(part) for part in frames])
    return {
        "time": xr.Variable("time", np.concatenate(times_s), TIME_ATTRS),
        "video": xr.Variable(
            "time", video, {"long_name": "number of the video: place along `videos`"}
        ),
        "frame": xr.Variable("time", np.concatenate(frames), {"long_name": what}),
    }


def _videos(names: tuple[str, ...]) -> dict[str, xr.Variable]:
    return {
        "videos": xr.Variable(
            "videos", np.arange(len(names)), {"long_name": "number of the video"}
        ),
        "video_name": xr.Variable("videos", np.array(names), {"long_name": "name of its file"}),
    }
