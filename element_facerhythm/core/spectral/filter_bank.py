"""The analytic filters of the variable-Q transform.

A variable-Q transform correlates a signal with windowed complex exponentials whose centre
frequencies are spaced geometrically and whose length, in cycles (the quality factor Q), changes
with frequency (Schörkhuber, Klapuri, Holighaus & Dörfler, "A Matlab toolbox for efficient perfect
reconstruction time-frequency transforms with log-frequency resolution", AES 2014). Here Q, too,
runs geometrically from `q_low` to `q_high`.

With N the common length of all filters (the smallest odd integer not below ``q_low * rate / f_min``
and not below 3) and ``L_i = int(Q_i * rate / f_i)`` the nominal window length of bin i, in frames:

    u_k   = (k / (N - 1) - 1/2) * N / L_i                  position inside the window, k = 0 ... N-1
    w_i[k] = mother(u_k) for |u_k| <= 1/2, otherwise 0     the window
    c_i[k] = w_i[k] * cos(pi * (2k / (N - 1) - 1) * f_i * N / rate)
    h_i    = analytic(c_i) / sum_k |analytic(c_i)[k]|      unit L1 norm, so a filter's gain is <= 1

Two traits of the face-rhythm filters are kept, because the same parameters must give the same
numbers: `L_i` is cut to an integer, and the wave spans N frames in N - 1 steps, so that a filter
answers most to ``f_i * N / (N - 1)``, a little above its nominal `f_i` (1 % for N = 95).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from element_facerhythm.errors import ParameterError

Symmetry = Literal["center", "left", "right"]

_SYMMETRIES = ("center", "left", "right")
# Samples on which a mother window is defined before it is stretched; part of the definition.
_MOTHER_SAMPLES = 10_000
# Standard deviation of the gaussian mother window as a fraction of its length.
_GAUSSIAN_SIGMA = 0.15


@dataclass(frozen=True)
class FilterBank:
    """Filters of one variable-Q transform.

    Attributes
    ----------
    filters
        (F, N) complex64 impulse responses of unit L1 norm, centred on sample ``(N - 1) / 2``.
    windows
        (F, N) float32 windows that shaped them.
    frequencies_hz
        (F,) float32 nominal centre frequencies, ascending.
    frame_rate_hz
        Rate for which the filters were made.
    """

    filters: npt.NDArray[np.complex64]
    windows: npt.NDArray[np.float32]
    frequencies_hz: npt.NDArray[np.float32]
    frame_rate_hz: float

    @property
    def n_taps(self) -> int:
        """Length N of every filter, in frames."""
        return int(self.filters.shape[1])

    @property
    def n_freq_bins(self) -> int:
        """Number of filters F."""
        return int(self.filters.shape[0])


def filter_length(*, frame_rate_hz: float, q_low: float, freq_min_hz: float) -> int:
    """Length in frames that every filter of a bank will have (odd, at least 3).

    Cheap: meant for checking a recording's length before any work.

    Parameters
    ----------
    frame_rate_hz
        Frames per second of the traces.
    q_low
        Window length in cycles at the lowest frequency.
    freq_min_hz
        Lowest centre frequency.
    """
    n_taps = math.ceil(q_low * (frame_rate_hz / freq_min_hz))
    return max(3, n_taps if n_taps % 2 else n_taps + 1)


def make_filter_bank(
    *,
    frame_rate_hz: float,
    q_low: float,
    q_high: float,
    freq_min_hz: float,
    freq_max_hz: float,
    n_freq_bins: int,
    window_type: str = "hann",
    symmetry: Symmetry = "center",
    taper_asymmetric: bool = True,
) -> FilterBank:
    """Make the filters described at the top of this module.

    Parameters
    ----------
    frame_rate_hz
        Frames per second of the traces.
    q_low, q_high
        Window length in cycles at the lowest and the highest frequency.
    freq_min_hz, freq_max_hz
        Lowest and highest centre frequency, both included.
    n_freq_bins
        Number of filters F.
    window_type
        ``"gaussian"`` (sigma 0.15 of the window) or any name that `scipy.signal.get_window` takes
        without a parameter.
    symmetry
        ``"center"``: two-sided windows. ``"left"`` (``"right"``): only the first (second) half of
        each filter is kept, its centre sample included.
    taper_asymmetric
        Halve the centre sample of a one-sided window.

    Raises
    ------
    ParameterError
        A value is not finite, not positive, out of order, or above the Nyquist frequency; the
        window or the symmetry is unknown.
    """
    _check_frequencies(frame_rate_hz, freq_min_hz, freq_max_hz, n_freq_bins)
    _check_quality(q_low, q_high)
    if symmetry not in _SYMMETRIES:
        raise ParameterError(f"symmetry is {symmetry!r}; expected one of {', '.join(_SYMMETRIES)}.")
    n_taps = filter_length(frame_rate_hz=frame_rate_hz, q_low=q_low, freq_min_hz=freq_min_hz)
    frequencies = np.geomspace(freq_min_hz, freq_max_hz, num=n_freq_bins, dtype=np.float32)
    qualities = np.geomspace(q_low, q_high, num=n_freq_bins, dtype=np.float32)
    # In float32 as face-rhythm does: a product next to an integer decides the window's length.
    lengths = np.clip(qualities * (frame_rate_hz * (1 / frequencies)), 1, None).astype(np.int64)
    shapes = _stretch_window(window_type, lengths, n_taps)
    if symmetry != "center":
        shapes = _one_sided(shapes, symmetry, taper_asymmetric)
    windows = shapes.astype(np.float32)
    filters = _analytic_filters(windows, frequencies, frame_rate_hz)
    return FilterBank(filters, windows, frequencies, float(frame_rate_hz))


def _check_frequencies(rate: float, low: float, high: float, n_bins: int) -> None:
    for name, value in (("frame_rate_hz", rate), ("freq_min_hz", low), ("freq_max_hz", high)):
        if not (math.isfinite(value) and value > 0):
            raise ParameterError(f"{name} is {value}; expected a finite number above 0.")
    if low > high:
        raise ParameterError(
            f"freq_min_hz ({low}) is above freq_max_hz ({high}); expected the reverse."
        )
    if high > rate / 2:
        raise ParameterError(
            f"freq_max_hz is {high} Hz, above the Nyquist frequency of {rate / 2:g} Hz for a frame "
            f"rate of {rate:g} Hz; lower freq_max_hz (F_max) to {rate / 2:g} or less."
        )
    if n_bins < 1:
        raise ParameterError(f"n_freq_bins is {n_bins}; expected at least 1.")


def _check_quality(q_low: float, q_high: float) -> None:
    for name, value in (("q_low", q_low), ("q_high", q_high)):
        if not (math.isfinite(value) and value > 0):
            raise ParameterError(f"{name} is {value}; expected a finite number of cycles above 0.")


def _mother_window(window_type: str) -> npt.NDArray[np.float64]:
    """(10000,) samples of the window that all others are stretched from."""
    if window_type == "hann":  # the usual one; the same numbers as scipy.signal's
        return 0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, _MOTHER_SAMPLES))
    from scipy.signal import get_window  # slow import

    window: str | tuple[str, float] = window_type
    if window_type == "gaussian":
        window = ("gaussian", _GAUSSIAN_SIGMA * _MOTHER_SAMPLES)
    try:
        return np.asarray(get_window(window, _MOTHER_SAMPLES, fftbins=False), dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ParameterError(
            f"window_type is {window_type!r}: {error} Expected 'gaussian' or the name of a window "
            "without parameters, such as 'hann', 'hamming', 'blackman' or 'boxcar'."
        ) from error


def _stretch_window(
    window_type: str, lengths: npt.NDArray[np.int64], n_taps: int
) -> npt.NDArray[np.float64]:
    """(F, N) windows: the mother sampled at ``u_k``, zero outside its support."""
    from scipy.interpolate import make_interp_spline  # slow import; `filter_length` needs none

    mother = make_interp_spline(
        np.linspace(0, 1, _MOTHER_SAMPLES) - 0.5, _mother_window(window_type), k=3
    )
    positions = (np.linspace(0, 1, n_taps) - 0.5) * (n_taps / lengths[:, None])
    inside = np.abs(positions) <= 0.5
    return np.where(inside, mother(np.where(inside, positions, 0.0)), 0.0)


def _one_sided(
    windows: npt.NDArray[np.float64], symmetry: Symmetry, taper: bool
) -> npt.NDArray[np.float64]:
    n_taps = windows.shape[1]
    kept = np.arange(n_taps) <= n_taps // 2
    windows = windows * (kept if symmetry == "left" else kept[::-1])
    if taper:
        windows[:, n_taps // 2] *= 0.5
    return windows


def _analytic_filters(
    windows: npt.NDArray[np.float32], frequencies: npt.NDArray[np.float32], rate: float
) -> npt.NDArray[np.complex64]:
    n_taps = windows.shape[1]
    turns = np.linspace(-0.5, 0.5, n_taps) * (n_taps / rate)
    waves = np.cos(2 * np.pi * frequencies[:, None].astype(np.float64) * turns) * windows
    analytic = _analytic(waves)
    norms = np.abs(analytic).sum(axis=1, keepdims=True)
    return (analytic / norms).astype(np.complex64)


def _analytic(waves: npt.NDArray[np.float64]) -> npt.NDArray[np.complex128]:
    """(F, N) analytic signals, N odd: `scipy.signal.hilbert`, without the import of all of scipy.signal."""
    import scipy.fft

    n_taps = waves.shape[1]
    spectra = scipy.fft.fft(waves, axis=1)
    spectra[:, 1 : (n_taps + 1) // 2] *= 2
    spectra[:, (n_taps + 1) // 2 :] = 0
    return np.asarray(scipy.fft.ifft(spectra, axis=1))
