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
class Span:
    """The samples of the full convolution that a padding mode keeps: [start, start + length)."""

    start: int
    length: int

    def n_windows(self, factor: int) -> int:
        """Count the windows of `factor` samples; the last one may be shorter."""
        return math.ceil(self.length / factor)


def check_transform_options(
    downsample_factor: int,
    padding: str,
    complex_average: str = "linear",
    averaging: str = "exact",
) -> None:
    """Raise `ParameterError` unless the options are ones that the transform knows."""
    if downsample_factor < 1:
        raise ParameterError(f"downsample_factor is {downsample_factor}; expected at least 1.")
    given = {"padding": padding, "complex_average": complex_average, "averaging": averaging}
    for name, value in given.items():
        if value not in _CHOICES[name]:
            raise ParameterError(
                f"{name} is {value!r}; expected one of {', '.join(_CHOICES[name])}."
            )


def kept_span(n_frames: int, n_taps: int, padding: Padding) -> Span:
    """Find the samples of a convolution of `n_frames` with `n_taps` that `padding` keeps."""
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
    span = kept_span(n_frames, bank.n_taps, padding)
    first = np.arange(0, span.length, downsample_factor)
    last = np.minimum(first + downsample_factor, span.length) - 1
    # Sample i of the full convolution has the filter's centre at frame i - (N - 1) / 2.
    return ((first + last) / 2 + span.start - (bank.n_taps - 1) / 2).astype(np.float32)
