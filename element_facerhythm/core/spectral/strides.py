"""How far apart the frames may lie at which a magnitude is taken, and the error that this makes.

The output z of a narrow filter turns fast but changes slowly in magnitude, so the average of |z|
over a window of D frames can be had from a part of them. With a stride s that divides D, |z| is
taken in the middle of each run of s frames, and the n = D / s values f_0 ... f_{n-1} of a window
are averaged with a correction at its ends (the Euler-Maclaurin formula for the midpoint rule, its
derivatives as differences; the sum it replaces runs over frames, hence ``1 - 1 / s**2``):

    (f_0 + ... + f_{n-1}) / n + (1 - 1 / s**2) / (24 n) * ((f_n - f_{n-1}) - (f_0 - f_{-1}))

Its error is known beforehand for noise. If the trace is Gaussian and white over the filter's
band, z is complex Gaussian with the correlation rho(t) of the filter's own response, and the
product of two of its magnitudes has the mean (Rice, "Mathematical analysis of random noise", Bell
System Technical Journal 24, 1945)

    E |z(t1)| |z(t2)| = pi / 4 * 2F1(-1/2, -1/2; 1; |rho(t1 - t2)|**2) * E |z|**2

so that the mean square of any weighted sum of magnitudes, the difference of two averages
included, is a quadratic form in the weights. Noise is a hard case: a sum of a few tones, or an
event, has a smoother magnitude, except where two tones of equal size beat.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.special

from element_facerhythm.core.spectral.filter_bank import FilterBank

TOLERANCE = 5e-4
"""Largest expected relative error (root mean square) of a bin in the fast average."""

# Beyond this stride the inverse transforms cost next to nothing compared with the rest.
_LONGEST_STRIDE = 64


def choose_strides(
    bank: FilterBank, downsample_factor: int, tolerance: float = TOLERANCE
) -> npt.NDArray[np.int64]:
    """Find for each filter the longest stride whose expected error is small enough.

    Parameters
    ----------
    bank
        Filters.
    downsample_factor
        Frames in a window D.
    tolerance
        Largest relative root mean square error, see `expected_errors`.

    Returns
    -------
    (F,) divisors of `downsample_factor`; 1 where every frame is needed.
    """
    strides = _divisors(downsample_factor)
    errors = expected_errors(bank, downsample_factor, strides)
    allowed = np.where(errors <= tolerance, np.asarray(strides)[:, None], 1)
    return np.asarray(allowed.max(axis=0), dtype=np.int64)


def expected_errors(
    bank: FilterBank, downsample_factor: int, strides: list[int]
) -> npt.NDArray[np.float64]:
    """Relative root mean square error of each stride and filter for white Gaussian traces.

    Parameters
    ----------
    bank
        Filters.
    downsample_factor
        Frames in a window D.
    strides
        Divisors of D.

    Returns
    -------
    (len(strides), F) errors as fractions of the averages' root mean square.
    """
    n_lags = 2 * (downsample_factor + 2 * max(strides))
    means = _mean_products(bank, n_lags)
    full = _pair_counts(_full_weights(downsample_factor, 1), n_lags)
    squares = [
        _pair_counts(
            _full_weights(downsample_factor, stride) - stride_weights(downsample_factor, stride),
            n_lags,
        )
        @ means.T
        for stride in strides
    ]
    return np.sqrt(np.maximum(squares, 0) / (full @ means.T))


def end_correction(downsample_factor: int, stride: int) -> float:
    """Factor of the differences across a window's ends.

    Parameters
    ----------
    downsample_factor
        Frames in a window D.
    stride
        Frames between samples, a divisor of D.
    """
    return (1 - stride**-2) * stride / (24 * downsample_factor)


def stride_weights(downsample_factor: int, stride: int) -> npt.NDArray[np.float64]:
    """Weights of the samples of a window and its two neighbours, on a grid of half frames.

    Parameters
    ----------
    downsample_factor
        Frames in a window D.
    stride
        Frames between samples, a divisor of D.

    Returns
    -------
    (2 * (D + 2 * stride),) weights; entry 0 belongs to the time `stride` frames before the window.
    """
    n_samples = downsample_factor // stride
    weights = np.full(n_samples + 2, 1 / n_samples)
    weights[[0, -1]] = 0
    edge = end_correction(downsample_factor, stride) * np.array([1, -1])
    weights[:2] += edge
    weights[-2:] += edge[::-1]
    grid = np.zeros(2 * (downsample_factor + 2 * stride))
    grid[stride - 1 :: 2 * stride] = weights
    return grid


def _full_weights(downsample_factor: int, margin: int) -> npt.NDArray[np.float64]:
    """Weights of an average over every frame of a window, `margin` frames before and after it."""
    grid = np.zeros(2 * (downsample_factor + 2 * margin))
    grid[2 * margin : 2 * (margin + downsample_factor) : 2] = 1 / downsample_factor
    return grid


def _pair_counts(weights: npt.NDArray[np.float64], n_lags: int) -> npt.NDArray[np.float64]:
    """Sum of products of all pairs of weights at each distance (n_lags,), in half frames."""
    n_fft = scipy.fft.next_fast_len(2 * len(weights), real=True)
    spectrum = scipy.fft.rfft(weights, n_fft)
    products = scipy.fft.irfft(np.abs(spectrum) ** 2, n_fft)[: len(weights)]
    products[1:] *= 2
    return np.pad(products, (0, n_lags - len(products)))


def _mean_products(bank: FilterBank, n_lags: int) -> npt.NDArray[np.float64]:
    """Return E |z(0)| |z(t)| / E |z|**2 at t = 0, 1/2, 1 ... frames, (F, n_lags)."""
    n_fft = scipy.fft.next_fast_len(2 * max(bank.n_taps, n_lags))
    power = np.abs(scipy.fft.fft(bank.filters.astype(np.complex128), n_fft)) ** 2
    # Each band is brought to frequency 0, so that half frames lie between the frames of a slow
    # signal whatever the band; twice as many bins are half frames.
    for band in power:
        band[:] = np.roll(band, -int(np.argmax(band)))
    half = n_fft // 2
    padded = np.zeros((len(power), 2 * n_fft))
    padded[:, :half] = power[:, :half]
    padded[:, half - n_fft :] = power[:, half:]
    correlation = np.abs(scipy.fft.ifft(padded))[:, :n_lags]
    square = np.minimum((correlation / correlation[:, :1]) ** 2, 1)
    return np.asarray(np.pi / 4 * scipy.special.hyp2f1(-0.5, -0.5, 1, square))


def _divisors(number: int) -> list[int]:
    longest = min(number, _LONGEST_STRIDE)
    return [n for n in range(1, longest + 1) if number % n == 0]


def common_multiple(strides: npt.NDArray[np.int64]) -> int:
    """Smallest number that every stride divides."""
    return math.lcm(*(int(stride) for stride in strides))
