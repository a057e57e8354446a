"""What a quantity does around events: averages over trials, with bootstrap bands and p by shuffling."""

from element_facerhythm.core.peri_event.average import (
    CircularBand,
    PeriEvent,
    peri_event,
)
from element_facerhythm.core.peri_event.samples import EventTimes, Samples, Values, frame_durations
from element_facerhythm.core.peri_event.settings import SHUFFLES, PeriEventSettings

__all__ = [
    "SHUFFLES",
    "CircularBand",
    "EventTimes",
    "PeriEvent",
    "PeriEventSettings",
    "Samples",
    "Values",
    "frame_durations",
    "peri_event",
]
