"""Tracking of points on a face: optical flow, a mesh, relaxation towards home, and replays of violations."""

from element_facerhythm.core.tracking.lucas_kanade import OpenCvFlow, OpticalFlow, make_flow
from element_facerhythm.core.tracking.mesh import Mesh, make_mesh, mesh_offsets
from element_facerhythm.core.tracking.preparation import FramePreparation
from element_facerhythm.core.tracking.refinement import RefineWithin
from element_facerhythm.core.tracking.settings import (
    ClaheSettings,
    FlowSettings,
    PointDynamics,
    TrackingSettings,
    flow_settings,
)
from element_facerhythm.core.tracking.tracked_video import TrackedVideo, VideoToTrack
from element_facerhythm.core.tracking.tracker import track_points

__all__ = [
    "ClaheSettings",
    "FlowSettings",
    "FramePreparation",
    "Mesh",
    "OpenCvFlow",
    "OpticalFlow",
    "PointDynamics",
    "RefineWithin",
    "TrackedVideo",
    "TrackingSettings",
    "VideoToTrack",
    "flow_settings",
    "make_flow",
    "make_mesh",
    "mesh_offsets",
    "track_points",
]
