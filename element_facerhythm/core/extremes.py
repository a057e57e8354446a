"""The smallest and the largest value of each run of samples: all of a long trace that a screen can show."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]


def extremes(
    low: npt.NDArray[np.floating], high: npt.NDArray[np.floating], size: int
) -> tuple[Float32Array, Float32Array]:
    """Return the smallest of `low` and the largest of `high` in each run of samples.

    Parameters
    ----------
    low, high
        (..., n) values; the same array where they are samples, else the extremes of shorter runs. NaN is left
        out; where a run has nothing else, it is NaN.
    size
        Samples in a run; the last one may have fewer.

    Returns
    -------
    Two arrays (..., n_runs) float32.
    """
    firsts = np.arange(0, low.shape[-1], size)
    lowest = np.fmin.reduceat(low, firsts, axis=-1, dtype=np.float32)
    highest = np.fmax.reduceat(high, firsts, axis=-1, dtype=np.float32)
    return lowest, highest


def run_size(n_samples: int, n_runs: int, factor: int = 1) -> int:
    """Length of runs so that there are at most `n_runs`; a power of `factor` where that is above 1.

    Parameters
    ----------
    n_samples, n_runs
        How many samples there are, and how many runs are wanted at most.
    factor
        By which lengths go up.
    """
    if factor == 1:
        return max(-(-n_samples // max(n_runs, 1)), 1)
    size = 1
    while -(-n_samples // size) > max(n_runs, 1):
        size *= factor
    return size
