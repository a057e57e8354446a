"""Spectrograms of tracked points, and how face-rhythm normalises them.

With ``s[n, f, w]`` the magnitude for trace n (all x traces, then all y traces):

    a[n, f, w] = s ** exponent
    m[w]       = mean over n of (sum over f of a[n, f, w])         the whole face's power, window w
    out        = a / (factor * m[w] + (1 - factor)) * f_hz ** one_over_f

Because `m` needs every point and no other window, all points are done for one block of windows after the
other, and memory does not grow with the length of the video. Where a block of all points would be too
short to be written well, points are taken in groups, and a block is scaled in place when all of them are
there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.spectral.filter_bank import FilterBank
from element_facerhythm.core.spectral.windows import TransformOptions, kept_span
from element_facerhythm.errors import ParameterError, ProcessingError

if TYPE_CHECKING:
    import torch

BLOCK_BYTES = 96 << 20
"""Size of a block of windows."""

# Windows of a block at least: a file is written in runs of this many numbers.
_WINDOWS_PER_RUN = 1024


class ArrayLike3D(Protocol):
    """What is asked of tracked points: a shape and slices (numpy, h5py, a lazy reader)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, P, 2)."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return a slice as something numpy can take."""


@dataclass(frozen=True)
class Normalisation:
    """How spectrograms are normalised; the formula is at the top of this module.

    Attributes
    ----------
    factor
        0: windows keep their power; 1: every window has the same total power.
    spectrogram_exponent
        Power to which magnitudes are raised.
    one_over_f_exponent
        Power of the centre frequency (Hz) that multiplies each bin.
    """

    factor: float
    spectrogram_exponent: float
    one_over_f_exponent: float

    def __post_init__(self) -> None:
        """Refuse a factor outside 0 to 1.

        Raises
        ------
        ParameterError
            The factor is out of range.
        """
        if not 0 <= self.factor <= 1:
            raise ParameterError(f"normalization_factor is {self.factor}; expected 0 to 1.")


def point_spectrograms(
    points: ArrayLike3D,
    point_positions: npt.ArrayLike,
    bank: FilterBank,
    options: TransformOptions,
    normalisation: Normalisation,
    *,
    device: str | torch.device = "cpu",
    block_bytes: int = BLOCK_BYTES,
    out: Any = None,
    on_windows: Callable[[int], None] | None = None,
) -> Any:
    """Normalised spectrograms of the displacement of every point from its home.

    Parameters
    ----------
    points
        (T, P, 2) tracked positions (x, y) in pixels; read one block of frames at a time.
    point_positions
        (P, 2) home positions in pixels.
    bank, options, device
        As for `variable_q_transform`. With ``take_abs=False`` the normalisation acts on the
        magnitude and the phase is kept.
    normalisation
        Formula at the top of this module.
    block_bytes
        Size of a block of windows: memory and speed, not numbers. A block is never shorter than what
        is transformed together.
    out
        Anything of shape (2, P, F, W) to write to, such as an HDF5 dataset; None: a new array.
    on_windows
        Called with the number of windows finished so far.

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
    from element_facerhythm.core.spectral.vqt import Transform  # slow import: torch

    homes = np.asarray(point_positions, dtype=np.float32)
    _check_points(points.shape, homes.shape)
    if block_bytes < 1:
        raise ParameterError(f"block_bytes is {block_bytes}; expected at least 1.")
    n_points = homes.shape[0]
    point_bytes = _window_bytes(bank.n_freq_bins, options)
    # Not by `block_bytes`: that must not change numbers, and sums and segments round them.
    n_windows = _n_windows(points.shape[0], bank, options)
    run_bytes = point_bytes * min(n_windows, _WINDOWS_PER_RUN)
    groups = _point_groups(n_points, BLOCK_BYTES // run_bytes)
    window_bytes = point_bytes * groups[0].stop
    transform = Transform(
        bank,
        options,
        n_frames=points.shape[0],
        device=device,
        longest_segment=max(BLOCK_BYTES // window_bytes, 1),
    )
    shape = (2, n_points, bank.n_freq_bins, transform.n_windows)
    out = np.empty(shape, dtype=transform.dtype) if out is None else out
    if tuple(out.shape) != shape:
        raise ParameterError(f"out has shape {tuple(out.shape)}; expected {shape}.")
    gain = (bank.frequencies_hz.astype(np.float64) ** normalisation.one_over_f_exponent).astype(
        np.float32
    )
    for windows in transform.window_blocks(block_bytes // window_bytes):
        frames = transform.frames_for(windows)
        power = np.zeros(windows.stop - windows.start)
        for group in groups:
            traces = _displacements(points, homes, frames, group)
            block = _raise_magnitude(transform(traces, windows), normalisation.spectrogram_exponent)
            magnitude = block if options.take_abs else np.abs(block)
            power += magnitude.sum(axis=(0, 1), dtype=np.float64) / (2 * n_points)
            block = block.reshape(2, -1, *block.shape[1:])
            if len(groups) > 1:
                out[:, group, :, windows] = block
        scale = _window_scale(power, normalisation.factor, windows.start)
        for group in groups:
            if len(groups) > 1:
                block = np.asarray(out[:, group, :, windows])
            block /= scale
            block *= gain[:, None]
            out[:, group, :, windows] = block
        if on_windows is not None:
            on_windows(windows.stop)
    return out


def _check_points(points: tuple[int, ...], homes: tuple[int, ...]) -> None:
    if len(points) != 3 or points[2] != 2 or points[1] < 1:
        raise ParameterError(f"points have shape {points}; expected (n_frames, n_points, 2).")
    if homes != points[1:]:
        raise ParameterError(
            f"point_positions have shape {homes}; expected {points[1:]} to fit the points."
        )


def _n_windows(n_frames: int, bank: FilterBank, options: TransformOptions) -> int:
    span = kept_span(n_frames, bank.n_taps, options.padding)
    return span.n_windows(options.downsample_factor)


def _window_bytes(n_bins: int, options: TransformOptions) -> int:
    """Bytes of a window and point: its spectrogram, and its frames as read and as displacements."""
    return 2 * ((4 if options.take_abs else 8) * n_bins + 8 * options.downsample_factor)


def _point_groups(n_points: int, size: int) -> list[slice]:
    """Cut the points into groups of `size`; the first is the largest."""
    size = max(min(size, n_points), 1)
    return [slice(first, min(first + size, n_points)) for first in range(0, n_points, size)]


def _displacements(
    points: ArrayLike3D, homes: npt.NDArray[np.float32], frames: slice, group: slice
) -> npt.NDArray[np.float32]:
    """(2 * n, T) displacements of a group in a block of frames: all x traces, then all y traces."""
    positions = np.asarray(points[frames, group], dtype=np.float32)
    if not np.isfinite(positions).all():
        frame, point, axis = np.argwhere(~np.isfinite(positions))[0]
        raise ProcessingError(
            f"the position of point {group.start + point} in frame {frames.start + frame} is not finite "
            f"({'xy'[axis]} = {positions[frame, point, axis]}); track the video again."
        )
    displacements = np.empty((2, *positions.shape[1::-1]), dtype=np.float32)
    np.subtract(positions.transpose(2, 1, 0), homes[group].T[:, :, None], out=displacements)
    return displacements.reshape(-1, len(positions))


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


def _window_scale(
    power: npt.NDArray[np.float64], factor: float, first_window: int
) -> npt.NDArray[np.float32]:
    """(W,) divisor of every window."""
    scale = factor * power + (1 - factor)
    if not (scale > 0).all():
        window = first_window + int(np.argmin(scale))
        raise ProcessingError(
            f"no point moves in window {window}, so it cannot be normalised with "
            "normalization_factor = 1; use a factor below 1."
        )
    return scale.astype(np.float32)
