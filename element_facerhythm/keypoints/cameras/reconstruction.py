"""Keypoints in space from calibrated cameras and what they saw: the whole of it, without files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.cameras.camera import Camera, Float64Array
from element_facerhythm.keypoints.cameras.refinement import Refinement, refine_cameras
from element_facerhythm.keypoints.cameras.triangulation import triangulate
from element_facerhythm.keypoints.cameras.views import Aligned, View, aligned, cameras_of
from element_facerhythm.keypoints.predictions import Predictions

REFINED = ("extrinsics", "intrinsics")
"""What bundle adjustment may change: where cameras stand, or focal lengths as well."""


@dataclass(frozen=True)
class ReconstructionOptions:
    """How positions in space are found.

    Attributes
    ----------
    threshold_px
        A view that is further from a position than this does not count for it.
    min_likelihood
        Keypoints that are less likely are taken as not seen, 0 to 1.
    tolerance_s
        Largest time between frames of one moment; None: half the interval of the slowest camera.
    refine
        `extrinsics` or `intrinsics` to improve the cameras by the keypoints (bundle adjustment); None leaves
        them.
    """

    threshold_px: float = 10.0
    min_likelihood: float = 0.0
    tolerance_s: float | None = None
    refine: str | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be.

        Raises
        ------
        KeypointError
            The message names the value and what is expected.
        """
        checks = (
            ("threshold", self.threshold_px, 0 < self.threshold_px < math.inf, "pixels above 0"),
            ("least likelihood", self.min_likelihood, 0 <= self.min_likelihood < 1, "0 to 1"),
            (
                "tolerance",
                self.tolerance_s,
                self.tolerance_s is None or 0 <= self.tolerance_s < math.inf,
                "seconds, 0 or more",
            ),
            ("refinement", self.refine, self.refine in (None, *REFINED), " or ".join(REFINED)),
        )
        for what, value, is_sound, expected in checks:
            if not is_sound:
                raise KeypointError(f"the {what} is {value!r}; expected {expected}")

    @property
    def facts(self) -> dict[str, Any]:
        """The options in values of JSON."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Keypoints in space, with what they were made of; T moments, I individuals, K body parts, V cameras.

    Attributes
    ----------
    positions
        (T, I, K, 3) in the unit of the calibration; NaN where fewer than two views are left.
    errors_px
        (V, T, I, K) distance of each view from the position, also of views that were left out; pixels.
    used
        (V, T, I, K) bool, views that the position was made of.
    seen
        What the cameras saw.
    cameras
        V, as they were given.
    refined
        What bundle adjustment made of them; None where it was not asked for.
    options
        How it was done.
    n_ambiguous
        Points with two positions of which it is not known which is right: NaN.
    notes
        What was left out or guessed.
    """

    positions: Float64Array
    errors_px: Float64Array
    used: NDArray[np.bool_]
    seen: Aligned
    cameras: tuple[Camera, ...]
    refined: Refinement | None
    options: ReconstructionOptions
    n_ambiguous: int
    notes: tuple[str, ...]

    @property
    def n_views(self) -> NDArray[np.int64]:
        """(T, I, K) views that each position was made of; 0 where there is none."""
        return np.asarray(self.used.sum(axis=0))

    @property
    def mean_errors_px(self) -> Float64Array:
        """(T, I, K) mean error of the views that were used; NaN where there is no position."""
        return _mean_of_used(self.errors_px, self.used)

    @property
    def likelihood(self) -> Float64Array:
        """(T, I, K) mean likelihood of the views that were used; NaN without position, or where none says."""
        return _mean_of_used(self.seen.likelihood, self.used & ~np.isnan(self.seen.likelihood))

    @property
    def frame_rate_hz(self) -> float | None:
        """Frames per second of the first camera; None with fewer than two frames."""
        times = self.seen.times_s
        return None if len(times) < 2 else 1 / float(np.median(np.diff(times)))

    def predictions(self) -> Predictions:
        """Return the positions as keypoints in space; errors and views are variables named as Anipose's."""
        numbers = self.seen.frame_numbers[0]
        in_order = np.array_equal(numbers, np.arange(len(numbers)))
        return Predictions(
            self.positions,
            self.likelihood,
            self.seen.body_parts,
            self.seen.individuals,
            "facerhythm",
            self.frame_rate_hz,
            {"error": self.mean_errors_px, "ncams": self.n_views.astype(np.float64)},
            frame_numbers=None if in_order else numbers,
            times_s=self.seen.times_s if in_order else None,
            notes=self.notes,
        )


def reconstruct(
    cameras: Sequence[Camera],
    views: Sequence[View],
    options: ReconstructionOptions | None = None,
) -> Reconstruction:
    """Find keypoints in space.

    Parameters
    ----------
    cameras
        All that are calibrated.
    views
        What two of them or more saw; the moments are those of the first one.
    options
        How; left out, with the defaults.

    Raises
    ------
    KeypointError
        Views and cameras do not fit together, no frames are of one moment, no body part is seen by two
        cameras, or there is too little to refine the cameras by.
    """
    options = options or ReconstructionOptions()
    given = cameras_of(cameras, views)
    seen = aligned(views, options.tolerance_s)
    least = _of_views(views, "min_likelihood", options.min_likelihood)
    thresholds = _of_views(views, "threshold_px", options.threshold_px)
    with np.errstate(invalid="ignore"):
        unlikely = seen.likelihood < least[:, None, None, None]
    pixels = np.where(unlikely[..., None], np.nan, seen.pixels)
    n_views, *rest, _ = pixels.shape
    flat, weights = pixels.reshape(n_views, -1, 2), seen.likelihood.reshape(n_views, -1)
    found = triangulate(given, flat, weights, threshold_px=thresholds)
    refined = None
    if options.refine is not None:
        refined = refine_cameras(
            given,
            flat,
            weights,
            found,
            with_intrinsics=options.refine == "intrinsics",
            threshold_px=float(thresholds.max()),
        )
        found = triangulate(refined.cameras, flat, weights, threshold_px=thresholds)
    notes = list(seen.notes)
    n_seen = int((np.isfinite(flat).all(axis=2).sum(axis=0) >= 2).sum())
    n_found = int(np.isfinite(found.positions).all(axis=1).sum())
    if n_found < n_seen:
        notes.append(
            f"{n_seen - n_found} of {n_seen} points that two cameras saw have no position: fewer than "
            "two views "
            f"agree within {thresholds.max():g} px, or their rays meet at too small an angle"
            + (
                f"; of {found.n_ambiguous}, two positions are as likely"
                if found.n_ambiguous
                else ""
            )
        )
    return Reconstruction(
        found.positions.reshape(*rest, 3),
        found.errors_px.reshape(n_views, *rest),
        found.used.reshape(n_views, *rest),
        seen,
        given,
        refined,
        options,
        found.n_ambiguous,
        tuple(notes),
    )


def _of_views(views: Sequence[View], name: str, shared: float) -> Float64Array:
    """(V,) a value of each view, where it has its own; else that of all."""
    own = [getattr(view, name) for view in views]
    return np.array([shared if value is None else value for value in own])


def _mean_of_used(values: Float64Array, used: NDArray[np.bool_]) -> Float64Array:
    """Mean over the views that were used; NaN where none was."""
    n_used = used.sum(axis=0)
    total = np.where(used, values, 0.0).sum(axis=0)
    return np.where(n_used > 0, total / np.maximum(n_used, 1), np.nan)
