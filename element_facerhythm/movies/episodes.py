"""The moments at which a component is strongest, so far apart that none is shown twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.decomposition.loadings import TimeCourse, real_loadings
from element_facerhythm.video.clock import Clock


@dataclass(frozen=True)
class Episode:
    """Frames around a peak of a component's time course.

    Attributes
    ----------
    video_index
        Number of the tracked sequence.
    first, stop
        Frames ``[first, stop)`` of it. The peak lies in the middle, but near the ends of the sequence.
    peak_s
        When the peak is, in seconds on the clock of the sequence.
    strength
        The loading there, as a share of the largest one of the component.
    """

    video_index: int
    first: int
    stop: int
    peak_s: float
    strength: float


@dataclass(frozen=True)
class _Peak:
    episode: Episode
    loading: float


def strongest_episodes(
    courses: Sequence[TimeCourse], clocks: Sequence[Clock], *, n: int, seconds: float
) -> tuple[Episode, ...]:
    """Return up to `n` episodes, strongest first, no two of which share a frame.

    Peaks of the time course are taken in the order of their height; one whose frames overlap with those of
    an episode that was taken before is left out. A peak is higher than what lies before it and not lower
    than what comes after it; negative loadings count by their magnitude, and what is 0 is no peak.

    Parameters
    ----------
    courses
        Time courses of one component, one for each video that its model is of.
    clocks
        Of all tracked sequences.
    n
        How many at most.
    seconds
        Length of an episode; a sequence that is shorter is one episode.
    """
    top = max((float(np.nanmax(_magnitudes(course), initial=0.0)) for course in courses), default=0)
    found = [
        _Peak(_around(course.video_index, clocks[course.video_index], time_s, height / top, seconds), height)
        for course in courses
        for time_s, height in _peaks(course)
    ]  # fmt: skip
    found.sort(key=lambda peak: (-peak.loading, peak.episode.video_index, peak.episode.first))
    chosen: list[Episode] = []
    for peak in found:
        if len(chosen) == n:
            break
        if not any(_overlap(peak.episode, other) for other in chosen):
            chosen.append(peak.episode)
    return tuple(chosen)


def _magnitudes(course: TimeCourse) -> npt.NDArray[np.floating]:
    return np.abs(real_loadings(course.loadings))


def _peaks(course: TimeCourse) -> list[tuple[float, float]]:
    """Time and height of each peak; where the recording paused, there is nothing on either side."""
    heights = np.nan_to_num(_magnitudes(course).astype(np.float64), nan=0.0)
    padded = np.concatenate([[0.0], heights, [0.0]])
    is_peak = (heights > padded[:-2]) & (heights >= padded[2:])
    return [(float(course.times_s[i]), float(heights[i])) for i in np.flatnonzero(is_peak)]


def _around(
    video_index: int, clock: Clock, peak_s: float, strength: float, seconds: float
) -> Episode:
    first, stop = frames_around(clock, peak_s, seconds)
    return Episode(video_index, first, stop, peak_s, strength)


def frames_around(clock: Clock, middle_s: float, seconds: float) -> tuple[int, int]:
    """Frames ``[first, stop)`` around a moment, moved inwards where they would reach beyond the sequence.

    Parameters
    ----------
    clock
        Of the sequence.
    middle_s
        The moment, in seconds on this clock.
    seconds
        How long; all frames where the sequence is shorter.
    """
    n = min(max(round(seconds * clock.frame_rate_hz), 1), clock.n_frames)
    middle = int(np.searchsorted(clock.times_s, middle_s))
    first = min(max(middle - n // 2, 0), clock.n_frames - n)
    return first, first + n


def _overlap(one: Episode, other: Episode) -> bool:
    is_same = one.video_index == other.video_index
    return is_same and one.first < other.stop and other.first < one.stop
