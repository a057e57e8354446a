"""The one function that tracks many sequences side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Points
from element_facerhythm.core.tracking.batched.backends import (
    StepBackend,
    choose_backend,
    make_stepper,
)
from element_facerhythm.core.tracking.batched.sequence import TrackingSequence
from element_facerhythm.core.tracking.batched.steps import Scene
from element_facerhythm.core.tracking.batched.tracker import BatchedTracker, BatchSizes
from element_facerhythm.core.tracking.light import sample_places
from element_facerhythm.core.tracking.mesh import Mesh
from element_facerhythm.core.tracking.motion import Motion
from element_facerhythm.core.tracking.settings import TrackingSettings
from element_facerhythm.core.tracking.tracked_video import TrackedVideo
from element_facerhythm.errors import ParameterError

if TYPE_CHECKING:
    import torch


def track_side_by_side(
    sequences: Sequence[TrackingSequence],
    point_positions: Points,
    settings: TrackingSettings,
    *,
    mesh: Mesh,
    visible_mask: NDArray[np.bool_],
    device: torch.device | str = "cuda",
    backend: StepBackend | None = None,
    sizes: BatchSizes | None = None,
    on_frames: Callable[[int, int], None] | None = None,
) -> list[TrackedVideo]:
    """Track the same points through many sequences at once.

    Every sequence starts at home with its own first frame, and is tracked as `track_points` does
    with ``rewind="correct"``: its numbers are reproduced but for the order of float sums, whatever the
    other sequences contain and however much is computed at once.

    Parameters
    ----------
    sequences
        What to track, and where its points go.
    point_positions
        (P, 2) float32 home of each point, in pixels (x, y).
    settings, mesh, visible_mask
        As in `track_points`.
    device
        `cuda[:N]`, or `cpu` (for tests; `track_points` is faster there).
    backend
        `triton` (some fifty launches a step) or `torch` (some thousands); None takes Triton where it can
        be imported and the device is a GPU.
    sizes
        How much is done at once; it changes speed and memory, not results.
    on_frames
        Called with a sequence's number and how many of its frames are done, every few frames.

    Returns
    -------
    list of TrackedVideo
        One per sequence; `points` is its `out`.

    Raises
    ------
    ParameterError
        Arguments do not fit together, or ``rewind="face-rhythm"`` is asked for.
    RoiError
        Frames are not of the mask's size.
    DecodeError
        A video ends early, or a frame could not be decoded.
    ProcessingError
        The device's memory is too small for a single sequence.
    """
    import torch

    from element_facerhythm.core.tracking.batched.clahe import BatchedPreparation
    from element_facerhythm.core.tracking.batched.geometry import pyramid_geometry

    there = torch.device(device)
    chosen = choose_backend(backend, there)
    home = np.ascontiguousarray(point_positions, dtype=np.float32)
    _check(sequences, home, mesh, settings)
    height, width = visible_mask.shape
    geometry = pyramid_geometry((height, width), settings.flow)
    use_triton = chosen == "triton"
    refine_within = visible_mask if settings.refine else None
    tracker = BatchedTracker(
        make_stepper(Scene.of(home, mesh, geometry, there, refine_within), settings, chosen),
        geometry,
        BatchedPreparation(visible_mask, settings.clahe, device=there, use_triton=use_triton),
        Motion(home, mesh, settings.dynamics),
        device=there,
        sizes=sizes or BatchSizes(),
        use_triton=use_triton,
        refine=settings.refine,
        look_at=sample_places(visible_mask),
    )
    states = tracker.track(sequences, on_frames)
    return [
        TrackedVideo(
            sequence.out,
            *state.flags.coordinates(),
            state.n_processed,
            state.light.facts,
            state.light.held_frames,
        )
        for sequence, state in zip(sequences, states, strict=True)
    ]


def _check(
    sequences: Sequence[TrackingSequence], home: Points, mesh: Mesh, settings: TrackingSettings
) -> None:
    if settings.dynamics.as_face_rhythm:
        raise ParameterError(
            "rewind is 'face-rhythm', whose numbers OpenCV alone gives, on the CPU; use device 'cpu' "
            "with backend 'opencv'."
        )
    n_points = len(home)
    expected: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = [
        ("point_positions", home.shape, (n_points, 2)),
        ("mesh.rest_offsets", mesh.rest_offsets.shape, (n_points, 2)),
        ("mesh.neighbors", mesh.neighbors.shape[:1], (n_points,)),
    ]
    for number, sequence in enumerate(sequences):
        wanted = (sequence.n_frames, n_points, 2)
        expected.append((f"out of sequence {number}", tuple(sequence.out.shape), wanted))
        if sequence.frames_freeze is not None:
            freeze = sequence.frames_freeze.shape
            expected.append((f"frames_freeze of sequence {number}", freeze, wanted[:1]))
    for name, shape, wanted_shape in expected:
        if shape != wanted_shape:
            raise ParameterError(f"{name} has shape {shape}; expected {wanted_shape}.")
