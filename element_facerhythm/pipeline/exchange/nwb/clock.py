"""Times of frames and spectrogram windows on the clock of the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import ProjectError, RequestError
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_signals import signals_of_project
from element_facerhythm.pipeline.exchange.nwb.streams import compressed
from element_facerhythm.video.clock import Clock, even_clock

_SAME_S = 1e-9


class SharedTimes:
    """Times that several series of a file have; they are stored once.

    Parameters
    ----------
    times_s
        (T,) rising seconds since the session's reference time.
    """

    def __init__(self, times_s: NDArray[np.float64]) -> None:
        self.times_s = times_s
        self._regular = _regular(times_s)
        self._holder: Any = None

    def __len__(self) -> int:
        return len(self.times_s)

    def series(self, make: Callable[..., Any], **content: Any) -> Any:
        """Make a series with these times: a rate where they are equally spaced, else time stamps.

        Parameters
        ----------
        make
            The class of the series.
        **content
            What it takes besides.
        """
        times = self._regular
        if times is None:
            shared = compressed(self.times_s) if self._holder is None else self._holder
            times = {"timestamps": shared}
        made = make(**content, **times)
        if self._holder is None:
            self._holder = made
        return made


@dataclass(frozen=True, eq=False)
class SessionClock:
    """When everything was, in seconds since the session's reference time.

    Attributes
    ----------
    frames, windows
        Times of all frames, and of all spectrogram windows; of the windows None where there are none.
    n_frames, n_windows
        How many each video has of them.
    starts_s
        Where on the session's clock the clock of each video is zero.
    clocks
        Of each video, on its own clock.
    """

    frames: SharedTimes
    windows: SharedTimes | None
    n_frames: tuple[int, ...]
    n_windows: tuple[int, ...]
    starts_s: tuple[float, ...]
    clocks: tuple[Clock, ...]

    def part(self, lengths: Sequence[int], video: int) -> slice:
        """Rows of one video among those of all.

        Parameters
        ----------
        lengths
            `n_frames` or `n_windows`.
        video
            Number of the video.
        """
        first = sum(lengths[:video])
        return slice(first, first + lengths[video])


def session_clock(project: Project, starts_s: Sequence[float]) -> SessionClock:
    """Bring the clocks of all videos onto that of the session.

    Parameters
    ----------
    project
        The project.
    starts_s
        Seconds from the session's reference time to the zero of each video's clock; empty, for one video
        alone: the two are the same.

    Raises
    ------
    RequestError
        There are several videos and nothing says when each began, or they would overlap.
    ProjectError
        Times are not stored as they should be.
    """
    if project.holds_signals_alone:
        clocks = _clocks_of_signals(project)
    else:
        clocks = tuple(project.clock(i) for i in range(len(project.video_keys)))
    starts = tuple(starts_s) or ((0.0,) if len(clocks) == 1 else ())
    if len(starts) != len(clocks):
        raise RequestError(
            f"{project.directory} has {len(clocks)} tracked videos, each with a clock of its own, and "
            f"{len(starts)} starts were given; give --start S once for each: seconds from the session's "
            "start to the first frame of the file"
        )
    frames = np.concatenate([s + c.times_s for s, c in zip(starts, clocks, strict=True)])
    if not (np.isfinite(frames).all() and (np.diff(frames) > 0).all()):
        raise RequestError(
            f"with starts {', '.join(f'{s:g}' for s in starts)} s a video begins before the one before it "
            "ends; give the starts of the videos (--start) in order of time"
        )
    windows: SharedTimes | None = None
    n_windows: tuple[int, ...] = ()
    if not project.holds_signals_alone:
        own = [project.window_times_s(i) for i in range(len(clocks))]
        n_windows = tuple(map(len, own))
        windows = SharedTimes(np.concatenate([s + t for s, t in zip(starts, own, strict=True)]))
    n_frames = tuple(clock.n_frames for clock in clocks)
    return SessionClock(SharedTimes(frames), windows, n_frames, n_windows, starts, clocks)


def _clocks_of_signals(project: Project) -> tuple[Clock, ...]:
    """Clock of a project that holds signals alone: one for all frames, at its rate."""
    n_frames = signals_of_project(project).n_frames
    if n_frames is None:
        raise ProjectError(f"{project.directory} holds no signal by frame: nothing has a time")
    return (even_clock(n_frames, project.frame_rate_hz, "header"),)


def _regular(times_s: NDArray[np.float64]) -> dict[str, float] | None:
    """Start and rate of times that are equally spaced to a nanosecond; None for others."""
    if len(times_s) < 2:
        return None
    span_s = float(times_s[-1] - times_s[0])
    exact = (len(times_s) - 1) / span_s
    for rate in (round(exact), round(exact, 6), exact):
        if rate > 0:
            told = times_s[0] + np.arange(len(times_s)) / rate
            if np.abs(told - times_s).max() < _SAME_S:
                return {"starting_time": float(times_s[0]), "rate": float(rate)}
    return None
