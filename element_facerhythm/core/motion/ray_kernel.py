"""Where rays from a point within a dark patch meet its edge, and which of them an ellipse fits."""

from __future__ import annotations

import math

import numpy as np

from element_facerhythm.core.compiled import compiled, inlined

STEP_PX = 0.5
"""Between two places of a ray that are looked at."""

LEAST_OFF = 0.02
"""Share of the radius by which a point may be off an ellipse however well the others fit."""


@inlined
def _level_at(picture, x, y):  # type: ignore[no-untyped-def]
    """Gray level between four pixels; beyond the border, that of the border."""
    height, width = picture.shape
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    column, row = min(int(x), max(width - 2, 0)), min(int(y), max(height - 2, 0))
    right, below = min(column + 1, width - 1), min(row + 1, height - 1)
    u, v = x - column, y - row
    above = (1 - u) * picture[row, column] + u * picture[row, right]
    under = (1 - u) * picture[below, column] + u * picture[below, right]
    return (1 - v) * above + v * under


@inlined
def _is_unseen_at(unseen, x, y):  # type: ignore[no-untyped-def]
    height, width = unseen.shape
    row, column = min(max(round(y), 0), height - 1), min(max(round(x), 0), width - 1)
    return unseen[row, column]


@compiled
def ray_edges(picture, level, unseen, beyond, centre, directions, points, steepness):  # type: ignore[no-untyped-def]
    """Fill where rays first meet a level, and how steeply gray levels rise there.

    Kernels take no NaN: what is to stand for nothing is there before.

    Parameters
    ----------
    picture
        (h, w) float32.
    level
        What is below it is dark.
    unseen, beyond
        (h, w) bool: pixels that show something else; and those at which a ray has left the region.
    centre
        (x, y) where rays begin.
    directions
        (2, N) x and y of each ray, of length 1.
    points, steepness
        (N, 2) filled with x and y, and (N,) with gray levels per pixel; left as they are where a ray leaves
        the region first, or the edge lies at something unseen.
    """
    height, width = picture.shape
    n_steps = math.ceil(math.hypot(height, width) / STEP_PX)
    for n in range(directions.shape[1]):
        step_x, step_y = STEP_PX * directions[0, n], STEP_PX * directions[1, n]
        before = np.float64(0.0)
        for k in range(n_steps):
            x, y = centre[0] + k * step_x, centre[1] + k * step_y
            if x < 0 or y < 0 or x > width - 1 or y > height - 1:
                break
            row, column = round(y), round(x)
            if beyond[row, column]:
                break
            here = _level_at(picture, x, y)
            if k > 0 and here >= level and not unseen[row, column]:
                last_x, last_y = x - step_x, y - step_y
                if _is_unseen_at(unseen, last_x, last_y) or _is_unseen_at(
                    unseen, x + step_x, y + step_y
                ):
                    break
                share = min(max((level - before) / max(here - before, 1e-6), 0.0), 1.0)
                points[n, 0], points[n, 1] = last_x + share * step_x, last_y + share * step_y
                two_on = _level_at(picture, x + step_x, y + step_y)
                two_back = _level_at(picture, last_x - step_x, last_y - step_y)
                steepness[n] = (two_on - two_back) / (3 * STEP_PX)
                break
            before = here


@compiled
def agreeing(points, is_there, ellipse, agrees, most_off, closer):  # type: ignore[no-untyped-def]
    """Fill which points lie so close to an ellipse that they agree with it; return whether all is as before.

    Parameters
    ----------
    points, is_there
        (N, 2), and (N,) bool which of them are to be looked at; the others do not agree.
    ellipse
        (5,) x, y, long and short semi-axis, angle.
    agrees
        (N,) bool, those that it was fitted to; their median distance, times 2.5, is the limit.
    most_off
        Limit at most, as a share of the radius.
    closer
        (N,) bool, filled.
    """
    n = points.shape[0]
    off = np.empty(n)
    own = np.empty(n)
    n_own = 0
    cos, sin = math.cos(ellipse[4]), math.sin(ellipse[4])
    for i in range(n):
        if not is_there[i]:
            continue
        x, y = points[i, 0] - ellipse[0], points[i, 1] - ellipse[1]
        along, across = (x * cos + y * sin) / ellipse[2], (y * cos - x * sin) / ellipse[3]
        off[i] = abs(math.hypot(along, across) - 1.0)
        if agrees[i]:
            own[n_own] = off[i]
            n_own += 1
    ordered = np.sort(own[:n_own])
    median = (ordered[(n_own - 1) // 2] + ordered[n_own // 2]) / 2
    limit = max(min(2.5 * median, most_off), LEAST_OFF)
    is_same = True
    for i in range(n):
        closer[i] = is_there[i] and off[i] <= limit
        is_same = is_same and closer[i] == agrees[i]
    return is_same
