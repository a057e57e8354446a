"""Bouts: when a rhythm is strong, found by two thresholds of its amplitude.

A bout begins and ends where the amplitude passes the lower threshold, and reaches the higher one in between
(hysteresis): what flickers around one threshold is not cut to pieces, and what hardly passes it is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.rhythm.oscillation import Oscillation
from element_facerhythm.errors import ParameterError

_STRONG = 0.99  # quantile of the amplitude that stands for a strong rhythm


@dataclass(frozen=True)
class BoutSettings:
    """When a rhythm counts as a bout.

    By default the thresholds follow from the component's own amplitudes: a share of what is strong in it, and
    clear of its noise. Where bouts are rare the noise decides, where a rhythm hardly ever pauses the share.

    Attributes
    ----------
    high_share
        The threshold to reach, as a share of the 99th percentile of the component's amplitude; above 0, at
        most 1.
    noise_factor
        It is at least so many times the component's noise.
    high_px
        The threshold to reach in px, whatever amplitudes and noise are; None for the two above.
    low_over_high
        The threshold to stay above, as a share of the one to reach; above 0, at most 1.
    merge_gap_cycles
        Bouts that are less far apart are one; in periods of the component's frequency.
    shortest_cycles
        Bouts of fewer cycles are left out.

    Raises
    ------
    ParameterError
        A number is out of its range.
    """

    high_share: float = 0.4
    noise_factor: float = 4.0
    high_px: float | None = None
    low_over_high: float = 0.6
    merge_gap_cycles: float = 1.0
    shortest_cycles: float = 3.0

    def __post_init__(self) -> None:
        for name in ("high_share", "low_over_high"):
            self._require(name, 0 < getattr(self, name) <= 1, "above 0 and at most 1")
        for name in ("noise_factor", "merge_gap_cycles", "shortest_cycles"):
            self._require(name, 0 <= getattr(self, name) < np.inf, "of at least 0")
        if self.high_px is not None:
            self._require("high_px", 0 < self.high_px < np.inf, "of pixels above 0, or none")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ParameterError(
                f"{name}: given {getattr(self, name)}, expected a number {expected}"
            )


SETTINGS = tuple(field.name for field in fields(BoutSettings))
"""Names of all settings."""


@dataclass(frozen=True)
class Thresholds:
    """Amplitudes in px that a bout reaches, and stays above."""

    high_px: float
    low_px: float


@dataclass(frozen=True)
class Bout:
    """A stretch of time in which a rhythm is strong.

    Attributes
    ----------
    first_frame, last_frame
        Of the video.
    onset_s, offset_s
        Times of these frames.
    n_cycles
        Cycles that the phase goes through meanwhile, fractions included.
    mean_frequency_hz
        `n_cycles` over the time that they take.
    peak_frequency_hz
        Largest frequency of any cycle in it: mean over one period.
    mean_amplitude_px, peak_amplitude_px
        Of the amplitude in its frames.
    onset_phase_rad
        Phase in the first frame.
    is_cut
        It begins or ends where nothing is known of the rhythm, at a gap or an end of the video, and may be
        longer.
    """

    first_frame: int
    last_frame: int
    onset_s: float
    offset_s: float
    n_cycles: float
    mean_frequency_hz: float
    peak_frequency_hz: float
    mean_amplitude_px: float
    peak_amplitude_px: float
    onset_phase_rad: float
    is_cut: bool


def bout_thresholds(
    amplitudes_px: Sequence[npt.NDArray[np.floating]], noise_px: float, settings: BoutSettings
) -> Thresholds | None:
    """Thresholds of a component in all videos; None where it has no amplitude, or none above 0.

    Parameters
    ----------
    amplitudes_px
        (T,) of each video; NaN where not known.
    noise_px
        As of `core.rhythm.oscillation.noise_px`.
    settings
        When a rhythm counts as a bout.
    """
    if settings.high_px is not None:
        return Thresholds(settings.high_px, settings.low_over_high * settings.high_px)
    values = np.concatenate([np.zeros(0), *amplitudes_px])
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    high = max(
        settings.high_share * float(np.quantile(values, _STRONG)),
        settings.noise_factor * noise_px,
    )
    return Thresholds(high, settings.low_over_high * high) if high > 0 else None


def find_bouts(
    rhythm: Oscillation, thresholds: Thresholds, frequency_hz: float, settings: BoutSettings
) -> Iterator[Bout]:
    """Yield the bouts of a rhythm in one video, in the order of time.

    Parameters
    ----------
    rhythm
        In the frames of the video.
    thresholds
        Of the component.
    frequency_hz
        Of the component; settings in cycles that concern gaps are periods of it.
    settings
        When a rhythm counts as a bout.
    """
    amplitude = np.nan_to_num(rhythm.amplitude_px, nan=-1.0)
    known = amplitude >= 0
    first, stop = _runs(amplitude >= thresholds.low_px)
    reaches = np.r_[0, np.cumsum(amplitude >= thresholds.high_px)]
    strong = reaches[stop] > reaches[first]
    merged: list[list[int]] = []
    n_known = np.r_[0, np.cumsum(known)]
    for start, end in zip(first[strong].tolist(), stop[strong].tolist(), strict=True):
        if merged:
            last = merged[-1][1]
            apart_s = rhythm.times_s[start] - rhythm.times_s[last - 1]
            is_known = n_known[start] - n_known[last] == start - last
            if is_known and apart_s * frequency_hz < settings.merge_gap_cycles:
                merged[-1][1] = end
                continue
        merged.append([start, end])
    turns = np.r_[0.0, np.cumsum(np.nan_to_num(rhythm.steps_rad))] / (2 * np.pi)
    for start, end in merged:
        if turns[end - 1] - turns[start] >= max(settings.shortest_cycles, 1e-9):
            yield _bout(rhythm, turns, known, start, end)


def _bout(
    rhythm: Oscillation,
    turns: npt.NDArray[np.float64],
    known: npt.NDArray[np.bool_],
    start: int,
    end: int,
) -> Bout:
    times, cycles = rhythm.times_s[start:end], turns[start:end]
    even = np.r_[0.0, np.cumsum(rhythm.intervals_s[start : end - 1])]
    amplitude = rhythm.amplitude_px[start:end].astype(np.float64)
    n_cycles = float(cycles[-1] - cycles[0])
    mean_hz = n_cycles / float(even[-1])
    period = max(round((end - start - 1) / n_cycles), 1)
    each_hz = (cycles[period:] - cycles[:-period]) / (even[period:] - even[:-period])
    is_cut = start == 0 or end == len(known) or not known[start - 1] or not known[end]
    return Bout(
        first_frame=start,
        last_frame=end - 1,
        onset_s=float(times[0]),
        offset_s=float(times[-1]),
        n_cycles=n_cycles,
        mean_frequency_hz=mean_hz,
        peak_frequency_hz=float(each_hz.max()) if len(each_hz) else mean_hz,
        mean_amplitude_px=float(amplitude.mean()),
        peak_amplitude_px=float(amplitude.max()),
        onset_phase_rad=float(np.angle(rhythm.analytic_px[start])),
        is_cut=bool(is_cut),
    )


def _runs(holds: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """First entries of runs of true, and the entries after their last."""
    edges = np.diff(np.r_[False, holds, False].astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
