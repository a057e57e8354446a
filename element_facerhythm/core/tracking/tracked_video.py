"""A video before it is tracked, and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.tracking.frames import FrameReader, OpenFrames
from element_facerhythm.core.tracking.point_store import PointArray


@dataclass(frozen=True, eq=False)
class VideoToTrack:
    """A video to track, and where its points go.

    Attributes
    ----------
    open_frames
        Called with a frame index; returns an iterator of (H, W) uint8 frames from there on.
    n_frames
        Number of frames, T.
    out
        (T, P, 2) array or dataset that the points are written to.
    frames_freeze
        (T,) bool: frames in which the flow is not followed; None for none.
    open_reader
        Opens the frames for a GPU; None reads them by `open_frames`.
    confidence
        (T, P) array or dataset that confidences are written to; None where the method has none.
    key_frames
        Frames, from 0 on, at which decoding can begin; None where that is not known.
    """

    open_frames: OpenFrames
    n_frames: int
    out: PointArray
    frames_freeze: NDArray[np.bool_] | None = None
    open_reader: Callable[[], FrameReader] | None = None
    confidence: PointArray | None = None
    key_frames: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class TrackedVideo:
    """Where the points went.

    Attributes
    ----------
    points
        (T, P, 2) float32 positions in pixels (x, y); the `out` that was given, if one was.
    violation_rows, violation_cols
        (N,) int32 frame and point of every flag: there the point did not follow the flow.
    n_frames_processed
        Frames tracked, replayed ones counted again.
    frame_light
        (T, 3) float32 per frame: mean gray level, standard deviation over pixels, mean absolute
        difference to the frame before (NaN in the first); of visible pixels, see `light`.
    held_frames
        (N,) int32 frames in which nothing was to be seen, and all points were held in place.
    confidence
        (T, P) float16, 0 to 1: how surely a point is where it is said to be; None where the method
        does not tell.
    """

    points: Any
    violation_rows: NDArray[np.int32]
    violation_cols: NDArray[np.int32]
    n_frames_processed: int
    frame_light: NDArray[np.float32]
    held_frames: NDArray[np.int32]
    confidence: Any = None
