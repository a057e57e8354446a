"""Tracks, flags and light of a sequence as PointTracker.h5 holds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.io.h5_reader import H5Dataset, H5Group
from element_facerhythm.io.lazy import LazyArray


@dataclass(frozen=True)
class TrackingView:
    """Tracks of one video.

    Attributes
    ----------
    points
        (T, P, 2) float32, (x, y) in pixels; on disk until sliced.
    violation_rows, violation_cols
        (N,) frame and point index of each flagged entry.
    frame_light
        (T, 3) float32 gray level, contrast, and difference to the frame before, of each frame; None
        where the project does not say.
    held_frames
        (N,) frames in which nothing was to be seen and the points were held in place; None likewise.
    confidence
        (T, P) float16, 0 to 1: how surely a point is where it is said to be; on disk until sliced. None
        where the tracking does not tell.
    """

    points: LazyArray
    violation_rows: NDArray[np.int32]
    violation_cols: NDArray[np.int32]
    frame_light: NDArray[np.float32] | None
    held_frames: NDArray[np.int32] | None
    confidence: LazyArray | None = None

    def flags_by_frame(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """(N,) frame and point of each flagged entry, frames rising."""
        order = np.argsort(self.violation_rows, kind="stable")
        return self.violation_rows[order], self.violation_cols[order]


def read_tracking(file: H5Group, key: str, path: Path) -> TrackingView:
    """Read what there is of a sequence; its points stay on disk until sliced.

    Parameters
    ----------
    file
        The product, opened.
    key
        Of the sequence.
    path
        Where the product lies.

    Raises
    ------
    ProjectError
        A dataset is missing, or does not fit the tracks.
    """
    n_frames, n_points, _ = tracks(file, key).shape
    violations = file.group(f"violations/{key}")
    flagged = violations.dataset("data").numbers(1).astype(bool, copy=False)
    rows = _indices(violations.dataset("row"), flagged, n_frames)
    cols = _indices(violations.dataset("col"), flagged, n_points)
    light, held = _light(file, key, n_frames)
    confidence = None
    if "confidence" in file:
        stored = file.dataset(f"confidence/{key}")
        if stored.shape != (n_frames, n_points) or stored.dtype.kind != "f":
            stored.refuse(
                f"is {stored.dtype} of shape {stored.shape}; expected floats {(n_frames, n_points)}"
            )
        confidence = LazyArray(path, f"confidence/{key}")
    points = LazyArray(path, f"points_tracked/{key}")
    return TrackingView(points, rows, cols, light, held, confidence)


def tracks(file: H5Group, key: str) -> H5Dataset:
    """Dataset (T, P, 2) of the tracks of a sequence, unread.

    Parameters
    ----------
    file
        PointTracker.h5, opened.
    key
        Of the sequence.

    Raises
    ------
    ProjectError
        It is missing, empty, not of floats, of another shape, or larger than plausible.
    """
    tracks = file.dataset(f"points_tracked/{key}")
    tracks.require_plausible()
    if tracks.ndim != 3 or tracks.shape[2] != 2 or tracks.dtype.kind != "f" or 0 in tracks.shape:
        tracks.refuse(
            f"is {tracks.dtype} of shape {tracks.shape}; expected floats (frames, points, 2)"
        )
    return tracks


def _light(
    file: H5Group, key: str, n_frames: int
) -> tuple[NDArray[np.float32] | None, NDArray[np.int32] | None]:
    """Light of each frame of a sequence, and frames with its points held in place, where they are stored."""
    if "frame_light" not in file or "held_frames" not in file:
        return None, None
    light = file.dataset(f"frame_light/{key}")
    if light.shape != (n_frames, 3):
        light.refuse(f"has shape {light.shape}; expected {(n_frames, 3)}")
    values = light.numbers().astype(np.float32, copy=False)
    light.require_finite(values[:, :2])
    light.require_finite(values[1:])
    held = file.dataset(f"held_frames/{key}")
    every = np.ones(held.shape, np.bool_)
    return values, _indices(held, every, n_frames)


def _indices(dataset: H5Dataset, flagged: NDArray[np.bool_], n: int) -> NDArray[np.int32]:
    """Return indices below `n`, of the entries that are flagged."""
    values = dataset.numbers(1)
    if values.dtype.kind not in "iu" or values.shape != flagged.shape:
        dataset.refuse(
            f"is {values.dtype} of shape {values.shape}; expected {len(flagged)} whole numbers"
        )
    if len(values) and not (values.min() >= 0 and values.max() < n):
        dataset.refuse(f"holds indices beyond 0 to {n - 1}")
    return values.astype(np.int32, copy=False)[flagged]
