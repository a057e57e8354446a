"""Facial keypoints: facemap's network, other trackers' predictions, and what can be said of tracks."""

from element_facerhythm.keypoints.predictions import Predictions

__all__ = ["Predictions"]
