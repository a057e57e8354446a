"""Spectrograms of tracked points, and how face-rhythm normalises them.

With ``s[n, f, w]`` the magnitude for trace n (all x traces, then all y traces):

    a[n, f, w] = s ** exponent
    m[w]       = mean over n of (sum over f of a[n, f, w])         the whole face's power, window w
    out        = a / (factor * m[w] + (1 - factor)) * f_hz ** one_over_f

Because `m` needs every point, there are two passes: the first writes `a` and accumulates `m`, the
second scales in place. Each holds one block of points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from element_facerhythm.core.spectral.filter_bank import FilterBank
from element_facerhythm.core.spectral.vqt import ComplexAverage, Padding, Transform
from element_facerhythm.errors import ParameterError, ProcessingError


class ArrayLike3D(Protocol):
    """What is asked of tracked points: a shape and slices (numpy, h5py, a lazy reader)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, P, 2)."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return a slice as something numpy can take."""


def point_spectrograms(
    points: ArrayLike3D,
    point_positions: npt.ArrayLike,
    bank: FilterBank,
    *,
    downsample_factor: int,
    padding: Padding,
    take_abs: bool,
    complex_average: ComplexAverage = "linear",
    normalization_factor: float,
    spectrogram_exponent: float,
    one_over_f_exponent: float,
    device: str | torch.device = "cpu",
    points_per_block: int = 64,
    out: Any = None,
    on_points: Callable[[int], None] | None = None,
) -> Any:
    """Normalised spectrograms of the displacement of every point from its home.

    Parameters
    ----------
    points
        (T, P, 2) tracked positions (x, y) in pixels; read one block of points at a time.
    point_positions
        (P, 2) home positions in pixels.
    bank, downsample_factor, padding, take_abs, complex_average, device
        As for `variable_q_transform`. With ``take_abs=False`` the normalisation acts on the
        magnitude and the phase is kept.
    normalization_factor
        0: windows keep their power; 1: every window has the same total power.
    spectrogram_exponent
        Power to which magnitudes are raised.
    one_over_f_exponent
        Power of the centre frequency (Hz) that multiplies each bin.
    points_per_block
        Points transformed at a time: memory and speed, not numbers.
    out
        Anything of shape (2, P, F, W) to write to, such as an HDF5 dataset; None: a new array.
    on_points
        Called with the number of points transformed so far.

    Returns
    -------
    `out`: (2, P, F, W) float32 or complex64, first axis (x, y).

    Raises
    ------
    ParameterError
        Shapes do not fit, the video is shorter than the filters, or an option is out of range.
    ProcessingError
        A position is not finite, or no point moves in a window that is to be normalised fully.
    """
    homes = np.asarray(point_positions, dtype=np.float32)
    _check_points(points.shape, homes.shape)
    _check_normalisation(normalization_factor, points_per_block)
    transform = Transform(
        bank,
        n_frames=points.shape[0],
        downsample_factor=downsample_factor,
        padding=padding,
        take_abs=take_abs,
        complex_average=complex_average,
        device=device,
    )
    n_points = homes.shape[0]
    shape = (2, n_points, bank.n_freq_bins, transform.n_windows)
    out = np.empty(shape, dtype=transform.dtype) if out is None else out
    if tuple(out.shape) != shape:
        raise ParameterError(f"out has shape {tuple(out.shape)}; expected {shape}.")
    power = np.zeros(transform.n_windows)
    for block in _blocks(n_points, points_per_block):
        raised = _raise_magnitude(
            transform(_displacements(points, homes, block)), spectrogram_exponent
        )
        power += np.abs(raised).sum(axis=(0, 1), dtype=np.float64)
        out[:, block] = raised.reshape(2, -1, *shape[2:])
        if on_points is not None:
            on_points(block.stop)
    scale = _window_scale(power / (2 * n_points), normalization_factor)
    gain = (bank.frequencies_hz.astype(np.float64) ** one_over_f_exponent).astype(np.float32)
    for block in _blocks(n_points, points_per_block):
        out[:, block] = (out[:, block] / scale) * gain[:, None]
    return out


def _check_points(points: tuple[int, ...], homes: tuple[int, ...]) -> None:
    if len(points) != 3 or points[2] != 2 or points[1] < 1:
        raise ParameterError(f"points have shape {points}; expected (n_frames, n_points, 2).")
    if homes != points[1:]:
        raise ParameterError(
            f"point_positions have shape {homes}; expected {points[1:]} to fit the points."
        )


def _check_normalisation(factor: float, points_per_block: int) -> None:
    if not 0 <= factor <= 1:
        raise ParameterError(f"normalization_factor is {factor}; expected 0 to 1.")
    if points_per_block < 1:
        raise ParameterError(f"points_per_block is {points_per_block}; expected at least 1.")


def _blocks(n_points: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n_points)) for start in range(0, n_points, size)]


def _displacements(
    points: ArrayLike3D, homes: npt.NDArray[np.float32], block: slice
) -> npt.NDArray[np.float32]:
    """(2 * n, T) displacements of one block of points: all x traces, then all y traces."""
    positions = np.asarray(points[:, block], dtype=np.float32)
    if not np.isfinite(positions).all():
        frame, point, axis = np.argwhere(~np.isfinite(positions))[0]
        raise ProcessingError(
            f"the position of point {block.start + point} in frame {frame} is not finite "
            f"({'xy'[axis]} = {positions[frame, point, axis]}); track the video again."
        )
    displacements = (positions - homes[block]).transpose(2, 1, 0)
    return np.ascontiguousarray(displacements).reshape(-1, positions.shape[0])


def _raise_magnitude(spectrogram: npt.NDArray[Any], exponent: float) -> npt.NDArray[Any]:
    """Raise the magnitude to a power; the phase of complex values stays."""
    if exponent == 1:
        return spectrogram
    if not np.iscomplexobj(spectrogram):
        return spectrogram ** np.float32(exponent)
    magnitude = np.abs(spectrogram)
    with np.errstate(divide="ignore", invalid="ignore"):
        raised = spectrogram * magnitude ** np.float32(exponent - 1)
    return np.where(magnitude > 0, raised, np.zeros_like(spectrogram))


def _window_scale(power: npt.NDArray[np.float64], factor: float) -> npt.NDArray[np.float32]:
    """(W,) divisor of every window."""
    scale = factor * power + (1 - factor)
    if not (scale > 0).all():
        window = int(np.argmin(scale))
        raise ProcessingError(
            f"no point moves in window {window}, so it cannot be normalised with "
            "normalization_factor = 1; use a factor below 1."
        )
    return scale.astype(np.float32)
