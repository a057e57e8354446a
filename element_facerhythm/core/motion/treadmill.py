"""How a region's texture moves from frame to frame, by phase correlation: a treadmill under running feet."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_SOFT_PX = (
    2.0  # standard deviation of the low-pass, which makes the peak wide enough to interpolate
)
_LEAST_CONTRAST = 1.0  # standard deviation in gray levels; below, there is no texture
_LEAST_PEAK = 0.1  # of the peak of a picture that moves without changing


class TreadmillFlow:
    """Takes the pixels of one region frame by frame.

    Parameters
    ----------
    mask
        (h, w) bool, pixels of the region's box that belong to it; the others count as its mean.
    """

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self._mask = mask
        windows = [np.hanning(side + 2)[1:-1] for side in mask.shape]
        self._window = (windows[0][:, None] * windows[1]).astype(np.float32)
        along_y, along_x = scipy.fft.fftfreq(mask.shape[0]), scipy.fft.rfftfreq(mask.shape[1])
        distance = along_y[:, None] ** 2 + along_x**2
        self._soft = np.exp(-2 * (np.pi * _SOFT_PX) ** 2 * distance).astype(np.float32)
        self._top = float(scipy.fft.irfft2(self._soft, s=mask.shape).max())
        self._before: NDArray[np.complex64] | None = None

    def forget(self) -> None:
        """Compare the next frame with none: it does not follow the last one."""
        self._before = None

    def push(self, picture: NDArray[np.uint8]) -> tuple[float, float, float]:
        """Take the pixels (h, w) of the box; return movement along x and y in px, and the peak, 0 to 1.

        Both are NaN, and the peak 0, without a frame before, or without texture.
        """
        values = picture.astype(np.float32)
        own = values[self._mask]
        if float(own.std()) < _LEAST_CONTRAST:
            self._before = None
            return np.nan, np.nan, 0.0
        values = np.where(self._mask, values - own.mean(), 0) * self._window
        spectrum = scipy.fft.rfft2(values)
        spectrum /= np.maximum(np.abs(spectrum), 1e-6)
        before, self._before = self._before, spectrum
        if before is None:
            return np.nan, np.nan, 0.0
        correlation = scipy.fft.irfft2(spectrum * before.conj() * self._soft, s=self._mask.shape)
        peak = float(correlation.max()) / self._top
        if peak < _LEAST_PEAK:
            return np.nan, np.nan, 0.0
        row, column = np.unravel_index(int(correlation.argmax()), correlation.shape)
        y = _refined(correlation[:, column], int(row))
        x = _refined(correlation[row], int(column))
        return x, y, min(peak, 1.0)


def _refined(values: NDArray[np.floating], k: int) -> float:
    """Peak of a parabola through the logarithms of a value and its neighbours, from minus to plus half."""
    n = len(values)
    left, top, right = (max(float(values[i % n]), 1e-12) for i in (k - 1, k, k + 1))
    a, b, c = np.log(left), np.log(top), np.log(right)
    bend = a - 2 * b + c
    offset = 0.5 * (a - c) / bend if bend < 0 else 0.0
    place = k + offset
    return float(place - n if place > n / 2 else place)
