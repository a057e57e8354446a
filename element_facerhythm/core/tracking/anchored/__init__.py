"""Tracking in which every frame is matched against a reference of each point, by itself."""

from element_facerhythm.core.tracking.anchored.settings import AnchoredSettings
from element_facerhythm.core.tracking.anchored.tracker import track_anchored

__all__ = ["AnchoredSettings", "track_anchored"]
