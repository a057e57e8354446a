"""The compiled parts of contrast-limited adaptive histogram equalisation; `clahe` puts them to use.

A tile's gray curve says, for every gray, how many of the tile's pixels are that dark or darker.
Filling and summing histograms of 256 bins is nearly all the work where tiles are small (face-rhythm's
150 x 150 tiles have some 20 pixels each): there, only the range of grays that a tile has is counted.
"""

from __future__ import annotations

import numpy as np
from numba import uintp

from element_facerhythm.core.compiled import compiled, inlined

_f4 = np.float32
_u1 = np.uint8

N_GRAYS = 256
MOST_FEW = 64
"""Pixels of a tile up to which its curve counts them in bytes; other curves hold grays."""


@compiled
def equalise(  # type: ignore[no-untyped-def]
    frame,
    mask,
    places,
    tile_spans,
    hidden,
    spans,
    blending,
    clip_limit,
    staircase,
    levels,
    scale,
    out,
):
    """Equalise the part of a frame that needs it.

    Parameters
    ----------
    frame, mask, out
        (H, W) uint8; the mask is 255 where the frame is visible and 0 elsewhere.
    places
        Rows and columns of the frame that each row and column of the extended frame repeats.
    tile_spans, hidden
        Per row of tiles (ny, 2), the first tile that is needed and the one after the last; (ny, nx)
        bool, tiles without a visible pixel.
    spans
        (H, 2) first column that is needed in each row, and the one after the last.
    blending
        Per row, then per column of the frame: the tiles before and after it, and the weight of the
        latter.
    clip_limit
        Pixels of one gray that count in a tile.
    staircase
        (n + 1, 256) uint8: what n clipped pixels, spread over the grays, add to a curve.
    levels
        (256,) float32 gray for each value of a curve.
    scale
        Gray per pixel of a tile; used where curves are made of histograms.
    """
    n_down, n_across = hidden.shape
    tile = (places[0].size // n_down, places[1].size // n_across)
    scratch = (np.zeros(N_GRAYS, np.uint8), np.zeros(N_GRAYS, np.int64))
    even, odd = np.empty((n_across, N_GRAYS), np.uint8), np.empty((n_across, N_GRAYS), np.uint8)
    up, down, _ = blending[0]
    n_made = 0
    for row in range(frame.shape[0]):
        if spans[row, 0] >= spans[row, 1]:
            continue
        n_made = max(n_made, up[row])
        while n_made <= down[row]:
            _make_curves(
                frame, mask, places, n_made, tile, tile_spans[n_made], hidden[n_made], clip_limit,
                staircase, scale, scratch, odd if n_made % 2 else even,
            )  # fmt: skip
            n_made += 1
        above = odd if up[row] % 2 else even
        below = odd if down[row] % 2 else even
        _map_row(frame, mask, row, spans, blending, above, below, levels, out)


@inlined
def _map_row(frame, mask, row, spans, blending, above, below, levels, out):  # type: ignore[no-untyped-def]
    """Blend the curves of the four tiles around each pixel of a row."""
    left, right, weights = blending[1]
    lower = blending[0][2][row]
    for column in range(spans[row, 0], spans[row, 1]):
        gray = uintp(frame[row, column] & mask[row, column])
        before, after = uintp(left[column]), uintp(right[column])
        weight = weights[column]
        high = levels[above[before, gray]] * (_f4(1) - weight) + levels[above[after, gray]] * weight
        low = levels[below[before, gray]] * (_f4(1) - weight) + levels[below[after, gray]] * weight
        out[row, column] = _u1(np.rint(high * (_f4(1) - lower) + low * lower))


@inlined
def _make_curves(  # type: ignore[no-untyped-def]
    frame, mask, places, tile_row, tile, span, hidden, clip_limit, staircase, scale, scratch,
    curves,
):  # fmt: skip
    """Make the curves of the tiles of one row that are needed; hidden ones are all alike."""
    few, many = scratch
    n_hidden_kept = min(clip_limit, tile[0] * tile[1])
    for place in range(span[0], span[1]):
        curve = curves[place]
        if tile[0] * tile[1] > MOST_FEW:
            _count_many(frame, mask, places, tile_row, place, tile, many)
            _curve_of_many(many, clip_limit, scale, tile[0] * tile[1], curve)
        elif hidden[place]:
            steps = staircase[tile[0] * tile[1] - n_hidden_kept]
            for k in range(N_GRAYS):
                curve[uintp(k)] = _u1(steps[uintp(k)] + n_hidden_kept)
        else:
            _curve_of_few(
                frame, mask, places, tile_row, place, tile, clip_limit, staircase, few, curve
            )


@inlined
def _curve_of_few(  # type: ignore[no-untyped-def]
    frame, mask, places, tile_row, place, tile, clip_limit, staircase, counts, curve
):
    """Count a tile's pixels, each gray `clip_limit` times at most, and sum up over their range."""
    rows, columns = places
    n_kept = 0
    darkest, brightest = N_GRAYS, -1
    for j in range(tile_row * tile[0], tile_row * tile[0] + tile[0]):
        for i in range(place * tile[1], place * tile[1] + tile[1]):
            gray = int(frame[uintp(rows[j]), uintp(columns[i])])
            gray &= int(mask[uintp(rows[j]), uintp(columns[i])])
            darkest, brightest = min(darkest, gray), max(brightest, gray)
            n_before = counts[uintp(gray)]
            if n_before < clip_limit:
                counts[uintp(gray)] = n_before + _u1(1)
                n_kept += 1
    steps = staircase[tile[0] * tile[1] - n_kept]
    for k in range(darkest):
        curve[uintp(k)] = steps[uintp(k)]
    total = _u1(0)
    for k in range(darkest, brightest + 1):
        total = _u1(total + counts[uintp(k)])
        counts[uintp(k)] = _u1(0)
        curve[uintp(k)] = _u1(steps[uintp(k)] + total)
    for k in range(brightest + 1, N_GRAYS):
        curve[uintp(k)] = _u1(steps[uintp(k)] + total)


@inlined
def _count_many(frame, mask, places, tile_row, place, tile, counts):  # type: ignore[no-untyped-def]
    """Histogram of a tile."""
    rows, columns = places
    counts[:] = 0
    for j in range(tile_row * tile[0], tile_row * tile[0] + tile[0]):
        for i in range(place * tile[1], place * tile[1] + tile[1]):
            counts[uintp(frame[rows[j], columns[i]] & mask[rows[j], columns[i]])] += 1


@inlined
def _curve_of_many(counts, clip_limit, scale, n_pixels, curve):  # type: ignore[no-untyped-def]
    """Clip a histogram, spread what was cut off over all grays, and sum it up to grays."""
    n_kept = 0
    for k in range(N_GRAYS):
        counts[k] = min(counts[k], clip_limit)
        n_kept += counts[k]
    n_each, n_rest = (n_pixels - n_kept) // N_GRAYS, (n_pixels - n_kept) % N_GRAYS
    stride = max(N_GRAYS // max(n_rest, 1), 1)
    total = 0
    for k in range(N_GRAYS):
        total += counts[k] + n_each
        if k % stride == 0 and k // stride < n_rest:
            total += 1
        curve[k] = _u1(min(np.rint(_f4(total) * scale), _f4(255)))
