"""The mean cycle of a rhythm: how every point moves while the rhythm goes through one period.

A component says at what frequency and where the face moves, not in which order its points do. For this the
displacements are kept to a band around the frequency and made analytic, a(t) = A exp(i phase), so that the
phase of each is known in every frame. The phase of the rhythm is that of a weighted sum of them,

    s(t) = sum over points and directions of conj(u) w a(t)

with w the component's spatial loadings, and u the unit vector for which s has the largest mean square (the
first principal component of w a): a sum over loadings alone would cancel where points move in antiphase,
as the two sides of a face do along x. Then, averaged over the frames in which s is large,

    c = mean of a(t) exp(-i phase of s(t))

is for every point and direction the amplitude, and the phase against the rhythm, of what follows it; movement
that does not follow it averages out. At phase p of the rhythm the displacement is Re(c exp(i p)): an ellipse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.errors import ParameterError

Complex128Array = npt.NDArray[np.complex128]
_Analytic = Callable[[npt.NDArray[np.floating], slice | npt.NDArray[np.intp]], Complex128Array]

_FILTER_ORDER = 2
_LEAST_BAND = 0.2  # of the frequency: half the width of the narrowest band
_LOWEST = 0.25  # edge of the band: of the frequency
HIGHEST_SHARE = 0.45
"""Upper edge of a band, at most: of the frame rate."""

_FEWEST_PERIODS = 6  # of a piece; one at each end is where filters begin and is left out
_MOST_IN_SUM = 128  # coordinates with the largest loadings that the phase is found from
_FILTERED_AT_ONCE = 16  # coordinates: filters need many times the memory of a trace
_LARGE = 0.5  # quantile of the magnitude above which frames are averaged


@dataclass(frozen=True, eq=False)
class MeanCycle:
    """How points move during one period of a rhythm.

    Attributes
    ----------
    frequency_hz
        Of the rhythm.
    amplitudes_px
        (P, 2) complex amplitudes along x and y. Phase 0 is where the coordinate that takes part most is
        largest (furthest right, or furthest down).
    followed
        (P,) share of a point's movement in the band that the mean cycle is, 0 to 1; 0 where it does not move.
    n_averaged_frames, n_cycle_frames
        Frames that were averaged, and frames that there were.
    """

    frequency_hz: float
    amplitudes_px: Complex128Array
    followed: Float64Array
    n_averaged_frames: int
    n_cycle_frames: int

    def path(self, n_phases: int = 32) -> Float64Array:
        """(n_phases, P, 2) displacements in px at equal steps of the phase, from 0."""
        phases = 2 * np.pi * np.arange(n_phases) / n_phases
        return np.real(self.amplitudes_px * np.exp(1j * phases)[:, None, None])

    @property
    def reach_px(self) -> Float64Array:
        """(P,) largest distance of each point from the middle of its path."""
        squares = np.abs(self.amplitudes_px) ** 2
        size = squares.sum(axis=1)
        cross = np.abs((self.amplitudes_px**2).sum(axis=1))
        return np.sqrt((size + cross) / 2)


def mean_cycle(
    pieces: Sequence[npt.ArrayLike],
    loadings: npt.ArrayLike,
    *,
    frame_rate_hz: float,
    frequency_hz: float,
    band_hz: tuple[float, float] | None = None,
) -> MeanCycle:
    """Average the movement of points over the periods of a rhythm; see the top of this module.

    Parameters
    ----------
    pieces
        Displacements (T, P, 2) in px, finite, of uninterrupted pieces of a recording. Pieces shorter than six
        periods are left out.
    loadings
        (2, P) loadings of the component along x and y, or (1, P) of both; magnitudes are taken.
    frame_rate_hz
        Frames per second.
    frequency_hz
        Of the rhythm.
    band_hz
        Lower and upper edge of the band; widened to 20 % of the frequency on either side, and cut where
        the frame rate shows nothing more. None takes these 20 %.

    Returns
    -------
    MeanCycle
        Of all points.

    Raises
    ------
    ParameterError
        Shapes differ, the frequency lies beyond what the frame rate shows, all pieces are too short, or no
        point with a loading moves in the band.
    """
    weights = _weights(loadings)
    low, high = band_around(frequency_hz, band_hz, frame_rate_hz)
    fewest = fewest_frames(frame_rate_hz, frequency_hz)
    margin = int(np.ceil(frame_rate_hz / frequency_hz))
    given = [np.asarray(piece) for piece in pieces]
    for piece in given:
        if piece.shape[1:] != weights.shape:
            raise ParameterError(
                f"displacements have shape {piece.shape}; expected (frames, {len(weights)}, 2), as many "
                "points as there are loadings."
            )
    used = [piece for piece in given if len(piece) >= fewest]
    if not used:
        longest = max(map(len, given), default=0)
        raise ParameterError(
            f"the longest piece has {longest} frames; a mean cycle at {frequency_hz:.3g} Hz needs {fewest}, "
            f"{_FEWEST_PERIODS} periods."
        )
    chosen = np.argsort(-weights.ravel(), kind="stable")[:_MOST_IN_SUM]
    chosen = chosen[weights.ravel()[chosen] > 0]

    def analytic(
        piece: npt.NDArray[np.floating], columns: slice | npt.NDArray[np.intp]
    ) -> Complex128Array:
        flat = piece.reshape(len(piece), -1)[:, columns]
        return analytic_in_band(flat, low, high, frame_rate_hz)[margin:-margin]

    parts = [analytic(piece, chosen) * weights.ravel()[chosen] for piece in used]
    rhythms = _first_component(parts)
    return _averaged(used, rhythms, analytic, frequency_hz, weights)


def fewest_frames(frame_rate_hz: float, frequency_hz: float) -> int:
    """Frames that a piece needs to be averaged.

    Parameters
    ----------
    frame_rate_hz
        Frames per second.
    frequency_hz
        Of the rhythm.

    Raises
    ------
    ParameterError
        The frequency is none.
    """
    _require_frequency(frequency_hz)
    return int(np.ceil(_FEWEST_PERIODS * frame_rate_hz / frequency_hz))


def _require_frequency(frequency_hz: float) -> None:
    if not np.isfinite(frequency_hz) or frequency_hz <= 0:
        raise ParameterError(f"the frequency is {frequency_hz} Hz; expected a number above 0.")


def _weights(loadings: npt.ArrayLike) -> Float64Array:
    """(P, 2) magnitudes of loadings."""
    given = np.abs(np.asarray(loadings)).astype(np.float64)
    if given.ndim != 2 or len(given) not in (1, 2):
        raise ParameterError(
            f"loadings have shape {given.shape}; expected (2, points) or (1, points)."
        )
    if not np.isfinite(given).all() or not given.any():
        raise ParameterError(
            "the loadings are zero everywhere, or not finite: no point takes part."
        )
    return np.ascontiguousarray(np.broadcast_to(given, (2, given.shape[1])).T)


def band_around(
    frequency_hz: float, band_hz: tuple[float, float] | None, frame_rate_hz: float
) -> tuple[float, float]:
    """Band in which a rhythm is looked for.

    Parameters
    ----------
    frequency_hz, band_hz, frame_rate_hz
        As of `mean_cycle`.

    Returns
    -------
    Lower and upper edge in Hz.

    Raises
    ------
    ParameterError
        The frequency is none, or too fast for the frame rate.
    """
    _require_frequency(frequency_hz)
    given = (frequency_hz, frequency_hz) if band_hz is None else band_hz
    low = max(min(given[0], (1 - _LEAST_BAND) * frequency_hz), _LOWEST * frequency_hz)
    high = min(max(given[1], (1 + _LEAST_BAND) * frequency_hz), HIGHEST_SHARE * frame_rate_hz)
    if high <= frequency_hz:
        raise ParameterError(
            f"{frequency_hz:.3g} Hz is too fast for a mean cycle at {frame_rate_hz:.4g} frames per second; "
            f"expected less than {HIGHEST_SHARE * frame_rate_hz:.3g} Hz."
        )
    return low, high


def analytic_in_band(
    traces: npt.NDArray[np.floating], low_hz: float, high_hz: float, rate_hz: float
) -> Complex128Array:
    """(T, n) analytic signals of traces kept to a band; no phase is shifted.

    Parameters
    ----------
    traces
        (T, n) at equal distances in time, finite.
    low_hz, high_hz
        Edges of the band.
    rate_hz
        Samples per second.
    """
    from scipy import signal  # slow import; readers need none

    sections = band_sections(low_hz, high_hz, rate_hz)
    analytic = np.empty(traces.shape, np.complex128)
    for first in range(0, traces.shape[1], _FILTERED_AT_ONCE):
        own = traces[:, first : first + _FILTERED_AT_ONCE].astype(np.float64)
        kept = signal.sosfiltfilt(sections, own - own.mean(axis=0), axis=0)
        analytic[:, first : first + _FILTERED_AT_ONCE] = signal.hilbert(kept, axis=0)
    return analytic


def band_sections(low_hz: float, high_hz: float, rate_hz: float) -> Float64Array:
    """Second-order sections of the band's Butterworth filter, to be run forwards and backwards.

    Parameters
    ----------
    low_hz, high_hz
        Edges of the band.
    rate_hz
        Samples per second.
    """
    from scipy import signal

    return np.asarray(
        signal.butter(_FILTER_ORDER, [low_hz, high_hz], "bandpass", fs=rate_hz, output="sos")
    )


def _first_component(parts: Sequence[Complex128Array]) -> list[Complex128Array]:
    """(T,) sum of the columns of each part, weighted so that its mean square is largest."""
    products = np.sum([part.conj().T @ part for part in parts], axis=0)
    values, vectors = np.linalg.eigh(products)
    if not values[-1] > 0:
        raise ParameterError("no point that takes part moves in this band.")
    return [part @ vectors[:, -1] for part in parts]


def _averaged(
    pieces: Sequence[npt.NDArray[np.floating]],
    rhythms: Sequence[Complex128Array],
    analytic: _Analytic,
    frequency_hz: float,
    weights: Float64Array,
) -> MeanCycle:
    """Average all points over the frames in which the rhythm is strong."""
    threshold = np.quantile(np.abs(np.concatenate(rhythms)), _LARGE)
    n_points = len(weights)
    total = np.zeros(2 * n_points, np.complex128)
    power = np.zeros(2 * n_points)
    n_averaged = 0
    for piece, rhythm in zip(pieces, rhythms, strict=True):
        strong = np.abs(rhythm) >= threshold
        turns = np.exp(-1j * np.angle(rhythm[strong]))
        n_averaged += int(strong.sum())
        for first in range(0, 2 * n_points, _MOST_IN_SUM):  # no more of them in memory at a time
            columns = slice(first, first + _MOST_IN_SUM)
            movement = analytic(piece, columns)[strong]
            total[columns] += turns @ movement
            power[columns] += (np.abs(movement) ** 2).sum(axis=0)
    amplitudes = (total / n_averaged).reshape(n_points, 2)
    powers = (power / n_averaged).reshape(n_points, 2).sum(axis=1)
    explained = (np.abs(amplitudes) ** 2).sum(axis=1)
    leading = np.argmax(np.abs(amplitudes) * weights)
    amplitudes = amplitudes * np.exp(-1j * np.angle(amplitudes.ravel()[leading]))
    return MeanCycle(
        frequency_hz=float(frequency_hz),
        amplitudes_px=amplitudes,
        followed=np.clip(explained / np.where(powers > 0, powers, np.inf), 0, 1),
        n_averaged_frames=n_averaged,
        n_cycle_frames=sum(map(len, pieces)),
    )
