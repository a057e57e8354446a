"""How wide the peak of a component's spectrum is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def half_power_band(
    loadings: npt.ArrayLike, frequencies_hz: npt.ArrayLike, *, exponent: float = 1.0
) -> tuple[float, float]:
    """Frequencies on either side of the largest loading at which its power has fallen to half.

    Parameters
    ----------
    loadings
        (F,) loadings of one component along the frequencies, with or without signs.
    frequencies_hz
        (F,) centre frequencies, rising and above 0.
    exponent
        Power to which magnitudes were raised before they were decomposed: loadings are magnitudes where it
        is 1, powers where it is 2.

    Returns
    -------
    Lower and upper frequency in Hz, interpolated along the logarithm; the end of the axis where the power
    stays above half until there. NaN where the loadings vanish or are not finite.
    """
    given = np.asarray(loadings)
    strengths = np.abs(given.astype(np.result_type(given, np.float64)))
    if not strengths.size or not np.isfinite(strengths).all() or not strengths.max() > 0:
        return float("nan"), float("nan")
    octaves = np.log2(np.asarray(frequencies_hz, dtype=np.float64))
    peak = int(np.argmax(strengths))
    level = float(strengths[peak]) * 0.5 ** (exponent / 2)
    below = _crossing(strengths[peak::-1], octaves[peak::-1], level)
    above = _crossing(strengths[peak:], octaves[peak:], level)
    return float(2**below), float(2**above)


def _crossing(
    strengths: npt.NDArray[np.float64], octaves: npt.NDArray[np.float64], level: float
) -> float:
    """Where strengths that begin at the peak first fall to a level; the last place where they do not."""
    lower = np.flatnonzero(strengths < level)
    if not len(lower):
        return float(octaves[-1])
    i = int(lower[0])
    part = (strengths[i - 1] - level) / (strengths[i - 1] - strengths[i])
    return float(octaves[i - 1] + part * (octaves[i] - octaves[i - 1]))
