"""Further appearances of points that change: a mouth that opens, an eye that shuts, another light.

Frames of the sample in which a point is unlike its usual appearance are grouped by what they show there: the
patch that is like most others begins a group, the mean of those that match it is its template. A group is an
appearance of the point where it moves as the neighbours do; what stands still in front of a moving face is
none. Where that appearance is, against home, only the neighbours say: an error that all its frames share
stays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.tracking.anchored.matcher import AGAIN, MatchedBlock
from element_facerhythm.core.tracking.anchored.templates import (
    Appearances,
    Stack,
    Templates,
    patches_at,
)

N_APPEARANCES = 3
"""Most appearances a point has, the usual one included."""
LEAST_SHARE_OF_FRAMES = 0.04
"""Of the sample that shows an appearance."""
_FEWEST_FRAMES = 3
_UNLIKE = 0.2  # less correlation than usual
_ALIKE = 0.6  # least correlation within an appearance
_MOST_APART_PX = (
    1.5  # root mean square distance of an appearance's matches from where the neighbours say
)
_SHARE_OF_MOTION = 0.5  # or this share of how far the neighbours move meanwhile, if that is more


def further_appearances(
    samples: Stack,
    places: NDArray[np.float32],
    found: MatchedBlock,
    appearances: Appearances,
    patches: NDArray[np.float32],
    visible: NDArray[np.float32],
    side: int,
) -> tuple[Templates, Appearances]:
    """Return templates at the finest scale with all appearances, and which belong to which point.

    Parameters
    ----------
    samples
        (N, h, w) frames.
    places
        (N, P, 2) where the points are in them.
    found
        How they were matched with their only appearance.
    appearances
        That appearance.
    patches, visible
        (P, side, lanes) mean patches of it, and 1 where a cell is visible.
    side
        Rows of a patch.
    """
    n_samples, n_points = found.correlation.shape
    fewest = max(_FEWEST_FRAMES, round(LEAST_SHARE_OF_FRAMES * n_samples))
    unlike = found.correlation < appearances.usual - _UNLIKE
    rows, usual, means = [appearances.rows[:, 0]], [appearances.usual], [patches]
    for _ in range(1, N_APPEARANCES):
        points = np.flatnonzero(unlike.sum(axis=0) >= fewest)
        groups = [_largest_group(samples, places, unlike[:, p], int(p), side) for p in points]
        large = [len(group) >= fewest for group in groups]
        unlike[:, points[~np.array(large, np.bool_)]] = False
        points = points[large]
        if not len(points):
            break
        members = [group for group, is_large in zip(groups, large, strict=True) if is_large]
        accepted, new_means, new_usual = _appearances_of(
            samples, places, points, members, visible, side, fewest
        )
        for p, group in zip(points, members, strict=True):
            unlike[group, p] = False
        row = np.full(n_points, -1)
        row[points[accepted]] = sum(map(len, means)) + np.arange(len(accepted))
        rows, usual, means = [*rows, row], [*usual, new_usual], [*means, new_means]
    all_rows = np.stack(rows, axis=1)
    owners = np.concatenate([np.arange(n_points)] + [np.flatnonzero(row >= 0) for row in rows[1:]])
    templates = Templates.of(np.concatenate(means), visible[owners], side)
    return templates, Appearances(np.ascontiguousarray(all_rows), np.concatenate(usual))


def _largest_group(
    samples: Stack, places: NDArray[np.float32], unlike: NDArray[np.bool_], point: int, side: int
) -> NDArray[np.int64]:
    """Frames in which the point shows what most of the frames unlike its usual appearance show."""
    frames = np.flatnonzero(unlike)
    flat = patches_at(samples, frames, places[frames, point], side)[:, :, :side]
    flat = flat.reshape(len(frames), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    alike = flat @ flat.T > _ALIKE
    return frames[alike[np.argmax(alike.sum(axis=1))]]


def _appearances_of(
    samples: Stack,
    places: NDArray[np.float32],
    points: NDArray[np.int64],
    members: list[NDArray[np.int64]],
    visible: NDArray[np.float32],
    side: int,
    fewest: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Which groups are appearances of their points, with their mean patches and usual correlations."""
    frames = np.concatenate(members)
    numbers = np.repeat(np.arange(len(points)), list(map(len, members)))
    said = places[frames, points[numbers]]
    at, likeness = said, np.ones(len(frames), np.float32)
    for _ in range(2):
        patches = patches_at(samples, frames, at, side)
        means = _grouped_means(patches, likeness > _ALIKE, numbers, len(points))
        templates = Templates.of(means, visible[points], side)
        at, likeness = templates.match(samples, frames, numbers, said, AGAIN)
    accepted, usual = [], []
    for number in range(len(points)):
        own = np.flatnonzero((numbers == number) & (likeness > _ALIKE))
        if len(own) < fewest:
            continue
        apart = np.sqrt(np.mean(np.sum((at[own] - said[own]) ** 2, axis=1)))
        motion = np.sqrt(np.mean(np.sum((said[own] - said[own].mean(axis=0)) ** 2, axis=1)))
        if apart < min(_MOST_APART_PX, max(_SHARE_OF_MOTION * motion, 0.3)):
            accepted.append(number)
            usual.append(np.median(likeness[own]))
    taken = np.array(accepted, np.int64)
    return taken, means[taken], np.array(usual, np.float32)


def _grouped_means(
    patches: NDArray[np.float32], counts: NDArray[np.bool_], numbers: NDArray[np.int64], n: int
) -> NDArray[np.float32]:
    """Mean of the patches (N, side, lanes) of each group that count."""
    total = np.zeros((n, *patches.shape[1:]), np.float32)
    np.add.at(total, numbers[counts], patches[counts])
    sizes = np.bincount(numbers[counts], minlength=n)
    means = total / np.maximum(sizes, 1)[:, None, None]
    return means.astype(np.float32)
