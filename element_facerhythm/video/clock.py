"""When the frames of a video were taken: its rate, and where frames are missing.

The stamps of the frames are the clock, not the rate that a header claims. Three things happen to them:

jitter
    Stamps scatter around equal distances. Frames are taken as equally spaced.
missing frames
    An interval is longer than its neighbours. Up to `MOST_BRIDGED` frames in a row are bridged by
    interpolation of the traces (dropped frames); a longer one is a gap, which nothing is computed across.
a rate that changes
    No equal distances fit the stamps. Traces are interpolated to samples at the median rate.

What lies between two gaps is a stretch. Every time in seconds that is written is one of this clock.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Float64Array

MOST_BRIDGED = 3
"""Frames missing in a row that are bridged; a gap has more."""

_NEIGHBOURS = 21  # intervals whose median is the usual one at a place
_LONG = 1.5  # times the usual interval, with what jitter explains beyond
_SIGMAS = 5.0
_USUAL = 0.25  # share by which an interval may differ from the median to count as usual
# Frames lie at equal distances if, averaged over a few of them, they are never farther from their places
# than half an interval; these may wander by this share of the time.
_AVERAGED = 15
_LARGEST_OFFSET = 0.5
_SLOW_DRIFT = 2e-4
_LONG_AVERAGE = 1001
_MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation


@dataclass(frozen=True)
class Gap:
    """Time without frames.

    Attributes
    ----------
    after_frame
        The frame before it, counted from 0.
    seconds
        Time without frames: the interval less a usual one.
    n_missing
        Frames that would have fitted in.
    """

    after_frame: int
    seconds: float
    n_missing: int

    @property
    def is_bridged(self) -> bool:
        """Whether traces are interpolated across it."""
        return self.n_missing <= MOST_BRIDGED


@dataclass(frozen=True, eq=False)
class Stretch:
    """Frames between two gaps, and the equally spaced samples that stand for them.

    Attributes
    ----------
    first, stop
        Frames ``[first, stop)`` of the sequence.
    knots
        (stop - first,) place of each frame on an axis on which the samples are 0, 1, 2 ...; None where
        the frames are the samples.
    """

    first: int
    stop: int
    knots: Float64Array | None = None

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.stop - self.first if self.knots is None else int(self.knots[-1] + 1e-6) + 1

    def frames_of(self, samples: NDArray[np.floating]) -> Float64Array:
        """Places of samples in frames of the sequence, fractions included."""
        places = np.asarray(samples, np.float64)
        if self.knots is not None:
            places = np.interp(places, self.knots, np.arange(len(self.knots)))
        return self.first + places


@dataclass(frozen=True, eq=False)
class Clock:
    """Times of the frames of one video or sequence.

    Attributes
    ----------
    times_s
        (T,) seconds, rising; the first frame of a video is 0.
    frame_rate_hz
        Frames per second between gaps.
    source
        Where the times come from: ``"stamps"``, ``"header"``, ``"bitstream"``, ``"time file"`` or
        ``"given"``.
    jitter_s
        Standard deviation of the frames' times from equal distances; 0 where no stamps were read.
    gaps
        Where frames are missing, bridged ones too.
    is_even
        Whether the frames lie at equal distances between gaps; else the rate changes.
    """

    times_s: Float64Array
    frame_rate_hz: float
    source: str
    jitter_s: float = 0.0
    gaps: tuple[Gap, ...] = ()
    is_even: bool = True

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return len(self.times_s)

    @property
    def duration_s(self) -> float:
        """Time from the first frame to the end of the last one, gaps included."""
        if self.is_even and not self.gaps:
            return self.n_frames / self.frame_rate_hz
        last_s = 1 / self.frame_rate_hz
        if not self.is_even:
            last_s = float(np.median(np.diff(self.times_s[-_NEIGHBOURS:])))
        return float(self.times_s[-1] - self.times_s[0]) + last_s

    @property
    def is_plain(self) -> bool:
        """Whether every time is a frame's number over the rate."""
        return not self.jitter_s and not self.gaps and self.is_even

    @property
    def n_dropped_frames(self) -> int:
        """Frames missing in gaps that are bridged."""
        return sum(gap.n_missing for gap in self.gaps if gap.is_bridged)

    @property
    def pauses(self) -> tuple[Gap, ...]:
        """Gaps that nothing is computed across."""
        return tuple(gap for gap in self.gaps if not gap.is_bridged)

    @property
    def rate_uncertainty(self) -> float:
        """Relative standard error of the mean rate that the jitter of first and last frame leaves."""
        return float(np.sqrt(2)) * self.jitter_s / self.duration_s

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """What lies between the gaps, in order."""
        bounds = [0, *(gap.after_frame + 1 for gap in self.pauses), self.n_frames]
        places = self.times_s * self.frame_rate_hz
        if self.is_even:
            places = _places(self.n_frames, self.gaps)
        return tuple(
            Stretch(first, stop, self._knots(places[first:stop]))
            for first, stop in itertools.pairwise(bounds)
        )

    def _knots(self, places: Float64Array) -> Float64Array | None:
        places = places - places[0]
        return None if self.is_even and places[-1] == len(places) - 1 else places

    def part(self, first: int, stop: int) -> Clock:
        """Clock of frames ``[first, stop)``, with the times that they have in the whole.

        Parameters
        ----------
        first, stop
            Numbers of frames in this clock. Gaps between them stay; rate and jitter are the whole's.
        """
        gaps = tuple(
            replace(gap, after_frame=gap.after_frame - first)
            for gap in self.gaps
            if first <= gap.after_frame < stop - 1
        )
        return replace(self, times_s=self.times_s[first:stop], gaps=gaps)


def even_clock(n_frames: int, frame_rate_hz: float, source: str) -> Clock:
    """Clock of frames at equal distances.

    Parameters
    ----------
    n_frames
        T; the first frame is at 0 s.
    frame_rate_hz
        Above 0.
    source
        Where the rate comes from; see `Clock`.
    """
    return Clock(np.arange(n_frames) / frame_rate_hz, frame_rate_hz, source)


def measure_clock(times_s: Float64Array, source: str, nominal_hz: float | None = None) -> Clock:
    """Find rate, jitter and gaps in the times of frames.

    Parameters
    ----------
    times_s
        (T,) seconds, strictly rising, T at least 2.
    source
        Where they come from; see `Clock`.
    nominal_hz
        Rate that the file claims. It is taken, digit for digit, where the times bear it out.

    Returns
    -------
    Clock
        Of even frames the rate is 1 over the interval at which equally spaced places, missing frames counted,
        fit the times best (least squares), and the jitter the root mean square distance from these places.
        Else the rate is 1 over the mean of the intervals near the median.
    """
    times_s = np.asarray(times_s, np.float64)
    times_s = times_s - times_s[0]
    intervals = np.diff(times_s)
    gaps = _find_gaps(intervals)
    slope_s, offsets = _fit(times_s, gaps)
    if _are_even(offsets, slope_s, times_s):
        jitter_s = float(np.sqrt(np.mean(offsets**2)))
        rate_hz = 1 / slope_s
        error = np.sqrt(12) * jitter_s / (slope_s * len(times_s) ** 1.5) + 1e-6
        if nominal_hz is not None and abs(nominal_hz / rate_hz - 1) <= 3 * error:
            rate_hz = nominal_hz
        return Clock(times_s, rate_hz, source, jitter_s if jitter_s > 1e-9 else 0.0, gaps)
    usual_s = _usual(intervals)
    scatter = intervals - _local_median(intervals)
    jitter_s = _MAD * float(np.median(np.abs(scatter))) / np.sqrt(2)
    return Clock(times_s, 1 / usual_s, source, jitter_s, gaps, is_even=False)


def joined_clock(clocks: Sequence[Clock]) -> Clock:
    """Clock of videos end to end, each beginning one interval after the last frame of the one before."""
    if len(clocks) == 1:
        return clocks[0]
    times, gaps, start_s, n_before = [], [], 0.0, 0
    for clock in clocks:
        times.append(clock.times_s - clock.times_s[0] + start_s)
        gaps += [replace(gap, after_frame=gap.after_frame + n_before) for gap in clock.gaps]
        start_s += clock.duration_s
        n_before += clock.n_frames
    return Clock(
        np.concatenate(times),
        common_rate_hz(clocks),
        clocks[0].source,
        max(clock.jitter_s for clock in clocks),
        tuple(gaps),
        all(clock.is_even for clock in clocks),
    )


def end_to_end(
    videos: Sequence[tuple[Float64Array | None, int, float, float]],
) -> Float64Array:
    """Lay the times of the frames of videos end to end, each video beginning where the one before ended.

    Parameters
    ----------
    videos
        Of each: (T,) seconds of its frames (None: equally spaced), T, its rate in Hz, its duration in s.
    """
    parts, start_s = [], 0.0
    for times_s, n_frames, rate_hz, duration_s in videos:
        own = np.arange(n_frames) / rate_hz if times_s is None else times_s - times_s[0]
        parts.append(start_s + own)
        start_s += duration_s
    return np.concatenate(parts)


def common_rate_hz(clocks: Sequence[Clock]) -> float:
    """Rate of videos of one camera: all their frames over all their time, or the rate they share."""
    rates = {clock.frame_rate_hz for clock in clocks}
    if len(rates) == 1:
        return rates.pop()
    n_frames = sum(clock.n_frames for clock in clocks)
    return n_frames / sum(clock.n_frames / clock.frame_rate_hz for clock in clocks)


def have_one_rate(first: Clock, other: Clock, tolerance: float) -> bool:
    """Whether two clocks have one rate, as far as a tolerance or their jitter allows.

    Parameters
    ----------
    first, other
        The clocks; a difference of 5 standard errors of their rates is what jitter explains.
    tolerance
        Difference that is allowed in any case, as a share of the rate.
    """
    explained = _SIGMAS * np.hypot(first.rate_uncertainty, other.rate_uncertainty)
    difference = abs(first.frame_rate_hz / other.frame_rate_hz - 1)
    return bool(difference <= max(tolerance, explained))


def _find_gaps(intervals: Float64Array) -> tuple[Gap, ...]:
    if intervals.max() <= _LONG * intervals.min():  # then no interval is long, whatever is usual
        return ()
    usual = _local_median(intervals)
    spread = _MAD * float(np.median(np.abs(intervals - usual)))
    long = np.flatnonzero(intervals > _LONG * usual + _SIGMAS * spread)
    missing = [round(float(intervals[i] / usual[i])) - 1 for i in long]
    return tuple(
        Gap(int(i), float(intervals[i] - usual[i]), n)
        for i, n in zip(long, missing, strict=True)
        if n > 0
    )


def _local_median(intervals: Float64Array) -> Float64Array:
    from scipy import ndimage  # slow import; a recording without long intervals needs none

    size = min(_NEIGHBOURS, len(intervals))
    median: Float64Array = ndimage.median_filter(intervals, size=size, mode="mirror")
    return median


def _usual(intervals: Float64Array) -> float:
    """Mean of the intervals near the median: a median of stamps in whole milliseconds is too coarse."""
    median = float(np.median(intervals))
    return float(intervals[np.abs(intervals - median) <= _USUAL * median].mean())


def _places(n_frames: int, gaps: tuple[Gap, ...]) -> Float64Array:
    """Place of each frame on a grid that has one for every missing frame, too."""
    steps = np.ones(n_frames)
    steps[0] = 0
    steps[[gap.after_frame + 1 for gap in gaps]] += [gap.n_missing for gap in gaps]
    return np.cumsum(steps)


def _fit(times_s: Float64Array, gaps: tuple[Gap, ...]) -> tuple[float, Float64Array]:
    """Fit one interval to all stretches; return it, and how far each frame is from its place, in s."""
    places = _places(len(times_s), gaps)
    bounds = [0, *(g.after_frame + 1 for g in gaps if not g.is_bridged), len(times_s)]
    centred = [
        (p - p.mean(), t - t.mean())
        for a, b in itertools.pairwise(bounds)
        for p, t in [(places[a:b], times_s[a:b])]
    ]
    p, t = (np.concatenate(side) for side in zip(*centred, strict=True))
    square = float(p @ p)
    slope_s = float(p @ t) / square if square else float(times_s[-1] / places[-1])
    return slope_s, t - slope_s * p


def _are_even(offsets_s: Float64Array, slope_s: float, times_s: Float64Array) -> bool:
    mean = _moving_mean(offsets_s, min(_AVERAGED, len(offsets_s)))
    if len(offsets_s) <= _LONG_AVERAGE:
        allowed = _LARGEST_OFFSET * slope_s + _SLOW_DRIFT * float(times_s[-1])
        return bool(np.abs(mean).max() <= allowed)
    # a clock that wanders slowly may be many intervals off after hours
    slow = _moving_mean(offsets_s, _LONG_AVERAGE)
    wander = np.abs(slow[_LONG_AVERAGE:] - slow[:-_LONG_AVERAGE]).max()
    fast = np.abs(mean - slow).max()
    return bool(
        fast <= _LARGEST_OFFSET * slope_s and wander <= _SLOW_DRIFT * _LONG_AVERAGE * slope_s
    )


def _moving_mean(values: Float64Array, size: int) -> Float64Array:
    """Mean of `size` values around each; beyond the ends they are mirrored."""
    n_before = size // 2
    padded = np.pad(values, (n_before, size - 1 - n_before), mode="symmetric")
    sums = np.concatenate([[0.0], np.cumsum(padded)])
    return (sums[size:] - sums[:-size]) / size
