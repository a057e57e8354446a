"""What every point looks like in the recording: the mean of its aligned patches over a sample of frames.

The template of a point begins as its patch in the first frame, where it is at home. The points are found in
all sampled frames, and the mean of the patches found is the next template: noise and coding errors average
out, and, other than in a track from frame to frame, no error adds up (I. Matthews, T. Ishikawa, S. Baker,
"The template update problem", IEEE PAMI 26, 2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Points
from element_facerhythm.core.tracking.anchored.matcher import MatchedBlock, Matcher, pyramid
from element_facerhythm.core.tracking.anchored.templates import Stack, Templates, mean_patches

N_PASSES = 3
_SAMPLES_AT_ONCE = 8
_FIRST_CORRELATION = 0.8  # is taken for usual until the first pass has shown what is
_TOO_UNLIKE = 0.2  # patches whose correlation is so much below the median do not count


def build_matcher(
    samples: Stack,
    home: Points,
    neighbors: NDArray[np.int64],
    visible: NDArray[np.int16],
    sides: Sequence[int],
    threshold_px: float,
    executor: Executor,
) -> tuple[Matcher, NDArray[np.float32]]:
    """Make the templates of all points.

    Parameters
    ----------
    samples
        (N, h, w) frames; in the first, points are at home.
    home
        (P, 2) float32 in pixels of the samples.
    neighbors
        (P, K) int64, see `Mesh`.
    visible
        (h, w) int16: large where a pixel is visible, 0 elsewhere.
    sides
        Rows of a window at each scale, finest first.
    threshold_px
        Points are not looked for further from home than this.
    executor
        Runs several frames at once; the result does not depend on how many.

    Returns
    -------
    The matcher, and (N, P, 2) float32 displacements in the samples.
    """
    n_points, n_levels = len(home), len(sides)
    seen = [
        mean_patches(
            [(level, home / np.float32(2**n), np.ones(n_points, np.float32))], n_points, sides[n]
        )
        / np.float32(max(int(visible.max()), 1))
        for n, level in enumerate(pyramid(visible, n_levels))
    ]
    levels = [pyramid(frame, n_levels) for frame in samples]

    def made(aligned: Sequence[tuple[int, Points, NDArray[np.float32]]]) -> list[Templates]:
        def at(level: int) -> Templates:
            scaled = [(levels[i][level], p / np.float32(2**level), w) for i, p, w in aligned]
            return Templates.of(
                mean_patches(scaled, n_points, sides[level]), seen[level], sides[level]
            )

        return list(executor.map(at, range(n_levels)))

    def matched(matcher: Matcher, starts: NDArray[np.float32]) -> list[MatchedBlock]:
        def match(first: int) -> MatchedBlock:
            block = slice(first, first + _SAMPLES_AT_ONCE)
            return matcher.match(samples[block], starts[block])

        return list(executor.map(match, range(0, len(samples), _SAMPLES_AT_ONCE)))

    usual = np.full(n_points, _FIRST_CORRELATION, np.float32)
    aligned = [(0, home, np.ones(n_points, np.float32))]
    starts: NDArray[np.float32] | None = None
    for _ in range(N_PASSES):
        matcher = Matcher(made(aligned), home, neighbors, usual, threshold_px)
        if starts is None:
            starts = np.stack([places for places, _ in executor.map(matcher.search, samples)])
        found = matched(matcher, starts)
        displacements = np.concatenate([block.displacement for block in found])
        correlations = np.concatenate([block.correlation for block in found])
        usual = np.median(correlations, axis=0).astype(np.float32)
        weights = np.where(correlations > usual - _TOO_UNLIKE, np.maximum(correlations, 0), 0)
        weights[0] = np.maximum(weights[0], 1e-3)
        starts = home + displacements
        aligned = list(zip(range(len(samples)), starts, weights, strict=True))
    return Matcher(matcher.templates, home, neighbors, usual, threshold_px), displacements
