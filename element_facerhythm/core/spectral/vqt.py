"""The variable-Q transform of many traces, in blocks.

Every trace is convolved with every filter of a `FilterBank`, its magnitude (or the complex value)
taken at the full frame rate, and then averaged over `downsample_factor` frames. The average of
the magnitude is not the magnitude of a decimated signal, so the full-rate result is computed, but
never more than one block of it: long traces are cut into overlapping segments (overlap-save), each
segment is a whole number of averages long, and filters are taken a few at a time.

The signal is real, so its spectrum is needed at non-negative frequencies only, and the real and
the imaginary part of a filter are two real filters whose outputs are two real inverse transforms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.fft
import torch

from element_facerhythm.core.device import resolve_device
from element_facerhythm.core.spectral.filter_bank import FilterBank
from element_facerhythm.errors import ParameterError

Padding = Literal["valid", "same", "full"]
ComplexAverage = Literal["linear", "face-rhythm"]

_PADDINGS = ("valid", "same", "full")
_COMPLEX_AVERAGES = ("linear", "face-rhythm")
# Full-rate samples in flight at once: what fits a CPU's cache; what keeps a GPU busy.
_SAMPLES_IN_FLIGHT = {"cpu": 2**19, "cuda": 2**25}


@dataclass(frozen=True)
class _Span:
    """The samples of the full convolution that a padding mode keeps: [start, start + length)."""

    start: int
    length: int


def variable_q_transform(
    traces: npt.ArrayLike,
    bank: FilterBank,
    *,
    downsample_factor: int,
    padding: Padding,
    take_abs: bool,
    complex_average: ComplexAverage = "linear",
    device: str | torch.device = "cpu",
) -> npt.NDArray[np.float32] | npt.NDArray[np.complex64]:
    """Transform real traces.

    Parameters
    ----------
    traces
        (N, T) real values, one row per trace, or (T,).
    bank
        Filters for the traces' frame rate.
    downsample_factor
        Frames averaged into one window; the last window averages what is left.
    padding
        ``"valid"``: only where the filter lies inside the trace. ``"same"``: one sample per frame,
        zeros outside. ``"full"``: wherever filter and trace overlap.
    take_abs
        Return magnitudes (float32); otherwise complex values.
    complex_average
        How complex values are averaged: ``"linear"`` averages the complex numbers themselves;
        ``"face-rhythm"`` averages the magnitude and, separately, the wrapped phase, as the vqt
        library does (wrong wherever the phase wraps inside a window; for old numbers only).
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:n"`` or a `torch.device`.

    Returns
    -------
    (N, F, W) float32 magnitudes, or complex64 values in units of the traces.

    Raises
    ------
    ParameterError
        The traces are shorter than the filters, or an option is unknown.
    """
    check_transform_options(downsample_factor, padding, complex_average)
    array = np.atleast_2d(np.asarray(traces, dtype=np.float32))
    if array.ndim != 2:
        raise ParameterError(f"traces have shape {array.shape}; expected (n_traces, n_frames).")
    transform = Transform(
        bank,
        n_frames=array.shape[1],
        downsample_factor=downsample_factor,
        padding=padding,
        take_abs=take_abs,
        complex_average=complex_average,
        device=device,
    )
    return transform(array)


def check_transform_options(
    downsample_factor: int, padding: str, complex_average: str = "linear"
) -> None:
    """Raise `ParameterError` unless the options are ones that the transform knows."""
    if downsample_factor < 1:
        raise ParameterError(f"downsample_factor is {downsample_factor}; expected at least 1.")
    if padding not in _PADDINGS:
        raise ParameterError(f"padding is {padding!r}; expected one of {', '.join(_PADDINGS)}.")
    if complex_average not in _COMPLEX_AVERAGES:
        raise ParameterError(
            f"complex_average is {complex_average!r}; expected one of "
            f"{', '.join(_COMPLEX_AVERAGES)}."
        )


def window_centres(
    n_frames: int, bank: FilterBank, *, downsample_factor: int, padding: Padding
) -> npt.NDArray[np.float32]:
    """Mean frame index of each window of the transform.

    Parameters
    ----------
    n_frames
        Length of the traces T.
    bank, downsample_factor, padding
        As for `variable_q_transform`.

    Returns
    -------
    (W,) float32 frame indices, counted from 0; halves where the filters' length is even. Outside
    [0, T) in mode ``"full"``, where a filter's centre may lie beyond the trace.
    """
    check_transform_options(downsample_factor, padding)
    span = _kept_span(n_frames, bank.n_taps, padding)
    first = np.arange(0, span.length, downsample_factor)
    last = np.minimum(first + downsample_factor, span.length) - 1
    # Sample i of the full convolution has the filter's centre at frame i - (N - 1) / 2.
    return ((first + last) / 2 + span.start - (bank.n_taps - 1) / 2).astype(np.float32)


def _kept_span(n_frames: int, n_taps: int, padding: Padding) -> _Span:
    if n_frames < n_taps:
        raise ParameterError(
            f"a trace has {n_frames} frames and the filters have {n_taps}; use a longer video, "
            "raise the lowest frequency (F_min) or lower its quality factor (Q_lowF)."
        )
    if padding == "valid":
        return _Span(n_taps - 1, n_frames - n_taps + 1)
    if padding == "same":
        return _Span(n_taps // 2, n_frames)  # an even filter's extra sample goes to the end
    return _Span(0, n_frames + n_taps - 1)


class Transform:
    """A variable-Q transform prepared for traces of one length: filters' spectra made once.

    Parameters are those of `variable_q_transform`; call it with (N, T) float32 traces.
    """

    def __init__(
        self,
        bank: FilterBank,
        *,
        n_frames: int,
        downsample_factor: int,
        padding: Padding,
        take_abs: bool,
        complex_average: ComplexAverage = "linear",
        device: str | torch.device = "cpu",
    ) -> None:
        check_transform_options(downsample_factor, padding, complex_average)
        self._device = resolve_device(device) if isinstance(device, str) else device
        self._span = _kept_span(n_frames, bank.n_taps, padding)
        self._factor = downsample_factor
        self._take_abs = take_abs
        self._complex_average = complex_average
        self._n_overlap = bank.n_taps - 1
        self._n_fft = _transform_length(self._span.length, self._n_overlap, downsample_factor)
        # New samples per segment: a whole number of windows, so windows never straddle segments.
        self._n_hop = (self._n_fft - self._n_overlap) // downsample_factor * downsample_factor
        filters = torch.as_tensor(bank.filters, device=self._device)
        self._real_response = torch.fft.rfft(filters.real, n=self._n_fft)
        self._imag_response = torch.fft.rfft(filters.imag, n=self._n_fft)

    @property
    def n_windows(self) -> int:
        """Number of windows W."""
        return math.ceil(self._span.length / self._factor)

    @property
    def dtype(self) -> type[np.float32] | type[np.complex64]:
        """Data type of the result."""
        return np.float32 if self._take_abs else np.complex64

    def __call__(
        self, traces: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32] | npt.NDArray[np.complex64]:
        """Transform (N, T) traces into (N, F, W)."""
        n_filters = self._real_response.shape[0]
        result = np.empty((traces.shape[0], n_filters, self.n_windows), dtype=self.dtype)
        budget = _SAMPLES_IN_FLIGHT.get(self._device.type, _SAMPLES_IN_FLIGHT["cpu"])
        n_rows = max(1, budget // self._n_fft)
        for row in range(0, traces.shape[0], n_rows):
            rows = slice(row, min(row + n_rows, traces.shape[0]))
            n_at_once = max(1, n_rows // (rows.stop - rows.start))
            signal = torch.as_tensor(np.ascontiguousarray(traces[rows]), device=self._device)
            for kept in range(0, self._span.length, self._n_hop):
                spectrum = torch.fft.rfft(self._segment(signal, kept), n=self._n_fft)[:, None]
                n_kept = min(self._n_hop, self._span.length - kept)
                windows = slice(kept // self._factor, math.ceil((kept + n_kept) / self._factor))
                for first in range(0, n_filters, n_at_once):
                    bins = slice(first, min(first + n_at_once, n_filters))
                    block = self._filter(spectrum, bins, n_kept)
                    result[rows, bins, windows] = block.cpu().numpy()
        return result

    def _segment(self, signal: torch.Tensor, kept: int) -> torch.Tensor:
        """Frames that the kept samples from `kept` on depend on, zeros where there are none."""
        start = self._span.start + kept - self._n_overlap
        stop = start + self._n_fft
        segment = signal[:, max(start, 0) : max(stop, 0)]
        return torch.nn.functional.pad(segment, (max(-start, 0), 0)) if start < 0 else segment

    def _filter(self, spectrum: torch.Tensor, bins: slice, n_kept: int) -> torch.Tensor:
        # The first n_overlap samples of a circular convolution are wrapped around: dropped.
        keep = slice(self._n_overlap, self._n_overlap + n_kept)
        real = torch.fft.irfft(spectrum * self._real_response[bins], n=self._n_fft)[..., keep]
        imag = torch.fft.irfft(spectrum * self._imag_response[bins], n=self._n_fft)[..., keep]
        if self._take_abs:
            return _average(torch.hypot(real, imag), self._factor)
        if self._complex_average == "linear" or self._factor == 1:
            return torch.complex(_average(real, self._factor), _average(imag, self._factor))
        magnitude = _average(torch.hypot(real, imag), self._factor)
        return torch.polar(magnitude, _average(torch.atan2(imag, real), self._factor))


def _average(samples: torch.Tensor, factor: int) -> torch.Tensor:
    """Average the last axis over `factor` samples; the last average takes what is left."""
    if factor == 1:
        return samples
    return torch.nn.functional.avg_pool1d(
        samples, kernel_size=factor, stride=factor, ceil_mode=True, count_include_pad=False
    )


def _transform_length(n_samples: int, n_overlap: int, factor: int) -> int:
    """FFT length that makes `n_samples` cost least in segments that overlap by `n_overlap`.

    Powers of two up to a few times the overlap, or one transform of everything where that is short.
    """
    whole = math.ceil(n_samples / factor) * factor + n_overlap
    shortest = math.ceil(math.log2(n_overlap + factor))
    candidates = {2**power: 1.0 for power in range(shortest, shortest + 6)}
    if whole <= max(candidates):
        # Real transforms of odd length are slow, those of other lengths than 2^n a little slower.
        candidates.setdefault(2 * scipy.fft.next_fast_len(math.ceil(whole / 2), real=True), 1.4)

    def cost(n_fft: int) -> float:
        hop = (n_fft - n_overlap) // factor * factor
        return math.ceil(n_samples / hop) * n_fft * math.log2(n_fft) * candidates[n_fft]

    return min(candidates, key=cost)
