"""The one function that tracks many sequences side by side."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.tracking.batched.sequence import Halting, TrackingSequence
from element_facerhythm.core.tracking.batched.steps import (
    Motion,
    Scene,
    StepBackend,
    has_triton,
    make_stepper,
)
from element_facerhythm.core.tracking.batched.tracker import BatchedTracker, BatchSizes
from element_facerhythm.core.tracking.light import sample_places
from element_facerhythm.core.tracking.mesh import Mesh
from element_facerhythm.core.tracking.settings import Points, flow_settings
from element_facerhythm.core.tracking.tracker import TrackedVideo
from element_facerhythm.errors import ParameterError

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)


def track_side_by_side(
    sequences: Sequence[TrackingSequence],
    point_positions: Points,
    *,
    mesh: Mesh,
    visible_mask: NDArray[np.bool_],
    window_px: int | Sequence[int],
    max_level: int,
    criteria: Sequence[float],
    mesh_rigidity: float,
    relaxation: float,
    clahe_clip_limit: float,
    clahe_tile_grid: tuple[int, int] | None,
    displacement_threshold_px: float,
    n_frames_halted_before: int,
    n_frames_halted_after: int,
    relaxation_during_freeze: bool = True,
    refine: bool = False,
    device: torch.device | str = "cuda",
    backend: StepBackend | None = None,
    sizes: BatchSizes | None = None,
    on_frames: Callable[[int, int], None] | None = None,
) -> list[TrackedVideo]:
    """Track the same points through many sequences at once.

    Every sequence starts at home with its own first frame, and is tracked as `track_points` does
    with ``rewind="correct"``: the numbers are those of its OpenCV arithmetic but for the order of
    float sums, whatever goes on in the other sequences and however much is done at once.

    Parameters
    ----------
    sequences
        What to track, and where its points go.
    point_positions
        (P, 2) float32 home of each point, in pixels (x, y).
    mesh, visible_mask, window_px, max_level, criteria, mesh_rigidity, relaxation, \
clahe_clip_limit, clahe_tile_grid, displacement_threshold_px, n_frames_halted_before, \
n_frames_halted_after, relaxation_during_freeze, refine
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
        Arguments do not fit together.
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
    chosen = _chosen_backend(backend, there)
    home = np.ascontiguousarray(point_positions, dtype=np.float32)
    _check(sequences, home, mesh, n_frames_halted_before, n_frames_halted_after)
    settings = flow_settings(window_px, max_level, criteria)
    height, width = visible_mask.shape
    geometry = pyramid_geometry((height, width), settings)
    use_triton = chosen == "triton"
    tracker = BatchedTracker(
        make_stepper(
            Scene.of(home, mesh, geometry, there, visible_mask if refine else None),
            Motion(
                settings, float(mesh_rigidity), float(relaxation), float(displacement_threshold_px)
            ),
            chosen,
        ),
        geometry,
        BatchedPreparation(
            visible_mask,
            clahe_clip_limit=clahe_clip_limit,
            clahe_tile_grid=clahe_tile_grid,
            device=there,
            use_triton=use_triton,
        ),
        Halting(
            home,
            mesh.neighbors,
            float(displacement_threshold_px),
            int(n_frames_halted_before),
            int(n_frames_halted_after),
            relaxation_during_freeze,
        ),
        device=there,
        sizes=sizes or BatchSizes(),
        use_triton=use_triton,
        refine=refine,
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


def _chosen_backend(backend: StepBackend | None, device: torch.device) -> StepBackend:
    if backend not in (None, "triton", "torch"):
        raise ParameterError(f"backend is {backend!r}; expected 'triton', 'torch' or None.")
    if backend is not None:
        return backend
    if device.type != "cuda":
        return "torch"
    if not has_triton():
        logger.warning(
            "Triton is not installed: the flow is computed in thousands of small launches a step. "
            "Install it with: pip install triton"
        )
        return "torch"
    return "triton"


def _check(
    sequences: Sequence[TrackingSequence], home: Points, mesh: Mesh, n_before: int, n_after: int
) -> None:
    if n_before < 0 or n_after < 0:
        raise ParameterError(
            f"framesHalted_before is {n_before}, framesHalted_after {n_after}; expected 0 or more."
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
