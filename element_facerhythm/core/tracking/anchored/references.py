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
from element_facerhythm.core.tracking.anchored.further_appearances import further_appearances
from element_facerhythm.core.tracking.anchored.matcher import (
    MatchedBlock,
    Matcher,
    joined,
    pyramid,
)
from element_facerhythm.core.tracking.anchored.templates import (
    Appearances,
    Stack,
    Templates,
    mean_patches,
)

SHARES_OF_PASSES = (0.25, 0.5, 1.0)
"""Of the sample, in each pass: the first templates are noisy, and few frames make better ones."""
_SAMPLES_AT_ONCE = 8
_FIRST_CORRELATION = 0.8  # is assumed to be usual, until the first pass has measured it
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
    The matcher, with further appearances of points that change, and (N, P, 2) float32 displacements in the
    samples.
    """
    n_points, n_levels = len(home), len(sides)
    covers = [
        mean_patches(
            [(level, home / np.float32(2**n), np.ones(n_points, np.float32))], n_points, sides[n]
        )
        / np.float32(max(int(visible.max()), 1))
        for n, level in enumerate(pyramid(visible, n_levels))
    ]
    levels = [pyramid(frame, n_levels) for frame in samples]

    def means(
        aligned: Sequence[tuple[int, Points, NDArray[np.float32]]],
    ) -> list[NDArray[np.float32]]:
        def at(level: int) -> NDArray[np.float32]:
            scaled = [(levels[i][level], p / np.float32(2**level), w) for i, p, w in aligned]
            return mean_patches(scaled, n_points, sides[level])

        return list(executor.map(at, range(n_levels)))

    def matched(
        matcher: Matcher, numbers: NDArray[np.int64], starts: NDArray[np.float32]
    ) -> MatchedBlock:
        def match(first: int) -> MatchedBlock:
            block = numbers[first : first + _SAMPLES_AT_ONCE]
            return matcher.match(samples[block], starts[first : first + _SAMPLES_AT_ONCE])

        return joined(list(executor.map(match, range(0, len(numbers), _SAMPLES_AT_ONCE))))

    appearances = Appearances.single(np.full(n_points, _FIRST_CORRELATION, np.float32))
    aligned = [(0, home, np.ones(n_points, np.float32))]
    places: dict[int, Points] = {}
    for share in SHARES_OF_PASSES:
        patches = means(aligned)
        templates = [Templates.of(*each) for each in zip(patches, covers, sides, strict=True)]
        matcher = Matcher(templates, appearances, home, neighbors, threshold_px)
        numbers = _spread(len(samples), share)
        new = [n for n in map(int, numbers) if n not in places]
        searched = executor.map(matcher.search, (samples[n] for n in new))
        places |= {n: there for n, (there, _) in zip(new, searched, strict=True)}
        found = matched(matcher, numbers, np.stack([places[int(n)] for n in numbers]))
        usual = np.median(found.correlation, axis=0).astype(np.float32)
        appearances = Appearances.single(usual)
        weights = np.where(found.correlation > usual - _TOO_UNLIKE, found.correlation, 0)
        weights = np.maximum(weights, 0)
        weights[0] = np.maximum(weights[0], 1e-3)
        starts = home + found.displacement
        places |= dict(zip(map(int, numbers), starts, strict=True))
        aligned = list(zip(map(int, numbers), starts, weights, strict=True))
    finest, appearances = further_appearances(
        samples, starts, found, appearances, patches[0], covers[0], sides[0]
    )
    matcher = Matcher([finest, *templates[1:]], appearances, home, neighbors, threshold_px)
    if len(appearances.usual) > n_points:
        found = matched(matcher, np.arange(len(samples)), starts)
    return matcher, found.displacement


def _spread(n: int, share: float) -> NDArray[np.int64]:
    """Numbers spread evenly over n, a share of them, the first one always."""
    return np.unique(np.linspace(0, n - 1, max(round(share * n), 1)).astype(np.int64))
