"""Positions in space from pixels of two and more cameras, with views that disagree left out.

Every pair of cameras proposes a position (a random sample of pairs would be RANSAC; of the few cameras of
a rig, all pairs are tried). The proposal that most of the likelihood agrees with wins, and is refined by all
views that agree: least squares of the distances in pixels, weighted by likelihood.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.keypoints.cameras.camera import Camera, Float64Array

_CHUNK = 20_000
_N_STEPS = 10
_N_ROUNDS = 2
_SETTLED = 1e-10
_RIVAL_MARGIN = 0.1
"""Where as much likelihood but for this agrees with another position, it is not known which is right."""
_MIN_ANGLE_DEG = 1.0
"""Rays that meet at less determine no distance."""
_LOWEST_WEIGHT = 1e-3


@dataclass(frozen=True, eq=False)
class Triangulated:
    """Positions of N points and how far V cameras agree with them.

    Attributes
    ----------
    positions
        (N, 3) in the unit of the calibration; NaN where fewer than two views agree, or where two positions
        are as likely as each other.
    errors_px
        (V, N) distance between what a camera saw and where the position would be seen, pixels; also of
        views that were left out. NaN where nothing was seen, or there is no position.
    used
        (V, N) bool, views that the position was made of.
    n_ambiguous
        Points without a position because two were as likely as each other.
    """

    positions: Float64Array
    errors_px: Float64Array
    used: NDArray[np.bool_]
    n_ambiguous: int

    @property
    def mean_error_px(self) -> Float64Array:
        """(N,) mean of the errors of the views that were used; NaN where there is no position."""
        total = np.where(self.used, self.errors_px, 0.0).sum(axis=0)
        n_used = self.used.sum(axis=0)
        return np.where(n_used > 0, total / np.maximum(n_used, 1), np.nan)


def triangulate(
    cameras: Sequence[Camera],
    pixels: Float64Array,
    weights: Float64Array,
    *,
    threshold_px: float | Float64Array,
) -> Triangulated:
    """Find positions that most views agree with.

    Parameters
    ----------
    cameras
        V, two or more.
    pixels
        (V, N, 2) what each camera saw; NaN where it saw nothing.
    weights
        (V, N) likelihoods, 0 to 1; NaN counts as 1, and 0 as not seen.
    threshold_px
        A view agrees with a position that would be seen within this distance of what it saw; one for all, or
        (V,).
    """
    n_views, n_points = pixels.shape[:2]
    found = Triangulated(
        np.full((n_points, 3), np.nan),
        np.full((n_views, n_points), np.nan),
        np.zeros((n_views, n_points), dtype=bool),
        0,
    )
    n_ambiguous = 0
    thresholds = np.broadcast_to(np.asarray(threshold_px, np.float64), (n_views,))
    for start in range(0, n_points, _CHUNK):
        part = slice(start, start + _CHUNK)
        one = _Chunk(cameras, pixels[:, part], weights[:, part], thresholds)
        found.positions[part], found.used[:, part], n_more = one.solve()
        found.errors_px[:, part] = one.errors(found.positions[part])
        n_ambiguous += n_more
    return Triangulated(found.positions, found.errors_px, found.used, n_ambiguous)


class _Chunk:
    """Some of the points, with what is needed more than once of them."""

    def __init__(
        self,
        cameras: Sequence[Camera],
        pixels: Float64Array,
        weights: Float64Array,
        threshold: Float64Array,
    ) -> None:
        self._cameras, self._pixels = cameras, pixels
        self._threshold = threshold[:, None]  # (V, 1)
        self._rays = np.stack([c.rays(p) for c, p in zip(cameras, pixels, strict=True)])
        said = np.where(np.isnan(weights), 1.0, np.clip(weights, 0.0, 1.0))
        seen = np.isfinite(self._rays).all(axis=2) & (said > 0)
        self._weights = np.where(seen, np.maximum(said, _LOWEST_WEIGHT), 0.0)  # (V, N)

    def errors(self, positions: Float64Array) -> Float64Array:
        """(V, N) distances in pixels; infinite where a position lies behind a camera that saw it."""
        shown = np.stack([camera.project(positions) for camera in self._cameras])
        errors = np.linalg.norm(shown - self._pixels, axis=2)
        behind = np.isnan(shown).any(axis=2) & np.isfinite(positions).all(axis=1)
        errors[behind & np.isfinite(self._pixels).all(axis=2)] = np.inf
        return np.asarray(errors)

    def solve(self) -> tuple[Float64Array, NDArray[np.bool_], int]:
        """Positions (N, 3), views used (V, N), and how many points are ambiguous."""
        positions, is_ambiguous = self._best_proposal()
        used = self._agreeing(positions)
        for _ in range(_N_ROUNDS):
            positions = self._refined(positions, used)
            again = self._agreeing(positions)
            if np.array_equal(again, used):
                break
            used = again
        kept = (used.sum(axis=0) >= 2) & self._meet_at_an_angle(positions, used)
        positions[~kept] = np.nan
        used[:, ~kept] = False
        return positions, used, int(is_ambiguous.sum())

    def _agreeing(self, positions: Float64Array) -> NDArray[np.bool_]:
        with np.errstate(invalid="ignore"):
            return np.asarray((self.errors(positions) <= self._threshold) & (self._weights > 0))

    def _best_proposal(self) -> tuple[Float64Array, NDArray[np.bool_]]:
        """(N, 3) what the pair proposes whose position costs least, NaN where another is as good."""
        pairs = list(itertools.combinations(range(len(self._cameras)), 2))
        proposed = np.stack([self._of_pair(i, j) for i, j in pairs])  # (pairs, N, 3)
        errors = np.stack([self.errors(positions) for positions in proposed])  # (pairs, V, N)
        agree = (errors <= self._threshold) & (self._weights > 0)
        part = np.where(agree, errors / self._threshold, 1.0)
        costs = (self._weights * part**2).sum(axis=1)  # (pairs, N)
        costs[agree.sum(axis=1) < 2] = np.inf
        best = costs.argmin(axis=0)
        points = np.arange(proposed.shape[1])
        chosen = proposed[best, points].copy()
        chosen[~np.isfinite(costs[best, points])] = np.nan
        is_ambiguous = self._has_rival(chosen, proposed, costs, costs[best, points])
        chosen[is_ambiguous] = np.nan
        return chosen, is_ambiguous

    def _of_pair(self, i: int, j: int) -> Float64Array:
        """(N, 3) positions that two cameras alone give; NaN where one of them saw nothing."""
        n_points = self._rays.shape[1]
        found = np.full((n_points, 3), np.nan)
        both = (self._weights[i] > 0) & (self._weights[j] > 0)
        if not both.any():
            return found
        first, second = (
            np.column_stack([self._cameras[v].rotation_matrix, self._cameras[v].translation])
            for v in (i, j)
        )
        place = cv2.triangulatePoints(
            first, second, self._rays[i, both].T.copy(), self._rays[j, both].T.copy()
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = (place[:3] / place[3]).T
        inside[~np.isfinite(inside).all(axis=1)] = np.nan
        found[both] = inside
        return found

    def _has_rival(
        self,
        chosen: Float64Array,
        proposed: Float64Array,
        costs: Float64Array,
        lowest: Float64Array,
    ) -> NDArray[np.bool_]:
        """(N,) whether another position, which some camera would see elsewhere, costs about as little."""
        found = np.zeros(len(chosen), dtype=bool)
        shown = [camera.project(chosen) for camera in self._cameras]
        for positions, cost in zip(proposed, costs, strict=True):
            with np.errstate(invalid="ignore"):
                is_near = np.isfinite(cost) & (cost - lowest < _RIVAL_MARGIN)
            if not is_near.any():
                continue
            for camera, pixels, limit in zip(self._cameras, shown, self._threshold, strict=True):
                away = np.linalg.norm(camera.project(positions) - pixels, axis=1)
                found |= is_near & (away > limit)
        return found

    def _refined(self, positions: Float64Array, used: NDArray[np.bool_]) -> Float64Array:
        """(N, 3) positions at which the weighted sum of squared pixels of the used views is least."""
        positions = positions.copy()
        todo = np.flatnonzero((used.sum(axis=0) >= 2) & np.isfinite(positions).all(axis=1))
        damping = np.full(len(todo), 1e-6)
        cost = self._cost(positions[todo], used, todo)
        for _ in range(_N_STEPS):
            if len(todo) == 0:
                break
            normal, slope = self._normal_equations(positions[todo], used, todo)
            scale = np.trace(normal, axis1=1, axis2=2) / 3
            damped = normal + (damping * scale)[:, None, None] * np.eye(3)
            step = np.linalg.solve(damped, -slope[:, :, None])[:, :, 0]
            tried = positions[todo] + step
            new_cost = self._cost(tried, used, todo)
            is_better = new_cost <= cost
            positions[todo[is_better]] = tried[is_better]
            damping = np.where(is_better, damping / 10, damping * 10)
            settled = is_better & (cost - new_cost <= _SETTLED * (1 + cost))
            cost = np.where(is_better, new_cost, cost)
            todo, damping, cost = todo[~settled], damping[~settled], cost[~settled]
        return positions

    def _cost(
        self, positions: Float64Array, used: NDArray[np.bool_], which: NDArray[np.int64]
    ) -> Float64Array:
        total = np.zeros(len(which))
        for view, camera in enumerate(self._cameras):
            away = camera.project(positions) - self._pixels[view, which]
            weights = np.where(used[view, which], self._weights[view, which], 0.0)
            squares = np.nan_to_num((away**2).sum(axis=1), nan=np.inf)
            total += weights * np.where(weights > 0, squares, 0.0)
        return total

    def _normal_equations(
        self, positions: Float64Array, used: NDArray[np.bool_], which: NDArray[np.int64]
    ) -> tuple[Float64Array, Float64Array]:
        """(M, 3, 3) and (M, 3) of the weighted squares, at positions of M points."""
        normal, slope = np.zeros((len(which), 3, 3)), np.zeros((len(which), 3))
        for view, camera in enumerate(self._cameras):
            own = np.flatnonzero(used[view, which])
            if len(own) == 0:
                continue
            by_position, _ = camera.slopes(positions[own])
            away = camera.project(positions[own]) - self._pixels[view, which[own]]
            weights = self._weights[view, which[own]]
            weighted = by_position * weights[:, None, None]
            normal[own] += np.einsum("nai,naj->nij", weighted, by_position)
            slope[own] += np.einsum("nai,na->ni", weighted, away)
        return normal, slope

    def _meet_at_an_angle(
        self, positions: Float64Array, used: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """(N,) whether rays of two used cameras meet at enough of an angle to determine a distance."""
        largest = np.zeros(len(positions))
        towards = (
            np.stack([camera.centre for camera in self._cameras])[:, None] - positions
        )  # (V, N, 3)
        with np.errstate(invalid="ignore", divide="ignore"):
            towards /= np.linalg.norm(towards, axis=2, keepdims=True)
        for i, j in itertools.combinations(range(len(self._cameras)), 2):
            across = np.linalg.norm(np.cross(towards[i], towards[j]), axis=1)
            along = (towards[i] * towards[j]).sum(axis=1)
            angle = np.where(used[i] & used[j], np.arctan2(across, along), 0.0)
            # rays that run against each other determine as little as those that run along
            largest = np.fmax(largest, np.minimum(angle, np.pi - angle))
        return np.asarray(largest >= np.deg2rad(_MIN_ANGLE_DEG))
