"""Signals of the whole face, in one pass: motion energy, SVDs of motion and movie, pupil, blink, running."""

from __future__ import annotations

from element_facerhythm.core.motion.recorder import MOVIES, SignalRecorder, SignalSettings
from element_facerhythm.core.motion.regions import (
    SignalRegion,
    excluded_pixels,
    place_signal_regions,
)
from element_facerhythm.core.motion.streamed_svd import SpatialSvd, StreamedSvd, store_width

__all__ = [
    "MOVIES",
    "SignalRecorder",
    "SignalRegion",
    "SignalSettings",
    "SpatialSvd",
    "StreamedSvd",
    "excluded_pixels",
    "place_signal_regions",
    "store_width",
]
