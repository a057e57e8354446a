"""Variable-Q spectrograms of traces and of tracked points.

What needs torch or scipy is imported when first used: settings can be made without either.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from element_facerhythm.core.spectral.filter_bank import (
    FilterBank,
    filter_length,
    make_filter_bank,
)
from element_facerhythm.core.spectral.normalisation import Normalisation, point_spectrograms
from element_facerhythm.core.spectral.samples import SampledPoints, WindowsOf
from element_facerhythm.core.spectral.windows import TransformOptions, window_centres

if TYPE_CHECKING:
    from element_facerhythm.core.spectral.strides import choose_strides, expected_errors
    from element_facerhythm.core.spectral.vqt import variable_q_transform

_MODULE_OF = {
    "choose_strides": "strides",
    "expected_errors": "strides",
    "variable_q_transform": "vqt",
}

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


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
