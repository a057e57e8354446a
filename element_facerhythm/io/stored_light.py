"""Light of the tracked frames as PointTracker.h5 holds it, and the frames in which points were held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.io.h5_reader import open_h5
from element_facerhythm.io.project import Project


@dataclass(frozen=True, eq=False)
class StoredLight:
    """Light of one sequence.

    Attributes
    ----------
    frame_light
        (T, 3) mean gray level of each frame, its standard deviation over the pixels, and the mean absolute
        difference to the frame before (NaN for the first).
    held_frames
        (N,) frames in which the tracker held its points; empty where none are told.
    """

    frame_light: NDArray[np.float32]
    held_frames: NDArray[np.int64]


def read_light(project: Project, video_index: int) -> StoredLight | None:
    """Light of one sequence; None where the project does not keep it, as face-rhythm's.

    Raises
    ------
    ProjectError
        It has another length than the tracks, or holds NaN or infinite levels.
    """
    key, n_frames = project.video_keys[video_index], project.n_frames[video_index]
    with open_h5(project.product_path("PointTracker"), "run the project again") as file:
        if f"frame_light/{key}" not in file:
            return None
        node = file.dataset(f"frame_light/{key}")
        if node.shape != (n_frames, 3):
            node.refuse(f"has shape {node.shape}; expected ({n_frames}, 3)")
        light = node.numbers(2).astype(np.float32, copy=False)
        node.require_finite(light[:, :2])
        node.require_finite(light[1:])
        held = np.zeros(0, dtype=np.int64)
        if f"held_frames/{key}" in file:
            frames = file.dataset(f"held_frames/{key}")
            held = frames.numbers(1).astype(np.int64, copy=False)
            if len(held) and not (held.min() >= 0 and held.max() < n_frames):
                frames.refuse(f"holds frames beyond 0 to {n_frames - 1}")
        return StoredLight(light, held)
