"""A quantity on the clock of a recording, and the part of it that lies around events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.errors import ParameterError

Values = npt.NDArray[np.inexact[Any]]
"""Numbers, real or complex."""
_NEIGHBOURS = 21  # intervals whose median is the usual one at a place
_PAUSE = 4.5  # times the usual interval: a longer one is a pause of the camera


def frame_durations(times_s: Float64Array) -> Float64Array:
    """(T,) time that each frame stands for: to the next one, or a usual interval before a pause.

    Parameters
    ----------
    times_s
        (T,) seconds of the frames, rising; T at least 2.
    """
    from scipy import ndimage  # slow import

    steps = np.diff(times_s)
    usual = ndimage.median_filter(steps, size=min(_NEIGHBOURS, len(steps)), mode="mirror")
    return np.append(np.where(steps > _PAUSE * usual, usual, steps), usual[-1])


@dataclass(frozen=True, eq=False)
class Samples:
    """Quantities in the frames of one video.

    Attributes
    ----------
    times_s
        (T,) seconds of the frames, rising; T at least 2.
    values
        (C, T) of C quantities: numbers, or complex numbers whose angles are phases. NaN where not known.

    Raises
    ------
    ParameterError
        Times and values do not fit.
    """

    times_s: Float64Array
    values: Values

    def __post_init__(self) -> None:
        n = len(self.times_s)
        if n < 2 or self.values.ndim != 2 or self.values.shape[1] != n:
            raise ParameterError(
                f"{n} times of frames and values of shape {self.values.shape}; expected (C, T), T at least 2"
            )
        if not (np.diff(self.times_s) > 0).all():
            raise ParameterError("times of frames: expected each to be later than the one before")

    @cached_property
    def durations_s(self) -> Float64Array:
        """(T,) time that each frame stands for; see `frame_durations`."""
        return frame_durations(self.times_s)

    @cached_property
    def elapsed_s(self) -> Float64Array:
        """(T + 1,) recorded time before each frame, pauses left out, and all of it."""
        return np.append(0.0, np.cumsum(self.durations_s))

    @cached_property
    def integrals(self) -> Values:
        """(C, T + 1) known values times durations, summed up to each frame."""
        known = np.where(np.isfinite(self.values), self.values, 0.0) * self.durations_s
        return np.pad(np.cumsum(known, axis=1), ((0, 0), (1, 0)))

    @cached_property
    def known_s(self) -> Float64Array:
        """(C, T + 1) time in which values are known, up to each frame."""
        known = np.isfinite(self.values) * self.durations_s
        return np.pad(np.cumsum(known, axis=1), ((0, 0), (1, 0)))

    @property
    def end_s(self) -> float:
        """When the last frame ends."""
        return float(self.times_s[-1] + self.durations_s[-1])

    def recorded(self, times_s: Float64Array) -> Float64Array:
        """Return the recorded time before some times; those within a pause count as its beginning."""
        frame = np.clip(np.searchsorted(self.times_s, times_s, "right") - 1, 0, None)
        within = np.clip(times_s - self.times_s[frame], 0.0, self.durations_s[frame])
        return self.elapsed_s[frame] + within

    def time_at(self, recorded_s: Float64Array) -> Float64Array:
        """Return the times at which so much has been recorded."""
        last = len(self.times_s) - 1
        frame = np.clip(np.searchsorted(self.elapsed_s, recorded_s, "right") - 1, 0, last)
        return self.times_s[frame] + (recorded_s - self.elapsed_s[frame])

    def frames_at(self, times_s: Float64Array) -> npt.NDArray[np.intp]:
        """Return the first frames at or after some times, of any shape."""
        return np.searchsorted(self.times_s, times_s)

    def means(self, index: int, bounds: npt.NDArray[np.intp]) -> Values:
        """Means of a quantity between frames, over the time in which it is known.

        Parameters
        ----------
        index
            Of the quantity.
        bounds
            (N, K + 1) frames.

        Returns
        -------
        (N, K) means over the frames from each bound up to the next; NaN where no frame is known.
        """
        time = np.diff(self.known_s[index][bounds], axis=1)
        sums = np.diff(self.integrals[index][bounds], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(time > 0, sums / time, np.nan)


@dataclass(frozen=True, eq=False)
class EventTimes:
    """Events in one video.

    Attributes
    ----------
    times_s
        (N,) seconds on the clock of the video; kept in their order.
    lengths_s
        (N,) how long after its event a trial ends, where that is before the end of the window; infinite where
        it is not said.
    """

    times_s: Float64Array
    lengths_s: Float64Array = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if not len(self.lengths_s) and len(self.times_s):
            object.__setattr__(self, "lengths_s", np.full(len(self.times_s), np.inf))
        if self.times_s.shape != self.lengths_s.shape or self.times_s.ndim != 1:
            raise ParameterError("events: expected one length for each time")
        if not np.isfinite(self.times_s).all() or not (self.lengths_s >= 0).all():
            raise ParameterError("events: expected finite times, and lengths of 0 or more")
        order = np.argsort(self.times_s, kind="stable")
        for name in ("times_s", "lengths_s"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64)[order])

    def __len__(self) -> int:
        return len(self.times_s)


@dataclass(frozen=True, eq=False)
class Recording:
    """All videos of a recording, one after the other, with the events in each."""

    videos: Sequence[Samples]
    events: Sequence[EventTimes]

    @cached_property
    def starts_s(self) -> Float64Array:
        """(V + 1,) recorded time before each video, and all of it."""
        return np.append(0.0, np.cumsum([video.elapsed_s[-1] for video in self.videos]))

    @cached_property
    def recorded_s(self) -> Float64Array:
        """(N,) recorded time before each event, in all videos."""
        return np.concatenate(
            [
                start + video.recorded(events.times_s)
                for start, video, events in zip(
                    self.starts_s, self.videos, self.events, strict=False
                )
            ]
        )

    @cached_property
    def lengths_s(self) -> Float64Array:
        """(N,) lengths of all trials."""
        return np.concatenate([events.lengths_s for events in self.events])

    def moved(self, recorded_s: Float64Array) -> list[EventTimes]:
        """Events of all videos where so much has been recorded; trials keep their lengths.

        Parameters
        ----------
        recorded_s
            (N,) in the order of `recorded_s`, from 0 to the whole recorded time.
        """
        of_video = np.searchsorted(self.starts_s[1:-1], recorded_s, "right")
        found = []
        for index, video in enumerate(self.videos):
            own = of_video == index
            times_s = video.time_at(recorded_s[own] - self.starts_s[index])
            found.append(EventTimes(times_s, self.lengths_s[own]))
        return found
