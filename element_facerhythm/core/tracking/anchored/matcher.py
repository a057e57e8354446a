"""Matches points in blocks of frames with their templates, and regularises by those of the neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Points
from element_facerhythm.core.tracking.anchored.neighbour_kernel import (
    deform,
    expected_error,
    lost_in_windows,
    settle,
    sharpen,
    slopes_of,
)
from element_facerhythm.core.tracking.anchored.templates import (
    Appearances,
    MatchSettings,
    Stack,
    Templates,
)

COARSE = MatchSettings(n_steps=8, step_px=0.1, reach_px=6.0)
"""On halved frames, from home."""
FIRST = MatchSettings(n_steps=10, step_px=0.05, reach_px=6.0)
"""Where a point may be some pixels off its start."""
NEXT = MatchSettings(n_steps=7, step_px=0.05, reach_px=4.0)
"""From the frame before."""
AGAIN = MatchSettings(n_steps=8, step_px=0.05, reach_px=3.0)
"""From where the neighbours say."""

STRAIN = 0.025
"""Displacement of neighbours differs by about this share of the distance between them."""
NOISE_FACTOR = 16.0
"""Variance of a match over that for independent noise in each pixel: windows overlap, and a coder's errors
are correlated."""
MANY_LOST = 0.1
"""Where more than this share of the points is lost, they are searched for from home."""
OUTLIER_PX = 2.0
"""A match further than this from what its neighbours say is looked at again."""
OUTLIER_LOSES = 0.1
"""Of its correlation, before that: of two places as good, the one that the neighbours say is taken."""
_N_SWEEPS = 4
_PRECISE_PX = 0.5  # a match that is off by so much, as far as one can tell, has half the confidence
_UNSEEN = 0.25  # of that confidence is left where the picture does not show the point


@dataclass(frozen=True, eq=False)
class MatchedBlock:
    """Where points are in a block of frames.

    Attributes
    ----------
    displacement
        (B, P, 2) float32 from home, in pixels.
    taken
        (B, P) bool: the picture shows the point there; elsewhere it moves with its neighbours.
    correlation
        (B, P) float32 of the point's patch with its template, -1 where none was found.
    rows
        (B, P) int64 row of that template, see `Appearances`.
    confidence
        (B, P) float32, 0 to 1.
    """

    displacement: NDArray[np.float32]
    taken: NDArray[np.bool_]
    correlation: NDArray[np.float32]
    rows: NDArray[np.int64]
    confidence: NDArray[np.float32]


def joined(blocks: Sequence[MatchedBlock]) -> MatchedBlock:
    """Join blocks that follow one another."""
    parts = ([getattr(block, field.name) for block in blocks] for field in fields(MatchedBlock))
    return MatchedBlock(*map(np.concatenate, parts))


def confidence_of(square: NDArray[np.float32], taken: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return confidences (B, P).

    Parameters
    ----------
    square
        (B, P) expected error, see `neighbour_kernel.expected_error`, in square pixels.
    taken
        (B, P) bool, see `MatchedBlock`.
    """
    confidence = 1 / (1 + square / _PRECISE_PX**2)
    confidence *= np.where(taken, 1, _UNSEEN)
    return confidence.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Matches:
    """What was found so far; arrays, or tensors on one device.

    Attributes
    ----------
    found
        (..., 2) float32 displacements.
    correlations
        (...) float32.
    rows
        (...) int64 of the templates.
    """

    found: Any
    correlations: Any
    rows: Any

    def improve(self, frames: Any, points: Any, others: Matches) -> None:
        """Take other matches of some points where they correlate better.

        Parameters
        ----------
        frames, points
            (N,) int64 which.
        others
            N matches.
        """
        better = others.correlations > self.correlations[frames, points]
        frames, points = frames[better], points[better]
        self.found[frames, points] = others.found[better]
        self.correlations[frames, points] = others.correlations[better]
        self.rows[frames, points] = others.rows[better]

    def try_appearances(
        self,
        match: Callable[[Any, Any, Any], tuple[Any, Any]],
        appearances: Any,
        home: Any,
        frames: Any,
        points: Any,
        starts: Any,
    ) -> None:
        """Match appearances of some points, and take what correlates better than what was found.

        Parameters
        ----------
        match
            Called with frames, rows of templates and starts; returns places and correlations.
        appearances
            (P, K) int64 rows of templates, -1 for none.
        home
            (P, 2) float32.
        frames, points
            (N,) int64 which.
        starts
            (N, 2) float32 places.
        """
        for rows_of_appearance in appearances.T:
            has_appearance = rows_of_appearance[points] >= 0
            some_frames, some_points = frames[has_appearance], points[has_appearance]
            rows = rows_of_appearance[some_points]
            places, there = match(some_frames, rows, starts[has_appearance])
            others = Matches(places - home[some_points], there, rows)
            self.improve(some_frames, some_points, others)


def pyramid(frame: NDArray[np.int16], n_levels: int) -> list[NDArray[np.int16]]:
    """Return a frame, halved again and again, finest first.

    Parameters
    ----------
    frame
        (h, w) gray levels.
    n_levels
        How many, the frame itself included.
    """
    levels = [frame]
    while len(levels) < n_levels:
        levels.append(cv2.pyrDown(levels[-1]))
    return levels


class Matcher:
    """Matches blocks of frames; it keeps no state between them, so that threads may share it.

    Parameters
    ----------
    templates
        At each scale, finest first; it alone has further appearances.
    appearances
        Of every point.
    home
        (P, 2) float32 in pixels of the stack.
    neighbors
        (P, K) int64, the point itself included, see `Mesh`.
    threshold_px
        A match further from home than this is not taken.
    """

    def __init__(
        self,
        templates: list[Templates],
        appearances: Appearances,
        home: Points,
        neighbors: NDArray[np.int64],
        threshold_px: float,
    ) -> None:
        self.templates, self._finest = templates, templates[0]
        self._threshold_px = threshold_px
        self.home = np.ascontiguousarray(home, np.float32)
        self._neighbors = neighbors
        self._appearances, self._floors = appearances, appearances.floors
        apart = np.linalg.norm(home[:, None] - home[neighbors], axis=2)
        spacing = float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
        n_others = max(neighbors.shape[1] - 1, 1)
        self._slopes = slopes_of(self.home, neighbors)
        self._sharpening = lost_in_windows(self.home, neighbors, self._finest.spread_px)
        self._stiffness = np.float32(2 / (n_others * (STRAIN * spacing) ** 2))

    def search(self, frame: NDArray[np.int16]) -> tuple[Points, NDArray[np.float32]]:
        """Find the points in a frame from nothing but home: coarse scales first.

        Parameters
        ----------
        frame
            (h, w).

        Returns
        -------
        Places (P, 2) and correlations (P,).
        """
        everyone = np.arange(len(self.home))
        nowhere = np.zeros_like(everyone)
        levels = pyramid(frame, len(self.templates))
        places = self.home
        correlations = np.empty(0, np.float32)
        for level in range(len(levels) - 1, -1, -1):
            scale = np.float32(2**level)
            found, correlations = self.templates[level].match(
                levels[level][None], nowhere, everyone, places / scale, COARSE if level else FIRST
            )
            places = found * scale
        return places, correlations

    def match(self, stack: Stack, starts: NDArray[np.float32] | None = None) -> MatchedBlock:
        """Find the points in all frames of a block.

        Parameters
        ----------
        stack
            (B, h, w) frames; they follow one another, unless each has its starts.
        starts
            (P, 2) places to begin the first frame from, or (B, P, 2) to begin each frame from; None searches
            for the points in the first.
        """
        if starts is None:
            starts = self.search(stack[0])[0]
        places, correlations, rows = self._finest.match_block(
            stack, starts, self._appearances, NEXT
        )
        matches = Matches(places - self.home, correlations, rows)
        lost = np.mean(correlations < self._floors[rows], axis=1) > MANY_LOST
        everyone = np.arange(len(self.home))
        for number in np.flatnonzero(lost):
            again, there = self.search(stack[number])
            frames = np.full(len(everyone), number)
            found = again - self.home
            matches.improve(frames, everyone, Matches(found, there, self._appearances.rows[:, 0]))
        settled = np.empty_like(places)
        self._settle(matches, settled)
        apart = np.linalg.norm(matches.found - settled, axis=2) > OUTLIER_PX
        unsure = apart | ~self._taken(matches)
        if unsure.any():
            self._look_again(stack, unsure, apart, matches, settled)
            self._settle(matches, settled)
        deform(
            settled,
            self._neighbors,
            self._slopes,
            self._finest.leverage,
            matches.rows,
            matches.found,
        )
        information = self._settle(matches, settled)
        square = np.empty_like(correlations)
        expected_error(
            matches.found, settled, information, self._neighbors, self._stiffness, square
        )
        taken = self._taken(matches)
        displacement = np.empty_like(settled)
        sharpen(settled, self._neighbors, self._sharpening, displacement)
        confidence = confidence_of(square, taken)
        return MatchedBlock(displacement, taken, correlations, rows, confidence)

    def _taken(self, matches: Matches) -> NDArray[np.bool_]:
        taken: NDArray[np.bool_] = matches.correlations >= self._floors[matches.rows]
        return taken

    def _look_again(
        self,
        stack: Stack,
        unsure: NDArray[np.bool_],
        apart: NDArray[np.bool_],
        matches: Matches,
        settled: NDArray[np.float32],
    ) -> None:
        """Match all appearances from where the neighbours say."""
        matches.correlations[apart] -= np.float32(OUTLIER_LOSES)
        frames, points = np.nonzero(unsure)
        starts = settled[frames, points] + self.home[points]

        def match(
            frames: NDArray[np.int64], rows: NDArray[np.int64], starts: Points
        ) -> tuple[Points, NDArray[np.float32]]:
            return self._finest.match(stack, frames, rows, starts, AGAIN)

        matches.try_appearances(match, self._appearances.rows, self.home, frames, points, starts)

    def _settle(self, matches: Matches, settled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fill in `settled`; return the information (B, P, 3) of the matches, 0 where one is not taken."""
        correlations = matches.correlations
        correlations[np.linalg.norm(matches.found, axis=2) > self._threshold_px] = -1
        noise = NOISE_FACTOR * self._finest.noise(correlations, matches.rows) + np.float32(1e-6)
        shares = (self._taken(matches) / noise)[..., None]
        information = (self._finest.information[matches.rows] * shares).astype(np.float32)
        settle(matches.found, information, self._neighbors, self._stiffness, _N_SWEEPS, settled)
        return information
