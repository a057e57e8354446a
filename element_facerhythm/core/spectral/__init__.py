"""Variable-Q spectrograms of traces and of tracked points."""

from element_facerhythm.core.spectral.filter_bank import (
    FilterBank,
    filter_length,
    make_filter_bank,
)
from element_facerhythm.core.spectral.normalisation import Normalisation, point_spectrograms
from element_facerhythm.core.spectral.samples import SampledPoints, WindowsOf
from element_facerhythm.core.spectral.strides import choose_strides, expected_errors
from element_facerhythm.core.spectral.vqt import variable_q_transform
from element_facerhythm.core.spectral.windows import TransformOptions, window_centres

__all__ = [
    "FilterBank",
    "Normalisation",
    "SampledPoints",
    "TransformOptions",
    "WindowsOf",
    "choose_strides",
    "expected_errors",
    "filter_length",
    "make_filter_bank",
    "point_spectrograms",
    "variable_q_transform",
    "window_centres",
]
