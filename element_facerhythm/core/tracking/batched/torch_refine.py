"""Matches on raw frames (`core.tracking.refinement`) by torch's operations, all points at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from element_facerhythm.core.tracking.batched.geometry import Level
from element_facerhythm.core.tracking.batched.torch_flow import LevelFlow
from element_facerhythm.core.tracking.refinement import (
    CLEAR_MISMATCH,
    LEAST_LIGHT,
    LIGHT_POINTS,
    LIGHT_SHARE,
    MOST_GAIN,
    N_ITERATIONS,
    SMALL_GAIN,
    STEP_PX,
    WORST_MISMATCH,
    WORST_RATIO,
    Look,
)
from element_facerhythm.core.tracking.settings import FlowSettings

LEAST_DETERMINANT = 1e-6  # of the larger gradient sum's square; below, a window is a line
LEAST_VARIANCE = 1e-3  # far below that of a single step of gray in a window
_LEAST_SQUARE = 1e-3  # of a shape of light within the visible pixels; below, they do not show it


def smoothed(frames: Tensor) -> Tensor:
    """Smooth (N, H, W) uint8 with (1, 2, 1) both ways: int16, sixteenths of a gray level."""
    for axis in (1, 2):
        length = frames.shape[axis]
        index = torch.arange(-1, length + 1, device=frames.device).abs()
        index = torch.minimum(index, 2 * (length - 1) - index)
        wide = frames.index_select(axis, index).to(torch.int16)
        parts = [wide.narrow(axis, first, length) for first in range(3)]
        frames = parts[0] + 2 * parts[1] + parts[2]
    return frames


@dataclass(frozen=True)
class BatchedMatches:
    """How well windows match: `refinement.Matches` of B sequences.

    Attributes
    ----------
    mismatch, texture, light, gain
        (B, P) float32.
    lean
        (B, P, 2) float32.
    taken
        (B, P) bool.
    """

    mismatch: Tensor
    texture: Tensor
    light: Tensor
    gain: Tensor
    lean: Tensor
    taken: Tensor

    def in_other_light(self) -> Tensor:
        """(B,) bool: the second frame is lit otherwise."""
        lit = (self.light > LIGHT_SHARE * self.mismatch) & (self.light > LEAST_LIGHT * self.texture)
        return lit.sum(1) > LIGHT_POINTS * (self.texture > 0).sum(1)

    def common_gain(self) -> Tensor:
        """(B,) gain of the second frame over the first, as most points have it."""
        measured = self.texture > 0
        n_measured = measured.sum(1, keepdim=True)
        gain = _median(torch.where(measured, self.gain, torch.inf), n_measured)
        return torch.where(n_measured > 0, gain, 1.0)[:, 0]

    def leaning(self, gain: Tensor) -> Tensor:
        """(B, P, 2) pixels by which matches that were taken are off because of a small gain (B,)."""
        share = torch.where((gain - 1.0).abs() < SMALL_GAIN, 1.0 - 1.0 / gain, 0.0)
        return self.lean * self.taken[..., None] * share[:, None, None]

    def clear(self) -> Tensor:
        """(B, P) bool: the match is reliable."""
        return self.taken & (self.mismatch <= CLEAR_MISMATCH * self.texture)

    def lost(self) -> Tensor:
        """(B, P) bool: the point is occluded."""
        measured = self.texture > 0
        n_measured = measured.sum(1, keepdim=True)
        mismatch = torch.where(measured, self.mismatch, torch.inf)
        usual = _median(mismatch, n_measured)
        differs = self.mismatch > WORST_MISMATCH * self.texture
        return measured & differs & (self.mismatch > WORST_RATIO * usual)

    def where(self, chosen: Tensor, others: BatchedMatches) -> BatchedMatches:
        """Choose between these matches and others, point by point.

        Parameters
        ----------
        chosen
            (B, P) bool: these.
        others
            Taken elsewhere.
        """
        return BatchedMatches(
            torch.where(chosen, self.mismatch, others.mismatch),
            torch.where(chosen, self.texture, others.texture),
            torch.where(chosen, self.light, others.light),
            torch.where(chosen, self.gain, others.gain),
            torch.where(chosen[..., None], self.lean, others.lean),
            torch.where(chosen, self.taken, others.taken),
        )


def carry(
    before: Tensor, moved: Tensor, lost: Tensor, clear: Tensor, neighbors: Tensor
) -> tuple[Tensor, Tensor]:
    """Move occluded points with their reliable neighbours, as `carrying.carry` does.

    Parameters
    ----------
    before, moved
        (B, P, 2) points before and after the flow.
    lost, clear
        (B, P) bool: occluded, and reliably matched.
    neighbors
        (P, K) mesh neighbours.

    Returns
    -------
    (B, P, 2) points, and (B, P) bool: occluded points that have a reliable neighbour.
    """
    chosen = neighbors.to(torch.int64)
    there = clear[:, chosen]
    n_there = there.sum(2)
    steps = torch.where(there[..., None], (moved - before)[:, chosen], torch.inf)
    middle = torch.stack(
        [_median(steps[..., axis].flatten(0, 1), n_there.flatten()[:, None]) for axis in (0, 1)], 2
    ).view(before.shape)
    carried = lost & (n_there > 0)
    return torch.where(carried[..., None], before + middle, moved), carried


def _median(values: Tensor, n: Tensor) -> Tensor:
    """Median (N, 1) of the `n` (N, 1) smallest of each row (N, M); what is left out is infinite."""
    ordered = values.sort(1).values
    below = ordered.gather(1, ((n - 1) // 2).clamp(min=0))
    above = ordered.gather(1, (n // 2).clamp(max=ordered.shape[1] - 1))
    return (below + above) * 0.5


class TorchRefinement:
    """Improves and judges matches of N points on smoothed frames.

    Parameters
    ----------
    smooth
        (n_slots, H * W) int16 smoothed frames.
    visible
        (H, W) float32, 1 where the frame is visible.
    settings
        The window.
    """

    def __init__(self, smooth: Tensor, visible: Tensor, settings: FlowSettings) -> None:
        self._smooth = smooth
        self._visible = visible
        self._settings = settings
        width, height = settings.window_px
        half = [(width - 1) * 0.5, (height - 1) * 0.5]
        self._half = torch.tensor(half, device=visible.device)

    def __call__(
        self,
        before: Tensor,
        after: Tensor,
        start: Tensor,
        moved: Tensor,
        found: Tensor,
        look: Look,
        other_light: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Refine `moved` (N, 2); also mismatch, texture and light (N,), 0 where nothing was measured.

        Then gain (N,), 1 where it was not measured, and lean (N, 2), 0 there; last (N,) bool, where the
        match was taken. `other_light` (N,) bool: gain and shapes of light are free.
        """
        height, width = self._visible.shape
        level = Level(0, width, height)
        flow = LevelFlow(self._smooth, level, before, after, self._settings)
        origin = start - self._half
        cell = torch.floor(origin)
        measured = found & flow.touches(cell)
        pixels, rows, columns = flow.pixels(before, cell, 1)
        weights = self._weights(rows[:, 1:-2], columns[:, 1:-2])
        patch = _blend(pixels.to(torch.float32), _shares(origin - cell))
        values = patch[:, 1:-1, 1:-1]
        n_visible = weights.sum((1, 2))
        share = 1.0 / n_visible.clamp(min=1.0)
        mean = ((values * weights).sum((1, 2)) * share)[:, None, None]
        template = (values - mean) * weights
        variance = (template * template).sum((1, 2)) * share
        shapes = _Shapes(template, weights, other_light)
        template = shapes.taken_off(template)
        even = (template * template).sum((1, 2)) * share
        x, y = (shapes.taken_off(slope) for slope in _slopes(patch, weights, share))
        own1, own2 = (template * x).sum((1, 2)), (template * y).sum((1, 2))
        a11, a12, a22 = (x * x).sum((1, 2)), (x * y).sum((1, 2)), (y * y).sum((1, 2))
        largest = torch.maximum(a11, a22)
        determinant = a11 * a22 - a12 * a12
        measured &= (determinant > LEAST_DETERMINANT * largest * largest) & (largest > 0)
        inverse = 1.0 / torch.where(measured, determinant, 1.0)

        place = moved - self._half
        left, light = torch.zeros_like(a11), torch.zeros_like(a11)
        gain = torch.ones_like(a11)
        active = measured.clone()
        for _ in range(N_ITERATIONS):
            cell = torch.floor(place)
            gone = active & ~flow.touches(cell)
            measured, active = measured & ~gone, active & ~gone
            if not bool(active.any()):
                break
            window = flow.pixels(after, cell, 0)[0].to(torch.float32)
            value = (_blend(window, _shares(place - cell)) - mean) * weights
            level_now = value.sum((1, 2)) * share
            value = value - level_now[:, None, None] * weights
            spread = (value * value).sum((1, 2)) * share
            value = shapes.taken_off(value)
            flat = (value * value).sum((1, 2)) * share
            scale = torch.sqrt(even / flat.clamp(min=LEAST_VARIANCE))
            scale = torch.where(other_light, scale.clamp(1 / MOST_GAIN, MOST_GAIN), 1.0)
            b1 = (value * x).sum((1, 2)) * scale - own1
            b2 = (value * y).sum((1, 2)) * scale - own2
            change = value * scale[:, None, None] - template
            first, second = torch.sqrt(variance), torch.sqrt(spread)
            by_light = shapes.slope_square(change) + (second - first) ** 2
            by_light = torch.where(other_light, 0.0, by_light)
            brighter = 1.0 + level_now / mean[:, 0, 0].clamp(min=1.0)
            brighter = torch.where(other_light, 1.0, brighter)
            gain = torch.where(active, brighter, gain)
            left = torch.where(active, (change * change).sum((1, 2)) * share, left)
            light = torch.where(active, by_light, light)
            step = torch.stack([a12 * b2 - a22 * b1, a12 * b1 - a11 * b2], 1) * inverse[:, None]
            place = torch.where(active[:, None], place + step, place)
            active = active & ((step * step).sum(1) > STEP_PX**2)
        place = place + self._half
        near = measured & ((place - moved).abs() <= look.reach_px).all(1)
        share = 1.0 / (1.0 + look.doubt * left / variance.clamp(min=LEAST_VARIANCE))
        refined = torch.where(near[:, None], moved + (place - moved) * share[:, None], moved)
        left, variance, light = (torch.where(measured, v, 0.0) for v in (left, variance, light))
        lean = torch.stack([a22 * own1 - a12 * own2, a11 * own2 - a12 * own1], 1)
        lean = torch.where((measured & ~other_light)[:, None], lean * inverse[:, None], 0.0)
        return refined, left, variance, light, torch.where(measured, gain, 1.0), lean, near

    def _weights(self, rows: Tensor, columns: Tensor) -> Tensor:
        """(N, h, w) float32, 1 where a pixel lies in the frame and is visible."""
        height, width = self._visible.shape
        in_rows = ((rows >= 0) & (rows < height))[:, :, None]
        in_columns = ((columns >= 0) & (columns < width))[:, None, :]
        inside = in_rows & in_columns
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
        return self._visible[rows[:, :, None], columns[:, None, :]] * inside


def _slopes(patch: Tensor, weights: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Weighed gradients (N, h, w) about their means, of patches (N, h + 2, w + 2)."""
    x = (patch[:, 1:-1, 2:] - patch[:, 1:-1, :-2]) * 0.5 * weights
    y = (patch[:, 2:, 1:-1] - patch[:, :-2, 1:-1]) * 0.5 * weights
    x, y = (s - (s.sum((1, 2)) * share)[:, None, None] * weights for s in (x, y))
    return x, y


class _Shapes:
    """The shapes that light has in N windows: slopes, a bend along y, and contrast that slopes along y.

    Parameters
    ----------
    template
        (N, h, w) values about their mean, weighed.
    weights
        (N, h, w), 1 where a pixel counts.
    chosen
        (N,) bool: windows that shapes are taken off.
    """

    def __init__(self, template: Tensor, weights: Tensor, chosen: Tensor) -> None:
        height, width = weights.shape[1:]
        self._chosen = chosen[:, None, None]
        self._n_visible = weights.sum((1, 2)).clamp(min=1.0)[:, None, None]
        across = (torch.arange(width, device=weights.device) - (width - 1) * 0.5)[None, None, :]
        down = (torch.arange(height, device=weights.device) - (height - 1) * 0.5)[None, :, None]
        self._shapes: list[Tensor] = []
        for part in (across * weights, down * weights, down * down * weights, down * template):
            shape = part - part.sum((1, 2), keepdim=True) / self._n_visible * weights
            for other in self._shapes:
                shape = shape - _dot(shape, other) * other
            square = _dot(shape, shape)
            there = square > _LEAST_SQUARE
            self._shapes.append(shape * torch.where(there, 1 / square.clamp(min=1e-12).sqrt(), 0.0))

    def taken_off(self, part: Tensor) -> Tensor:
        """Windows (N, h, w) about their mean, weighed, without shapes where these are removed."""
        even = part
        for shape in self._shapes:
            even = even - _dot(even, shape) * shape
        return torch.where(self._chosen, even, part)

    def slope_square(self, part: Tensor) -> Tensor:
        """(N,) mean square of the slopes that fit windows best."""
        squares = sum(_dot(part, shape) ** 2 for shape in self._shapes[:2])
        return (squares / self._n_visible)[:, 0, 0]


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """(N, 1, 1) sums of products of windows."""
    return (one * other).sum((1, 2), keepdim=True)


def _shares(fraction: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Bilinear weights (N, 1, 1) of the four pixels around a point."""
    a, b = fraction[:, 0, None, None], fraction[:, 1, None, None]
    both = a * b
    return 1.0 - a - b + both, a - both, b - both, both


def _blend(pixels: Tensor, shares: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """Bilinear values (N, h, w) of pixels (N, h + 1, w + 1)."""
    w00, w01, w10, w11 = shares
    upper = w00 * pixels[:, :-1, :-1] + w01 * pixels[:, :-1, 1:]
    return upper + w10 * pixels[:, 1:, :-1] + w11 * pixels[:, 1:, 1:]
