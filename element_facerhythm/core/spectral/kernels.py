"""The two inner loops of the transform, compiled for the CPU and in torch's operations elsewhere.

On a CPU, torch would write every intermediate array to memory; compiled, each row stays in the
cache.
"""

from __future__ import annotations

import numpy as np
import torch

from element_facerhythm.core.compiled import compiled


def fold(spectrum: torch.Tensor, response: torch.Tensor) -> torch.Tensor:
    """Multiply spectra by responses, and add the stretches that are one at the lower rate.

    Parameters
    ----------
    spectrum
        (N, s, M) complex64: s stretches of M bins.
    response
        (F, s, M) complex64.

    Returns
    -------
    (N, F, M) complex64.
    """
    if spectrum.device.type != "cpu":
        return fold_in_torch(spectrum, response)
    folded = torch.empty((len(spectrum), len(response), response.shape[2]), dtype=torch.complex64)
    _fold(spectrum.numpy(), response.numpy(), folded.numpy())
    return folded


def average_magnitude(
    values: torch.Tensor, n_per_window: int, correction: float, n_windows: int
) -> torch.Tensor:
    """Average magnitudes over windows, corrected at their ends as `strides` describes.

    Parameters
    ----------
    values
        (N, F, M) complex64; the first is the last one before the first window.
    n_per_window
        Values of a window.
    correction
        Factor of the differences across a window's ends.
    n_windows
        Windows; there must be a value after the last one.

    Returns
    -------
    (N, F, n_windows) float32.
    """
    if values.device.type != "cpu":
        return average_magnitude_in_torch(values, n_per_window, correction, n_windows)
    averages = torch.empty((*values.shape[:2], n_windows), dtype=torch.float32)
    _average_magnitude(
        values.flatten(0, 1).numpy(),
        n_per_window,
        np.float32(1 / n_per_window),
        np.float32(correction),
        averages.flatten(0, 1).numpy(),
    )
    return averages


def fold_in_torch(spectrum: torch.Tensor, response: torch.Tensor) -> torch.Tensor:
    """Add up the products of all stretches as `fold` does, on any device.

    Parameters
    ----------
    spectrum, response
        As for `fold`.
    """
    folded = spectrum[:, None, 0] * response[:, 0]
    for turn in range(1, response.shape[1]):
        folded.addcmul_(spectrum[:, None, turn], response[:, turn])
    return folded


def average_magnitude_in_torch(
    values: torch.Tensor, n_per_window: int, correction: float, n_windows: int
) -> torch.Tensor:
    """Average magnitudes over windows as `average_magnitude` does, on any device.

    Parameters
    ----------
    values, n_per_window, correction, n_windows
        As for `average_magnitude`.
    """
    kept = torch.view_as_real(values[..., : n_windows * n_per_window + 2])
    magnitude = magnitude_of(kept[..., 0], kept[..., 1])
    inner = magnitude[..., 1:-1].unflatten(-1, (-1, n_per_window)).mean(-1)
    steps = (magnitude[..., 1:] - magnitude[..., :-1])[..., ::n_per_window]
    return inner + correction * (steps[..., 1:] - steps[..., :-1])


def magnitude_of(real: torch.Tensor, imag: torch.Tensor) -> torch.Tensor:
    """Magnitude by squares: positions in pixels are far from where float32 overflows.

    Parameters
    ----------
    real, imag
        Parts of complex values, of one shape.
    """
    return (real * real).addcmul_(imag, imag).sqrt_()


@compiled
def _fold(spectrum, response, folded):  # type: ignore[no-untyped-def]
    n_turns, length = response.shape[1:]
    n_first = 2 - n_turns % 2
    for row in range(spectrum.shape[0]):
        for index in range(response.shape[0]):
            target, given, weights = folded[row, index], spectrum[row], response[index]
            # Two stretches at a time: the sum is read and written half as often.
            if n_first == 1:
                for j in range(length):
                    target[j] = given[0, j] * weights[0, j]
            else:
                for j in range(length):
                    target[j] = given[0, j] * weights[0, j] + given[1, j] * weights[1, j]
            for turn in range(n_first, n_turns, 2):
                for j in range(length):
                    target[j] += (
                        given[turn, j] * weights[turn, j]
                        + given[turn + 1, j] * weights[turn + 1, j]
                    )


@compiled
def _average_magnitude(values, n_per_window, scale, correction, averages):  # type: ignore[no-untyped-def]
    n_windows = averages.shape[1]
    magnitude = np.empty(n_windows * n_per_window + 2, np.float32)
    for row in range(values.shape[0]):
        given = values[row]
        for j in range(magnitude.size):
            magnitude[j] = np.sqrt(given[j].real * given[j].real + given[j].imag * given[j].imag)
        for window in range(n_windows):
            first = 1 + window * n_per_window
            last = first + n_per_window - 1
            total = np.float32(0)
            for j in range(first, last + 1):
                total += magnitude[j]
            ends = (magnitude[last + 1] - magnitude[last]) - (
                magnitude[first] - magnitude[first - 1]
            )
            averages[row, window] = total * scale + correction * ends
