"""Bundle adjustment: where cameras stand (and their focal lengths), improved by the points that they saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.sparse import csr_matrix

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.cameras.camera import Camera, Float64Array
from element_facerhythm.keypoints.cameras.triangulation import Triangulated

_MAX_POINTS = 2000
_MIN_POINTS = 20
_MAX_EVALUATIONS = 200
_ROBUST_PX = 1.0
"""Errors above this count less and less, so that single wrong keypoints do not turn a camera."""


@dataclass(frozen=True, eq=False)
class Refinement:
    """Cameras that fit the points better.

    Attributes
    ----------
    cameras
        V; the first stands where it stood, and the second as far from it, since nothing in the frames says
        where the whole is, or how large.
    n_points
        Points that they were fitted to.
    error_before_px, error_after_px
        Median distance between what cameras saw of these points and where it should have been seen.
    """

    cameras: tuple[Camera, ...]
    n_points: int
    error_before_px: float
    error_after_px: float


def refine_cameras(
    cameras: Sequence[Camera],
    pixels: Float64Array,
    weights: Float64Array,
    found: Triangulated,
    *,
    with_intrinsics: bool,
    threshold_px: float,
) -> Refinement:
    """Fit the cameras and up to 2000 of the points together.

    Parameters
    ----------
    cameras
        V, as they were calibrated.
    pixels, weights
        (V, N, 2) and (V, N), as of `triangulate`.
    found
        What these cameras gave.
    with_intrinsics
        Whether focal lengths and principal points are fitted, too.
    threshold_px
        Views that are further from a point are not of it.

    Raises
    ------
    KeypointError
        Fewer than 20 points have a position, or a camera sees too few of them; or the fit does not end.
    """
    chosen = _spread(found.used)
    shared = found.used[:, chosen].sum(axis=1)
    if len(chosen) < _MIN_POINTS or shared.min() < _MIN_POINTS:
        lacking = cameras[int(shared.argmin())].name if len(shared) else ""
        raise KeypointError(
            f"cameras are refined by {_MIN_POINTS} points or more that each of them sees with another "
            "one; there "
            f"are {len(chosen)}, and {lacking} sees {int(shared.min())}: leave --refine out, or raise "
            "the threshold "
            f"({threshold_px:g} px) if the calibration is far off"
        )
    said = np.where(np.isnan(weights), 1.0, np.clip(weights, 0, 1))
    problem = _Problem(
        cameras, pixels[:, chosen], said[:, chosen], found.used[:, chosen], with_intrinsics
    )
    start = problem.packed(found.positions[chosen])
    fit = least_squares(
        problem.residuals,
        start,
        jac=problem.slopes,
        x_scale="jac",
        loss="soft_l1",
        f_scale=_ROBUST_PX,
        max_nfev=_MAX_EVALUATIONS,
    )
    if fit.status <= 0:
        raise KeypointError(
            f"the cameras cannot be refined: after {fit.nfev} evaluations the fit has not ended; leave "
            "--refine out, "
            "or calibrate again"
        )
    return Refinement(
        problem.cameras(fit.x, like_first=cameras),
        len(chosen),
        problem.median_error(start),
        problem.median_error(fit.x),
    )


def _spread(used: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Points that two cameras or more see, evenly from all of them, those that few cameras see included."""
    there = np.flatnonzero(used.sum(axis=0) >= 2)
    if len(there) <= _MAX_POINTS:
        return there
    return there[np.linspace(0, len(there) - 1, _MAX_POINTS).astype(np.int64)]


class _Problem:
    """Least squares over cameras and points, as vectors."""

    def __init__(
        self,
        cameras: Sequence[Camera],
        pixels: Float64Array,
        weights: Float64Array,
        used: NDArray[np.bool_],
        with_intrinsics: bool,
    ) -> None:
        self._cameras, self._with_intrinsics = cameras, with_intrinsics
        self._per_camera = 10 if with_intrinsics else 6
        self._view, self._point = np.nonzero(used)
        self._pixels = pixels[self._view, self._point]
        self._root = np.sqrt(np.maximum(weights[self._view, self._point], 1e-3))
        self._n_points = pixels.shape[1]

    def packed(self, positions: Float64Array) -> Float64Array:
        """One vector of the cameras' parameters and the positions."""
        own = [np.concatenate([c.rotation, c.translation, c.intrinsics]) for c in self._cameras]
        return np.concatenate([*(p[: self._per_camera] for p in own), positions.ravel()])

    def _unpacked(self, vector: Float64Array) -> tuple[list[Camera], Float64Array]:
        n, size = len(self._cameras), self._per_camera
        cameras = []
        for camera, own in zip(self._cameras, vector[: n * size].reshape(n, size), strict=True):
            matrix = camera.matrix.copy()
            if self._with_intrinsics:
                matrix[(0, 1, 0, 1), (0, 1, 2, 2)] = own[6:]
            cameras.append(replace(camera, rotation=own[:3], translation=own[3:6], matrix=matrix))
        return cameras, vector[n * size :].reshape(-1, 3)

    def _away(self, vector: Float64Array) -> Float64Array:
        """(M, 2) distances of M observations, pixels; large behind a camera."""
        cameras, positions = self._unpacked(vector)
        away = np.empty((len(self._view), 2))
        for v, camera in enumerate(cameras):
            own = self._view == v
            away[own] = camera.project(positions[self._point[own]]) - self._pixels[own]
        return np.nan_to_num(away, nan=1e6)

    def residuals(self, vector: Float64Array) -> Float64Array:
        """(2 M,) distances times the root of the likelihood."""
        return (self._away(vector) * self._root[:, None]).ravel()

    def median_error(self, vector: Float64Array) -> float:
        """Median distance in pixels."""
        return float(np.median(np.linalg.norm(self._away(vector), axis=1)))

    def slopes(self, vector: Float64Array) -> csr_matrix:
        """(2 M, parameters) how residuals change; each depends on one camera and one point.

        The first camera's place is held by leaving its columns at zero.
        """
        cameras, positions = self._unpacked(vector)
        n_columns = len(vector)
        rows, columns, values = [], [], []
        first_point = len(cameras) * self._per_camera
        for v, camera in enumerate(cameras):
            own = np.flatnonzero(self._view == v)
            by_position, by_camera = camera.slopes(positions[self._point[own]])
            of_camera = by_camera[:, :, : self._per_camera].copy()
            if v == 0:
                of_camera[:, :, :6] = 0
            block = np.concatenate([of_camera, by_position], axis=2) * self._root[own, None, None]
            place = np.concatenate(
                [
                    np.broadcast_to(
                        np.arange(self._per_camera) + v * self._per_camera,
                        (len(own), self._per_camera),
                    ),
                    first_point + 3 * self._point[own, None] + np.arange(3),
                ],
                axis=1,
            )
            row = 2 * own[:, None] + np.arange(2)
            rows.append(np.broadcast_to(row[:, :, None], block.shape).ravel())
            columns.append(np.broadcast_to(place[:, None, :], block.shape).ravel())
            values.append(block.ravel())
        shape = (2 * len(self._view), n_columns)
        return csr_matrix(
            (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape
        )

    def cameras(self, vector: Float64Array, like_first: Sequence[Camera]) -> tuple[Camera, ...]:
        """Cameras of a vector, scaled so that the second is as far from the first as it was.

        Parameters
        ----------
        vector
            Of all parameters.
        like_first
            The cameras as they were calibrated.
        """
        fitted, _ = self._unpacked(vector)
        origin = fitted[0].centre
        was = np.linalg.norm(like_first[1].centre - like_first[0].centre)
        scale = was / np.linalg.norm(fitted[1].centre - origin)
        cameras = []
        for camera in fitted:
            centre = origin + scale * (camera.centre - origin)
            turn = camera.rotation_matrix
            cameras.append(
                replace(
                    camera, rotation=cv2.Rodrigues(turn)[0].reshape(3), translation=-turn @ centre
                )
            )
        return tuple(cameras)
