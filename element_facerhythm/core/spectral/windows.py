"""Which samples of a convolution are kept, and the windows that they are averaged into."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from element_facerhythm.core.spectral.filter_bank import FilterBank
from element_facerhythm.errors import ParameterError

Padding = Literal["valid", "same", "full"]
ComplexAverage = Literal["linear", "face-rhythm"]
Averaging = Literal["fast", "exact"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "padding": ("valid", "same", "full"),
    "complex_average": ("linear", "face-rhythm"),
    "averaging": ("fast", "exact"),
}


@dataclass(frozen=True)
class TransformOptions:
    """How the output of the filters becomes windows.

    Attributes
    ----------
    downsample_factor
        Frames averaged into one window; the last window averages what is left.
    padding
        ``"valid"``: only where the filter lies inside the trace. ``"same"``: one sample per frame,
        zeros outside. ``"full"``: wherever filter and trace overlap.
    take_abs
        Magnitudes (float32); otherwise complex values.
    averaging
        How magnitudes are averaged: ``"exact"`` over every frame; ``"fast"`` over as many as are
        needed for a relative error of about 1e-3 at most, in root mean square over the windows of
        each bin. Complex values are always averaged over every frame.
    complex_average
        How complex values are averaged: ``"linear"`` averages the complex numbers themselves;
        ``"face-rhythm"`` averages the magnitude and, separately, the wrapped phase, as the vqt
        library does (wrong wherever the phase wraps inside a window; for old numbers only).
    """

    downsample_factor: int
    padding: Padding
    take_abs: bool
    averaging: Averaging = "exact"
    complex_average: ComplexAverage = "linear"

    def __post_init__(self) -> None:
        """Refuse what the transform does not know.

        Raises
        ------
        ParameterError
            A name is unknown, or the factor is below 1.
        """
        if self.downsample_factor < 1:
            raise ParameterError(
                f"downsample_factor is {self.downsample_factor}; expected at least 1."
            )
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise ParameterError(f"{name} is {value!r}; expected one of {', '.join(choices)}.")


@dataclass(frozen=True)
class Span:
    """The samples of the full convolution that a padding mode keeps: [start, start + length)."""

    start: int
    length: int

    def n_windows(self, factor: int) -> int:
        """Count the windows of `factor` samples; the last one may be shorter."""
        return math.ceil(self.length / factor)


def kept_span(n_frames: int, n_taps: int, padding: Padding) -> Span:
    """Return the samples of a convolution that a padding mode keeps.

    Parameters
    ----------
    n_frames
        Length of the trace.
    n_taps
        Length of the filters.
    padding
        See `TransformOptions`.

    Raises
    ------
    ParameterError
        The trace is shorter than the filters.
    """
    if n_frames < n_taps:
        raise ParameterError(
            f"a trace has {n_frames} frames and the filters have {n_taps}; use a longer video, "
            "raise the lowest frequency (F_min) or lower its quality factor (Q_lowF)."
        )
    if padding == "valid":
        return Span(n_taps - 1, n_frames - n_taps + 1)
    if padding == "same":
        return Span(n_taps // 2, n_frames)  # an even filter's extra sample goes to the end
    return Span(0, n_frames + n_taps - 1)


def window_centres(
    n_frames: int, bank: FilterBank, options: TransformOptions
) -> npt.NDArray[np.float32]:
    """Mean frame index of each window of the transform.

    Parameters
    ----------
    n_frames
        Length of the traces T.
    bank, options
        As for `variable_q_transform`.

    Returns
    -------
    (W,) float32 frame indices, counted from 0; halves where the filters' length is even. Outside
    [0, T) in mode ``"full"``, where a filter's centre may lie beyond the trace.
    """
    span, factor = kept_span(n_frames, bank.n_taps, options.padding), options.downsample_factor
    first = np.arange(0, span.length, factor)
    last = np.minimum(first + factor, span.length) - 1
    # Sample i of the full convolution has the filter's centre at frame i - (N - 1) / 2.
    return ((first + last) / 2 + span.start - (bank.n_taps - 1) / 2).astype(np.float32)
