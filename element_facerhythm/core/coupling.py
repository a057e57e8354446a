"""Whether a body part moves when a component is strong.

A component says when a rhythm is strong (its loadings over time); a tracked body part says how it moved.
The part's movement is kept to the component's band, its speed averaged over the windows of the
spectrogram, and the ranks of the two are correlated at every lag up to a second or so. How often chance
gives a correlation as large is estimated by circular shifts of one of them: these keep the slow changes
of both, which alone make any two recordings of a live animal correlate (Harris 2020, "Nonsense
correlations in neuroscience", bioRxiv).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal, stats

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.errors import ParameterError

MOST_MISSING = 0.5
"""Share of the frames that may lack a position; the gaps of others are bridged by straight lines."""
LONGEST_LAG_S = 1.0
FEWEST_SHIFTS = 20
"""With fewer shifts to compare with, no p is given."""
_FILTER_ORDER = 2
_LEAST_BAND = 0.2  # of the centre frequency: half the width of the narrowest band
_HIGHEST = 0.45  # of the frame rate


@dataclass(frozen=True)
class Coupling:
    """How a body part moves with a component.

    Attributes
    ----------
    correlation
        Spearman's, at the lag where it is largest; -1 to 1.
    lag_s
        That lag; positive where the body part moves after the component.
    p_value
        Share of circular shifts that give a correlation as large at any lag searched; None where there
        are too few of them.
    n_compared_windows
        Windows compared.
    """

    correlation: float
    lag_s: float
    p_value: float | None
    n_compared_windows: int


def band_limited_speed(
    positions: Float64Array, *, frame_rate_hz: float, centre_hz: float, bandwidth_hz: float
) -> Float64Array | None:
    """Speed of a point's movement within a band, averaged over one period.

    Parameters
    ----------
    positions
        (T, D) positions; NaN where not seen.
    frame_rate_hz
        Frames per second.
    centre_hz, bandwidth_hz
        Middle of the band and its whole width; it is made 40 % of the centre wide at least.

    Returns
    -------
    (T,) float64 root mean square speed per second, or None where more than half of the positions are
    missing, or the band lies beyond what the frame rate shows.
    """
    missing: NDArray[np.bool_] = np.any(np.isnan(positions), axis=1)
    half = max(bandwidth_hz / 2, _LEAST_BAND * centre_hz)
    low, high = centre_hz - half, min(centre_hz + half, _HIGHEST * frame_rate_hz)
    low = max(low, 0.25 * centre_hz)
    period = max(round(frame_rate_hz / centre_hz), 1)
    if missing.mean() > MOST_MISSING or low >= high or len(positions) < 3 * period:
        return None
    filter_bands = signal.butter(
        _FILTER_ORDER, [low, high], btype="bandpass", fs=frame_rate_hz, output="sos"
    )
    moved = signal.sosfiltfilt(filter_bands, _bridged(positions, missing), axis=0)
    squares = (np.gradient(moved, axis=0) ** 2).sum(axis=1)
    kernel = np.ones(period) / period
    # ends are divided by what they average over
    weight = signal.oaconvolve(np.ones(len(squares)), kernel, mode="same")
    mean = signal.oaconvolve(squares, kernel, mode="same") / weight
    return np.sqrt(np.maximum(mean, 0.0)) * frame_rate_hz


def couple(
    loadings: Sequence[Float64Array],
    speeds: Sequence[Float64Array],
    window_centres: Sequence[NDArray[np.floating]],
    *,
    frame_rate_hz: float,
    longest_lag_s: float = LONGEST_LAG_S,
) -> Coupling | None:
    """Correlate a component's time course with a body part's speed.

    Parameters
    ----------
    loadings
        (W,) loadings over time, of each video.
    speeds
        (T,) speed in each frame, of each video; windows where it is NaN are left out.
    window_centres
        (W,) frames at the middle of the windows, of each video.
    frame_rate_hz
        Frames per second.
    longest_lag_s
        How far apart the two may lie.

    Returns
    -------
    Coupling, or None where one of the two does not change at all.

    Raises
    ------
    ParameterError
        Loadings and windows differ in number.
    """
    sampled, step_s = [], np.nan
    for strength, speed, centres in zip(loadings, speeds, window_centres, strict=True):
        if len(strength) != len(centres):
            raise ParameterError(
                f"a component has {len(strength)} loadings over time, its video {len(centres)} windows"
            )
        sampled.append(np.interp(centres, np.arange(len(speed)), speed))
        if len(centres) > 1:
            step_s = float(np.median(np.diff(centres))) / frame_rate_hz
    strength, speed = np.concatenate(loadings), np.concatenate(sampled)
    known = np.isfinite(speed)
    strength, speed = strength[known], speed[known]
    n = len(strength)
    ranks = [_standardised(stats.rankdata(values)) for values in (strength, speed)]
    if n < 3 or not all(map(np.any, ranks)) or not np.isfinite(step_s):
        return None
    # at shift k: how well the speed, k windows later, follows the component
    by_shift = np.fft.irfft(np.conj(np.fft.rfft(ranks[0])) * np.fft.rfft(ranks[1]), n) / n
    reach = min(int(longest_lag_s / step_s), (n - 1) // 4)
    lags = np.arange(-reach, reach + 1)
    best = int(np.argmax(by_shift[lags]))
    return Coupling(
        correlation=float(by_shift[lags][best]),
        lag_s=float(lags[best]) * step_s,
        p_value=_p_value(by_shift, reach),
        n_compared_windows=n,
    )


def _p_value(by_shift: Float64Array, reach: int) -> float | None:
    """Share of shifts that, with the lags around them, reach the correlation found without a shift."""
    n, width = len(by_shift), 2 * reach + 1
    around = np.concatenate([by_shift[-reach:], by_shift, by_shift[:reach]]) if reach else by_shift
    largest = np.lib.stride_tricks.sliding_window_view(around, width).max(axis=1)
    others = largest[width : n - width + 1]  # whose lags are none of the first's
    if len(others) < FEWEST_SHIFTS:
        return None
    return float((1 + (others >= largest[0]).sum()) / (1 + len(others)))


def _standardised(values: Float64Array) -> Float64Array:
    centred = values - values.mean()
    spread = centred.std()
    return centred / spread if spread > 0 else np.zeros_like(centred)


def _bridged(positions: Float64Array, missing: NDArray[np.bool_]) -> Float64Array:
    """Positions with straight lines over the gaps, and the nearest position before and after all."""
    if not missing.any():
        return np.asarray(positions, np.float64)
    frames = np.arange(len(positions))
    seen = frames[~missing]
    return np.stack([np.interp(frames, seen, axis[~missing]) for axis in positions.T], axis=1)
