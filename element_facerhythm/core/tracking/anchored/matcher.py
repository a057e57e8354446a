"""A block of frames matched against the templates, and neighbours heard where the picture says little."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Points
from element_facerhythm.core.tracking.anchored.patch_kernel import settle
from element_facerhythm.core.tracking.anchored.templates import MatchSettings, Stack, Templates

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
"""Errors of overlapping windows go together, and coded noise is not independent from pixel to pixel: a match
is worth this many times less than independent pixels would make it."""
LEAST_SHARE = 0.6
"""A match whose correlation is below this share of what is usual at its point is not taken."""
LEAST_CORRELATION = 0.3
"""Nor is one with less correlation than this."""
MANY_LOST = 0.1
"""Where more than this share of the points is lost, they are searched for from home."""
OUTLIER_PX = 2.0
"""A match further than this from what its neighbours say is looked at again."""
_N_SWEEPS = 6
_PRECISE_PX = 0.5  # a match of this standard deviation has half the confidence of a precise one


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
    confidence
        (B, P) float32, 0 to 1.
    """

    displacement: NDArray[np.float32]
    taken: NDArray[np.bool_]
    correlation: NDArray[np.float32]
    confidence: NDArray[np.float32]


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
        Of all points, finest scale first.
    home
        (P, 2) float32 in pixels of the stack.
    neighbors
        (P, K) int64, the point itself included, see `Mesh`.
    usual
        (P,) float32 correlation of a point's patch with its template in most frames.
    threshold_px
        A match further from home than this is not taken.
    """

    def __init__(
        self,
        templates: list[Templates],
        home: Points,
        neighbors: NDArray[np.int64],
        usual: NDArray[np.float32],
        threshold_px: float,
    ) -> None:
        self.templates, self._finest = templates, templates[0]
        self._threshold_px = threshold_px
        self.home = np.ascontiguousarray(home, np.float32)
        self._neighbors = neighbors
        self._usual = usual
        self.floors = np.maximum(LEAST_SHARE * usual, LEAST_CORRELATION).astype(np.float32)
        apart = np.linalg.norm(home[:, None] - home[neighbors], axis=2)
        spacing = float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
        n_others = max(neighbors.shape[1] - 1, 1)
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
        places, correlations = self._finest.match_block(stack, starts, self.floors, NEXT)
        found, settled = places - self.home, np.empty_like(places)
        lost = np.mean(correlations < self.floors, axis=1) > MANY_LOST
        for number in np.flatnonzero(lost):
            again, there = self.search(stack[number])
            better = there > correlations[number]
            found[number, better] = again[better] - self.home[better]
            correlations[number, better] = there[better]
        information = self._settle(found, correlations, settled)
        apart = np.linalg.norm(found - settled, axis=2) > OUTLIER_PX
        unsure = (correlations < self.floors) | apart
        if unsure.any():
            self._look_again(stack, unsure, apart, found, correlations, settled)
            information = self._settle(found, correlations, settled)
        taken = correlations >= self.floors
        confidence = self._confidence(correlations, information) * taken
        return MatchedBlock(settled, taken, correlations, confidence)

    def _look_again(
        self,
        stack: Stack,
        unsure: NDArray[np.bool_],
        apart: NDArray[np.bool_],
        found: NDArray[np.float32],
        correlations: NDArray[np.float32],
        settled: NDArray[np.float32],
    ) -> None:
        """Match from where the neighbours say; of two places as good, theirs is taken."""
        frames, points = np.nonzero(unsure)
        starts = settled[frames, points] + self.home[points]
        places, there = self._finest.match(stack, frames, points, starts, AGAIN)
        before = correlations[frames, points] - 0.1 * apart[frames, points]
        better = there > before
        frames, points = frames[better], points[better]
        found[frames, points] = places[better] - self.home[points]
        correlations[frames, points] = there[better]

    def _settle(
        self,
        found: NDArray[np.float32],
        correlations: NDArray[np.float32],
        settled: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Fill in `settled`; return the information (B, P, 3) of the matches, 0 where one is not taken."""
        correlations[np.linalg.norm(found, axis=2) > self._threshold_px] = -1
        noise = NOISE_FACTOR * self._finest.noise(correlations) + np.float32(1e-6)
        taken = correlations >= self.floors
        information = self._finest.information * (taken / noise)[..., None]
        information = information.astype(np.float32)
        settle(found, information, self._neighbors, self._stiffness, _N_SWEEPS, settled)
        return information

    def _confidence(
        self, correlations: NDArray[np.float32], information: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """How alike the patch is, times how precisely such a patch can be placed."""
        likeness = (correlations - self.floors) / np.maximum(self._usual - self.floors, 1e-3)
        xx, xy, yy = np.moveaxis(information, -1, 0)
        xx, yy = xx + self._stiffness, yy + self._stiffness
        variance = (xx + yy) / np.maximum(xx * yy - xy * xy, 1e-9)
        confidence = np.clip(likeness, 0, 1) / (1 + variance / _PRECISE_PX**2)
        return confidence.astype(np.float32)
