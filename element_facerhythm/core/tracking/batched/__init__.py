"""Tracking of many sequences side by side on one device: videos, or blocks of videos."""

from element_facerhythm.core.tracking.batched.backends import StepBackend, has_triton
from element_facerhythm.core.tracking.batched.feed import FrameReader, IteratedFrames
from element_facerhythm.core.tracking.batched.sequence import TrackingSequence
from element_facerhythm.core.tracking.batched.side_by_side import track_side_by_side
from element_facerhythm.core.tracking.batched.tracker import BatchSizes

__all__ = [
    "BatchSizes",
    "FrameReader",
    "IteratedFrames",
    "StepBackend",
    "TrackingSequence",
    "has_triton",
    "track_side_by_side",
]
