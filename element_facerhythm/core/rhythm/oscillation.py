"""Amplitude, phase and frequency of a rhythm in every frame.

The displacement is kept to the rhythm's band by a Butterworth filter of second order that runs forwards and
backwards and so shifts no phase (Gustafsson 1996, IEEE Trans. Signal Process. 44:988), and made analytic by
the Hilbert transform (Gabor 1946, J. IEE 93:429): z(t) = A(t) exp(i phase(t)), whose real part is the
displacement. The frequency is the rate at which the phase advances (Boashash 1992, Proc. IEEE 80:520).
Whisking is commonly described in this way (Hill et al. 2011, Neuron 72:344).

Near a gap the filter lacks a part of the displacement, so nothing is said there: as far on either side of a
frame as 99 % of the energy of the filter's response reaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.mean_cycle import HIGHEST_SHARE, analytic_in_band, band_sections

_ENERGY = 0.99  # of the filter's response, within its reach
_FLANK = (1.2, 1.7)  # edges of the bands beside the rhythm's: times away from its own edges
_QUIET = 0.1  # quantile of the amplitude that stands for frames without the rhythm

Complex64Array = npt.NDArray[np.complex64]


@dataclass(frozen=True, eq=False)
class Oscillation:
    """A rhythm in the frames of one video.

    Attributes
    ----------
    analytic_px
        (T,) complex64; NaN where nothing is known.
    times_s
        (T,) seconds of the frames, rising.
    frame_rate_hz
        Frames per second where frames lie at equal distances between gaps, whatever the jitter of their
        times; None where the rate changes.
    """

    analytic_px: Complex64Array
    times_s: Float64Array
    frame_rate_hz: float | None = None

    @property
    def displacement_px(self) -> npt.NDArray[np.float32]:
        """(T,) displacement along the pattern, kept to the band."""
        return np.real(self.analytic_px)

    @cached_property
    def amplitude_px(self) -> npt.NDArray[np.float32]:
        """(T,) half of what it moves from one extreme to the other."""
        return np.asarray(np.abs(self.analytic_px), dtype=np.float32)

    @property
    def phase_rad(self) -> npt.NDArray[np.float32]:
        """(T,) -pi to pi; 0 where the displacement is largest, rising with time."""
        return np.asarray(np.angle(self.analytic_px), dtype=np.float32)

    @cached_property
    def frequency_hz(self) -> Float64Array:
        """(T,) cycles per second: mean of those from the frame before and to the frame after."""
        steps = self.steps_rad / (2 * np.pi * self.intervals_s)
        beside = np.stack([np.r_[np.nan, steps], np.r_[steps, np.nan]])
        known = np.isfinite(beside)
        sums, counts = np.where(known, beside, 0.0).sum(axis=0), known.sum(axis=0)
        return np.where(
            (counts > 0) & np.isfinite(self.analytic_px), sums / np.maximum(counts, 1), np.nan
        )

    @property
    def known_s(self) -> float:
        """Time between frames in which it is known."""
        known = np.isfinite(self.analytic_px)
        return float(self.intervals_s[known[1:] & known[:-1]].sum())

    @cached_property
    def intervals_s(self) -> Float64Array:
        """(T - 1,) seconds from each frame to the next, without the jitter of even frames."""
        intervals = np.diff(self.times_s)
        if self.frame_rate_hz is None:
            return intervals
        return np.maximum(np.rint(intervals * self.frame_rate_hz), 1) / self.frame_rate_hz

    @cached_property
    def steps_rad(self) -> Float64Array:
        """(T - 1,) by how much the phase advances from each frame to the next, -pi to pi."""
        values = self.analytic_px.astype(np.complex128)
        return np.asarray(np.angle(values[1:] * np.conj(values[:-1])))


def oscillation_of(
    samples: Float64Array, band_hz: tuple[float, float], rate_hz: float
) -> npt.NDArray[np.complex128]:
    """(n,) analytic signal of an uninterrupted displacement; NaN as far from its ends as the filter reaches.

    Parameters
    ----------
    samples
        (n,) displacement in px at equal distances in time, finite.
    band_hz
        Lower and upper edge.
    rate_hz
        Samples per second.
    """
    reach = filter_reach(band_hz, rate_hz)
    found = np.full(len(samples), complex(np.nan, np.nan))
    if len(samples) > 2 * reach:
        inner = slice(reach, len(samples) - reach)
        found[inner] = analytic_in_band(samples[:, None], *band_hz, rate_hz)[inner, 0]
    return found


def filter_reach(band_hz: tuple[float, float], rate_hz: float) -> int:
    """Return how many samples on either side hold 99 % of the energy of the filter's response.

    Parameters
    ----------
    band_hz
        Lower and upper edge.
    rate_hz
        Samples per second.
    """
    from scipy import signal  # slow import; readers need none

    n = int(np.ceil(8 * rate_hz / (band_hz[1] - band_hz[0])))
    impulse = np.zeros(2 * n + 1)
    impulse[n] = 1.0
    response = signal.sosfiltfilt(band_sections(*band_hz, rate_hz), impulse, padlen=0)
    energy = np.cumsum(response[n:] ** 2)
    return int(np.searchsorted(energy, _ENERGY * energy[-1])) + 1


def noise_px(
    pieces: Sequence[Float64Array],
    analytic: Sequence[npt.NDArray[np.complex128]],
    band_hz: tuple[float, float],
    rate_hz: float,
) -> float:
    """Scale of the amplitude where there is no rhythm: standard deviation of its displacement there.

    Both of two estimates can only be too large, so the smaller one is taken. The first is of the amplitude
    itself, of which one tenth lies below 0.46 of the scale where there is noise alone (Rayleigh's
    distribution); a rhythm that hardly ever pauses leaves it too few quiet frames. The second is of what
    moves beside the band, below and above, for the width of the band: other rhythms may be there.

    Parameters
    ----------
    pieces
        (n,) displacements, as of `oscillation_of`.
    analytic
        (n,) of each what `oscillation_of` made of it.
    band_hz, rate_hz
        As of `oscillation_of`.

    Returns
    -------
    float
        In px; NaN where no frame has an amplitude.
    """
    own = np.abs(np.concatenate([np.zeros(0), *analytic]))
    own = own[np.isfinite(own)]
    if not len(own):
        return float("nan")
    quiet = float(np.quantile(own, _QUIET)) / np.sqrt(-2 * np.log1p(-_QUIET))
    beside = [
        _scale_of(pieces, flank, rate_hz) / np.sqrt(flank[1] - flank[0])
        for flank in _flanks(band_hz, rate_hz)
    ]
    known = [density for density in beside if np.isfinite(density) and density > 0]
    if not known:
        return quiet
    density = float(np.exp(np.mean(np.log(known))))
    return min(quiet, density * float(np.sqrt(band_hz[1] - band_hz[0])))


def _flanks(band_hz: tuple[float, float], rate_hz: float) -> list[tuple[float, float]]:
    low, high = band_hz
    near, far = _FLANK
    below, above = (low / far, low / near), (high * near, min(high * far, HIGHEST_SHARE * rate_hz))
    return [below, above] if above[1] - above[0] > (below[1] - below[0]) / 2 else [below]


def _scale_of(
    pieces: Sequence[Float64Array], band_hz: tuple[float, float], rate_hz: float
) -> float:
    """Median amplitude in a band, as the scale of a Rayleigh distribution."""
    found = [np.abs(oscillation_of(piece, band_hz, rate_hz)) for piece in pieces]
    values = np.concatenate([np.zeros(0), *found])
    values = values[np.isfinite(values)]
    return float(np.median(values)) / np.sqrt(2 * np.log(2)) if len(values) else float("nan")
