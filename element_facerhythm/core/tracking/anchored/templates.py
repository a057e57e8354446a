"""Templates: what each point looks like, and what a match against it is worth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Points
from element_facerhythm.core.tracking.anchored.patch_kernel import (
    INVERSE_XX,
    INVERSE_XY,
    INVERSE_YY,
    LEAN_X,
    LEAN_Y,
    add_patches,
    cut_patches,
    match_block,
    match_some,
)
from element_facerhythm.core.tracking.window_kernel import n_lanes

Stack = NDArray[np.int16]
"""(B, h, w) smoothed frames, sixteenths of a gray level."""

_SPREAD = 0.55  # standard deviation of a window's weights, in half windows
_DAMPING = 1e-4  # of the gradients' power: keeps a step along an edge short
_LEAST_POWER = 16.0**2  # mean square in a window, (sixteenths of a gray)^2: below, it shows nothing


@dataclass(frozen=True, eq=False)
class MatchSettings:
    """When a match ends.

    Attributes
    ----------
    n_steps
        Most steps.
    step_px
        A step shorter than this is the last.
    reach_px
        A match may not lead further than this from its start.
    """

    n_steps: int
    step_px: float
    reach_px: float

    @property
    def values(self) -> tuple[int, np.float32, np.float32]:
        """As the kernels take them."""
        return self.n_steps, np.float32(self.step_px), np.float32(self.reach_px)


@dataclass(frozen=True, eq=False)
class Templates:
    """Templates at one scale: R rows, of which the first P are those of the points.

    Attributes
    ----------
    side
        Rows and columns of a window, odd.
    parts
        (P, 4, side * lanes) float32: weights; values without their mean, gradients along x and y without
        theirs, each times the weight.
    sums
        (P, 7) float32, see `patch_kernel`; the power is 0 where a window shows nothing.
    information
        (P, 3) float32 (xx, xy, yy): weighted products of the gradients. Divided by the variance of what a
        match leaves unexplained, it is the inverse covariance of the match, in 1 / px^2.
    leverage
        (R, 2, 4) float32: by how many pixels (x, y) a match is off where displacements have a gradient of 1
        along (dx/dx, dx/dy, dy/dx, dy/dy): the patch is deformed, and is matched as if it were only moved.
    """

    side: int
    parts: NDArray[np.float32]
    sums: NDArray[np.float32]
    information: NDArray[np.float32]
    leverage: NDArray[np.float32]

    @classmethod
    def of(cls, patches: NDArray[np.float32], visible: NDArray[np.float32], side: int) -> Templates:
        """Make templates.

        Parameters
        ----------
        patches
            (P, side, lanes) mean patch of every point.
        visible
            (P, side, lanes) 1 where a cell is visible.
        side
            Columns that count; the others pad.
        """
        n_points, _, lanes = patches.shape
        along = np.arange(side) - side // 2
        bell = np.exp(-0.5 * (along / (_SPREAD * (side // 2))) ** 2)
        bell_2d = (bell[:, None] * bell).astype(np.float32)
        weights = bell_2d * (visible[:, :, :side] > 0.99)
        total = weights.sum(axis=(1, 2))

        def centred(values: NDArray[np.float32]) -> NDArray[np.float32]:
            mean = (values * weights).sum(axis=(1, 2)) / np.maximum(total, np.float32(1e-9))
            centred_values: NDArray[np.float32] = values - mean[:, None, None]
            return centred_values

        values: NDArray[np.float32] = patches[:, :, :side]
        slopes: list[NDArray[np.float32]] = list(np.gradient(values, axis=(1, 2)))
        slope_y, slope_x = map(centred, slopes)
        values = centred(values)

        def summed(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
            products: NDArray[np.float32] = (a * b * weights).sum(axis=(1, 2))
            return products

        power = summed(values, values)
        xx, xy, yy = summed(slope_x, slope_x), summed(slope_x, slope_y), summed(slope_y, slope_y)
        damping = _DAMPING * (xx + yy)
        determinant = (xx + damping) * (yy + damping) - xy * xy
        shows = (
            (power > _LEAST_POWER * total)
            & (total > 0.25 * float(bell_2d.sum()))
            & (determinant > 0)
        )
        determinant[~shows] = 1.0
        sums = np.stack(
            [
                total,
                np.where(shows, power, 0.0),
                (yy + damping) / determinant,
                -xy / determinant,
                (xx + damping) / determinant,
                summed(values, slope_x),
                summed(values, slope_y),
            ],
            axis=1,
        )
        parts = np.zeros((n_points, 4, side, lanes), np.float32)
        for number, part in enumerate((np.ones_like(values), values, slope_x, slope_y)):
            parts[:, number, :, :side] = part * weights
        u, v = along.astype(np.float32), along.astype(np.float32)[:, None]
        slants = [centred(slope * arm) for slope in (slope_x, slope_y) for arm in (u, v)]
        like = [summed(values, slant) / np.where(shows, power, 1.0) for slant in slants]
        pulls = [
            [summed(slope, slant) - lean * share for slant, share in zip(slants, like, strict=True)]
            for slope, lean in ((slope_x, sums[:, LEAN_X]), (slope_y, sums[:, LEAN_Y]))
        ]
        pull_x, pull_y = np.moveaxis(np.array(pulls, np.float32), 2, 1)
        inverse_xx, inverse_xy, inverse_yy = (
            sums[:, number, None] for number in (INVERSE_XX, INVERSE_XY, INVERSE_YY)
        )
        leverage = np.stack(
            [
                inverse_xx * pull_x + inverse_xy * pull_y,
                inverse_xy * pull_x + inverse_yy * pull_y,
            ],
            axis=1,
        )
        return cls(
            side,
            parts.reshape(n_points, 4, side * lanes),
            sums.astype(np.float32),
            np.stack([xx, xy, yy], axis=1).astype(np.float32),
            np.where(shows[:, None, None], leverage, 0).astype(np.float32),
        )

    @property
    def spread_px(self) -> float:
        """Standard deviation of a window's weights along one axis."""
        return _SPREAD * (self.side // 2)

    def match(
        self,
        stack: Stack,
        frames: NDArray[np.int64],
        rows: NDArray[np.int64],
        starts: Points,
        settings: MatchSettings,
    ) -> tuple[Points, NDArray[np.float32]]:
        """Match templates in frames, each from its own start; places (N, 2) and correlations (N,).

        Parameters
        ----------
        stack
            (B, h, w) frames.
        frames, rows
            (N,) which.
        starts
            (N, 2) in pixels of the stack.
        settings
            When a match ends.
        """
        starts = np.ascontiguousarray(starts, np.float32)
        places, correlations = np.empty_like(starts), np.empty(len(starts), np.float32)
        match_some(
            stack, frames, rows, starts, self.side, n_lanes(self.side), self.parts, self.sums,
            settings.values, places, correlations,
        )  # fmt: skip
        return places, correlations

    def match_block(
        self, stack: Stack, starts: Points, appearances: Appearances, settings: MatchSettings
    ) -> tuple[Points, NDArray[np.float32], NDArray[np.int64]]:
        """Match all points in all frames; places (B, P, 2), correlations and rows (B, P).

        Parameters
        ----------
        stack
            (B, h, w) frames.
        starts
            (P, 2) in the first frame, each other one begins from the one before; or (B, P, 2) in all.
        appearances
            Rows of each point.
        settings
            When a match ends.
        """
        starts = starts if starts.ndim == 3 else starts[None]
        shape = (len(stack), starts.shape[1])
        places, correlations = np.empty((*shape, 2), np.float32), np.empty(shape, np.float32)
        rows = np.empty(shape, np.int64)
        match_block(
            stack, np.ascontiguousarray(starts, np.float32), appearances.rows, appearances.usual,
            appearances.floors, self.side, n_lanes(self.side), self.parts, self.sums, settings.values,
            places, correlations, rows,
        )  # fmt: skip
        return places, correlations, rows

    def noise(
        self, correlations: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return the variance (...) of what matches leave unexplained, in template units.

        Parameters
        ----------
        correlations, rows
            (...) of the matches.
        """
        explained = np.clip(correlations, 0.05, 0.9999).astype(np.float32) ** 2
        per_weight = self.sums[:, 1] / np.maximum(self.sums[:, 0], np.float32(1e-9))
        return np.asarray(per_weight[rows] * (1 / explained - 1), np.float32)


LEAST_SHARE = 0.6
"""A match whose correlation is below this share of what is usual at its point is not taken."""
LEAST_CORRELATION = 0.3
"""Nor is one with less correlation than this."""


@dataclass(frozen=True, eq=False)
class Appearances:
    """What each point looks like in the recording.

    Attributes
    ----------
    rows
        (P, K) int64 rows of the templates, the usual appearance first; -1 where a point has fewer.
    usual
        (R,) float32 correlation of a patch with the template in most of its frames.
    """

    rows: NDArray[np.int64]
    usual: NDArray[np.float32]

    @classmethod
    def single(cls, usual: NDArray[np.float32]) -> Appearances:
        """One appearance a point, with its usual correlation (P,)."""
        return cls(np.arange(len(usual))[:, None], usual)

    @property
    def floors(self) -> NDArray[np.float32]:
        """(R,) correlations below which a point was not found."""
        return np.maximum(LEAST_SHARE * self.usual, LEAST_CORRELATION).astype(np.float32)


def patches_at(
    stack: Stack, frames: NDArray[np.int64], places: Points, side: int
) -> NDArray[np.float32]:
    """Cut patches (N, side, lanes) out of frames.

    Parameters
    ----------
    stack
        (B, h, w) frames.
    frames, places
        (N,) and (N, 2).
    side
        Rows of a patch.
    """
    lanes = n_lanes(side)
    patches = np.empty((len(frames), side * lanes), np.float32)
    cut_patches(stack, frames, np.ascontiguousarray(places, np.float32), side, lanes, patches)
    return patches.reshape(-1, side, lanes)


def mean_patches(
    aligned: Iterable[tuple[NDArray[np.int16], Points, NDArray[np.float32]]],
    n_points: int,
    side: int,
) -> NDArray[np.float32]:
    """Return the weighted mean patch (P, side, lanes) of every point.

    Parameters
    ----------
    aligned
        Frame (h, w), places (P, 2), weights (P,) of each.
    n_points, side
        P, and rows of a patch.
    """
    lanes = n_lanes(side)
    total, sum_weights = np.zeros((n_points, side * lanes), np.float32), np.zeros(n_points)
    for frame, places, weights in aligned:
        used = np.array(weights, np.float32)
        add_patches(frame, np.ascontiguousarray(places, np.float32), used, side, lanes, total)
        sum_weights += used
    means = total / np.maximum(sum_weights, 1e-6)[:, None]
    return means.astype(np.float32).reshape(n_points, side, lanes)
