"""Point tracking: optical flow, a mesh that holds points together, relaxation towards home, and replays.

In every frame each point moves with the optical flow, then a share of the way back to its place
among its mesh neighbours (`mesh_rigidity`), then a share of the way home (`relaxation`). A position
is thus a leaky sum of the flow: with relaxation r a share r of every motion is forgotten per frame,
and relaxation 0 measures displacement. A point that strays beyond a threshold is flagged together
with its neighbours for a span of frames around the event; tracking restarts at the start of that
span, and flagged points do not follow the flow.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import BoolPoints, GrayFrame, Points
from element_facerhythm.core.tracking.frames import OpenFrames, PreparedFrames
from element_facerhythm.core.tracking.light import LightWatch, Samples, sample_places
from element_facerhythm.core.tracking.lucas_kanade import Backend, OpticalFlow, make_flow
from element_facerhythm.core.tracking.mesh import Mesh
from element_facerhythm.core.tracking.motion import Motion
from element_facerhythm.core.tracking.point_store import PointArray, PointStore
from element_facerhythm.core.tracking.preparation import FramePreparation
from element_facerhythm.core.tracking.refinement import RefineWithin
from element_facerhythm.core.tracking.settings import TrackingSettings
from element_facerhythm.core.tracking.tracked_video import TrackedVideo
from element_facerhythm.core.tracking.violations import ViolationLog
from element_facerhythm.errors import ParameterError

logger = logging.getLogger(__name__)

_MAX_VAIN_REPLAYS = 100
_KEPT_FRAMES_BYTES = 256 * 2**20


def track_points(
    open_frames: OpenFrames,
    n_frames: int,
    point_positions: Points,
    settings: TrackingSettings,
    *,
    mesh: Mesh,
    visible_mask: NDArray[np.bool_],
    frames_freeze: NDArray[np.bool_] | None = None,
    start_points: Points | None = None,
    previous_frame: GrayFrame | None = None,
    backend: Backend = "compiled",
    n_threads: int = 1,
    out: PointArray | None = None,
    on_frame: Callable[[int], None] | None = None,
) -> TrackedVideo:
    """Track points through one video.

    Parameters
    ----------
    open_frames
        Called with a frame index; returns an iterator of (H, W) uint8 frames from there on. It is
        called again where a rewind goes back further than the frames that are kept.
    n_frames
        Number of frames, T.
    point_positions
        (P, 2) float32 home of each point, in pixels (x, y).
    settings
        Optical flow, local contrast, mesh, relaxation, violations.
    mesh
        Neighbours and rest offsets of the points.
    visible_mask
        (H, W) bool; pixels outside are hidden.
    frames_freeze
        (T,) bool: frames in which the flow is not followed at all; None for none.
    start_points, previous_frame
        Points (P, 2) and raw frame (H, W) uint8 that the first frame continues from, where a video
        continues another; the default starts at home with the first frame.
    backend
        `compiled`, or `opencv` for OpenCV's own numbers, which refines no match.
    n_threads
        Cores to use: half of them follow points, the others decode and prepare frames. Numbers do
        not depend on it.
    out
        (T, P, 2) array or HDF5 dataset to write to, in blocks; memory then does not grow with T.
    on_frame
        Called with the number of frames done, after every frame that was not done before.

    Returns
    -------
    TrackedVideo

    Raises
    ------
    ParameterError
        Arguments do not fit together.
    RoiError
        The frames are not of the mask's size.
    DecodeError
        The video ends early, or `open_frames` could not decode a frame.
    """
    home = np.ascontiguousarray(point_positions, dtype=np.float32)
    start = home if start_points is None else np.ascontiguousarray(start_points, dtype=np.float32)
    _check_shapes(home, start, mesh, n_frames, frames_freeze, out)
    motion = Motion(home, mesh, settings.dynamics)
    by_opencv = backend == "opencv"
    n_each = max(1, n_threads // 2)
    target = np.empty((n_frames, len(home), 2), np.float32) if out is None else out
    n_kept = settings.dynamics.n_frames_halted_before + 4
    flow = make_flow(
        settings.flow,
        backend=backend,
        prepare=FramePreparation(visible_mask, settings.clahe, by_opencv=by_opencv),
        refine_within=RefineWithin(visible_mask, mesh.neighbors) if settings.refine else None,
        n_threads=n_each,
    )
    with closing(flow):
        first_frame = None if previous_frame is None else flow.describe(previous_frame)
        with PreparedFrames(
            open_frames,
            partial(_look, flow, sample_places(visible_mask)),
            n_frames=n_frames,
            n_kept=min(n_kept, _KEPT_FRAMES_BYTES // max(4 * visible_mask.size, 1)),
            n_workers=1 if by_opencv else n_each,
        ) as frames:
            tracker = _Tracker(
                frames, n_frames, motion, frames_freeze, flow, start, first_frame, target
            )
            tracker.run(on_frame)
    rows, columns = tracker.flags.coordinates()
    light = tracker.light
    return TrackedVideo(target, rows, columns, tracker.n_processed, light.facts, light.held_frames)


class _Look(NamedTuple):
    """A frame as the flow needs it, and its gray levels at the places that `light` samples."""

    described: Any
    samples: Samples


def _look(flow: OpticalFlow, places: NDArray[np.int64], frame: GrayFrame) -> _Look:
    """Describe a frame (H, W) and take its gray levels at some places."""
    return _Look(flow.describe(frame), frame.reshape(-1).take(places, mode="clip"))


class _Tracker:
    """State of one run: the points and frame that the next step goes from, and the flags so far."""

    def __init__(
        self,
        frames: PreparedFrames,
        n_frames: int,
        motion: Motion,
        frames_freeze: BoolPoints | None,
        flow: OpticalFlow,
        start: Points,
        first_frame: Any,
        target: PointArray,
    ) -> None:
        self._frames = frames
        self._n_frames = n_frames
        self._motion, self._dynamics = motion, motion.dynamics
        self._freeze = np.zeros(n_frames, np.bool_) if frames_freeze is None else frames_freeze
        self._flow = flow
        self._start = start
        self._first_frame = first_frame
        self._store = PointStore(target, n_recent=motion.dynamics.n_frames_halted_before + 2)
        self.flags = ViolationLog(n_frames, len(motion.home))
        self.light = LightWatch(n_frames, holds_points=not motion.dynamics.as_face_rhythm)
        self._points = start
        self._frame = first_frame
        self._held_late = self.flags.row(-1)
        self._n_vain = 0
        self._n_replays = 0
        self.n_processed = 0

    def run(self, on_frame: Callable[[int], None] | None) -> None:
        """Track all frames, replays included."""
        index, n_done = 0, 0
        while index < self._n_frames:
            held = self._step(index)
            if self._must_replay(index, held):
                index = self._rewind(index)
                continue
            index += 1
            if index > n_done:
                n_done = index
                if on_frame is not None:
                    on_frame(n_done)
        self._store.flush()
        if self._n_replays:
            logger.info(
                "%d violations replayed; %d frames tracked for a video of %d",
                self._n_replays,
                self.n_processed,
                self._n_frames,
            )

    def _step(self, index: int) -> BoolPoints:
        """Move the points to one frame and store them; return which were held in place (P,)."""
        frame, samples = self._frames[index]
        if index == self.light.n_shown:
            self.light.show(samples)
        held = self._held_late if self._dynamics.as_face_rhythm else self.flags.row(index)
        if not self.light.holds(index):
            if index and self.light.last_seen(index) is None:
                self._frame = self._first_frame
            before = frame if self._frame is None else self._frame
            self._points = self._moved(before, frame, index, held)
            self._frame = frame
        self._store[index] = self._points
        self.n_processed += 1
        return held

    def _moved(self, before: Any, after: Any, index: int, held: BoolPoints) -> Points:
        if not self._freeze[index]:
            moved, found = self._flow(before, after, self._points)
            return self._motion.regularised(self._points, moved, found, held)
        if not self._dynamics.relaxation_during_freeze:
            return self._points
        nowhere = np.zeros(len(held), dtype=np.bool_)
        return self._motion.regularised(self._points, self._points.copy(), ~nowhere, nowhere)

    def _must_replay(self, index: int, held: BoolPoints) -> bool:
        """Flag the points that violate in this frame; True where a replay is to follow.

        This ends. `correct`: a replay follows only where a point violates that was not held in place in this
        frame, and flags it here; flags are never taken back, so there are at most T x P replays of
        at most `n_frames_halted_before + 1` frames. `face-rhythm`: a replay that flags nothing new may still
        help, because its points start elsewhere; after 100 of these in a row tracking goes on.
        """
        n_before = self._dynamics.n_frames_halted_before
        n_after = self._dynamics.n_frames_halted_after
        if self.light.holds(index):
            return False
        strayed = self._motion.strayed(self._points)
        if not strayed.any():
            self._held_late = self.flags.row(index)
            return False
        if self._dynamics.as_face_rhythm:
            grown = self.flags.add(index - n_before, index + n_after, strayed)
            self._held_late = self.flags.row(index)
            self._n_vain = 0 if grown else self._n_vain + 1
            return self._n_vain <= _MAX_VAIN_REPLAYS
        stop = index + max(n_after, 1)
        fresh = strayed & ~held
        self.flags.add(index - n_before, stop, fresh)
        self.flags.add(index, stop, strayed)
        return bool(fresh.any())

    def _rewind(self, index: int) -> int:
        """Go back to the start of the flagged span; return the frame to track next."""
        self._n_replays += 1
        first = max(index - self._dynamics.n_frames_halted_before, 0)
        if self._dynamics.as_face_rhythm:
            self._frame = self._frames[max(first - 1, 0)].described
            self._points = self._store[first]
            return first
        seen = self.light.last_seen(first)
        self._frame = self._first_frame if seen is None else self._frames[seen].described
        self._points = self._start if first == 0 else self._store[first - 1]
        return first


def _check_shapes(
    home: Points,
    start: Points,
    mesh: Mesh,
    n_frames: int,
    frames_freeze: NDArray[np.bool_] | None,
    out: PointArray | None,
) -> None:
    n_points = len(home)
    expected: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = [
        ("point_positions", home.shape, (n_points, 2)),
        ("start_points", start.shape, (n_points, 2)),
        ("mesh.rest_offsets", mesh.rest_offsets.shape, (n_points, 2)),
        ("mesh.neighbors", mesh.neighbors.shape[:1], (n_points,)),
    ]
    if frames_freeze is not None:
        expected.append(("frames_freeze", frames_freeze.shape, (n_frames,)))
    if out is not None:
        expected.append(("out", tuple(out.shape), (n_frames, n_points, 2)))
    for name, shape, wanted in expected:
        if shape != wanted:
            raise ParameterError(
                f"{name} has shape {shape}; expected {wanted} for {n_frames} frames and "
                f"{n_points} points."
            )
