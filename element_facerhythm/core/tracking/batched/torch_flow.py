"""Pyramidal Lucas-Kanade in torch's own operations, all points of all sequences at once.

The arithmetic is OpenCV's (Scharr gradients that are 0 beyond the frame, 14-bit bilinear weights,
5 extra bits for interpolated values, pictures mirrored about their border pixels), so that the two
differ only by the order of float sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from element_facerhythm.core.tracking.batched.geometry import Level, PyramidGeometry
from element_facerhythm.core.tracking.settings import FlowSettings

_WEIGHT_BITS = 14
_VALUE_BITS = 5
_SUM_SCALE = 1.0 / (1 << 20)
_MIN_EIGENVALUE = 1e-4
_MIN_DETERMINANT = 1.1920929e-07
_STANDSTILL_PX = 0.01  # two opposite steps that cancel to this are an oscillation


def batched_flow(
    rows: Tensor,
    geometry: PyramidGeometry,
    before: Tensor,
    after: Tensor,
    points: Tensor,
    follows: Tensor,
    settings: FlowSettings,
) -> tuple[Tensor, Tensor]:
    """Move the points of every sequence from one frame to another.

    Parameters
    ----------
    rows
        (n_slots, n_bytes) uint8 pyramids.
    geometry
        Where the levels lie in a row.
    before, after
        (B,) rows of the two frames of each sequence.
    points
        (B, P, 2) float32 positions (x, y) in pixels.
    follows
        (B, P) bool: points to move.
    settings
        Window, levels and criteria.

    Returns
    -------
    moved
        (B, P, 2) float32; as given where the point does not follow.
    found
        (B, P) bool: it follows, and its flow could be measured.
    """
    chosen = follows.nonzero()
    sequence = chosen[:, 0]
    start = points[follows]
    top = len(geometry.levels) - 1
    guess = start * (1.0 / (1 << top))
    found = torch.ones(len(start), dtype=torch.bool, device=points.device)
    for number in range(top, -1, -1):
        level = geometry.levels[number]
        flow = LevelFlow(rows, level, before[sequence], after[sequence], settings)
        guess, found = flow(start * (1.0 / (1 << number)), guess)
        if number:
            guess = guess * 2.0
    moved, all_found = points.clone(), torch.zeros_like(follows)
    moved[follows], all_found[follows] = guess, found
    return moved, all_found


@dataclass(frozen=True)
class LevelFlow:
    """Lucas-Kanade on one level: N points, each with a row of its own before and after."""

    rows: Tensor
    level: Level
    before: Tensor
    after: Tensor
    settings: FlowSettings

    def __call__(self, start: Tensor, guess: Tensor) -> tuple[Tensor, Tensor]:
        """Refine `guess` (N, 2); also (N,) bool, where it could be measured."""
        width, height = self.settings.window_px
        half = torch.tensor([(width - 1) * 0.5, (height - 1) * 0.5], device=start.device)
        origin = start - half
        cell = torch.floor(origin)
        measured = self.touches(cell)
        image, gradient_x, gradient_y = self._template(cell, origin - cell)
        a11 = (gradient_x * gradient_x).sum((1, 2)) * _SUM_SCALE
        a12 = (gradient_x * gradient_y).sum((1, 2)) * _SUM_SCALE
        a22 = (gradient_y * gradient_y).sum((1, 2)) * _SUM_SCALE
        determinant = a11 * a22 - a12 * a12
        spread = torch.sqrt((a11 - a22) ** 2 + 4.0 * a12 * a12)
        eigenvalue = (a22 + a11 - spread) / (2 * width * height)
        measured &= (eigenvalue >= _MIN_EIGENVALUE) & (determinant >= _MIN_DETERMINANT)
        inverse = 1.0 / torch.where(measured, determinant, 1.0)
        moved = guess - half
        active, last_step = measured.clone(), torch.zeros_like(moved)
        for iteration in range(self.settings.n_iterations):
            cell = torch.floor(moved)
            left = active & ~self.touches(cell)
            measured, active = measured & ~left, active & ~left
            if not bool(active.any()):
                break
            difference = (self._picture(cell, moved - cell) - image).to(torch.float32)
            b1 = (difference * gradient_x).sum((1, 2)) * _SUM_SCALE
            b2 = (difference * gradient_y).sum((1, 2)) * _SUM_SCALE
            step = torch.stack([a12 * b2 - a22 * b1, a12 * b1 - a11 * b2], 1) * inverse[:, None]
            step = torch.where(active[:, None], step, 0.0)
            moved = moved + step
            active = active & ((step * step).sum(1) > self.settings.step_px**2)
            if iteration:
                swings = active & ((step + last_step).abs() < _STANDSTILL_PX).all(1)
                moved = torch.where(swings[:, None], moved - 0.5 * step, moved)
                active = active & ~swings
            last_step = step
        return moved + half, measured

    def touches(self, cell: Tensor) -> Tensor:
        """(N,) bool: the window that starts at the cell still touches the frame."""
        width, height = self.settings.window_px
        x, y = cell[:, 0], cell[:, 1]
        return (x >= -width) & (x < self.level.width) & (y >= -height) & (y < self.level.height)

    def pixels(self, rows: Tensor, cell: Tensor, margin: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels around a cell of each of N points, mirrored beyond the border.

        Parameters
        ----------
        rows
            (N,) pyramid of each point.
        cell
            (N, 2) first pixel (x, y) of each window.
        margin
            Pixels around the window on each side.

        Returns
        -------
        (N, h + 1 + 2 margin, w + 1 + 2 margin) int32 pixels; their rows (N, h + 1 + 2 margin) and columns.
        """
        width, height = self.settings.window_px
        device = cell.device
        across = torch.arange(-margin, width + 1 + margin, device=device)
        down = torch.arange(-margin, height + 1 + margin, device=device)
        # a cell far outside is not measured; it must only not reach beyond the memory
        x = cell[:, 0].clamp(-width, self.level.width - 1).to(torch.int64)[:, None] + across
        y = cell[:, 1].clamp(-height, self.level.height - 1).to(torch.int64)[:, None] + down
        inside_x, inside_y = _mirrored(x, self.level.width), _mirrored(y, self.level.height)
        place = inside_y[:, :, None] * self.level.width + inside_x[:, None, :] + self.level.offset
        return self.rows[rows[:, None, None], place].to(torch.int32), y, x

    def _template(self, cell: Tensor, fraction: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Interpolated picture (int32) and gradients (float32) around each point, (N, h, w)."""
        pixels, y, x = self.pixels(self.before, cell, 1)
        smooth = 3 * (pixels[:, :-2] + pixels[:, 2:]) + 10 * pixels[:, 1:-1]
        change = pixels[:, 2:] - pixels[:, :-2]
        along_x = smooth[:, :, 2:] - smooth[:, :, :-2]
        along_y = 3 * (change[:, :, :-2] + change[:, :, 2:]) + 10 * change[:, :, 1:-1]
        y, x = y[:, 1:-1], x[:, 1:-1]
        in_rows = (y >= 0) & (y < self.level.height)
        in_frame = in_rows[:, :, None] & ((x >= 0) & (x < self.level.width))[:, None]
        return (
            _interpolate(pixels[:, 1:-1, 1:-1], fraction, _VALUE_BITS),
            _interpolate(along_x * in_frame, fraction, 0).to(torch.float32),
            _interpolate(along_y * in_frame, fraction, 0).to(torch.float32),
        )

    def _picture(self, cell: Tensor, fraction: Tensor) -> Tensor:
        """Interpolated picture (N, h, w) int32 around each point in the second frame."""
        return _interpolate(self.pixels(self.after, cell, 0)[0], fraction, _VALUE_BITS)


def _mirrored(index: Tensor, length: int) -> Tensor:
    """Index mirrored about the border pixels, and kept inside whatever happens."""
    index = index.abs()
    index = torch.where(index > length - 1, 2 * (length - 1) - index, index)
    return index.clamp(0, length - 1)


def _interpolate(pixels: Tensor, fraction: Tensor, extra_bits: int) -> Tensor:
    """Bilinear values (N, h, w) of int32 pixels (N, h + 1, w + 1), in units of 2 ** -extra_bits."""
    one = 1 << _WEIGHT_BITS
    a, b = fraction[:, 0, None, None], fraction[:, 1, None, None]
    w00 = torch.round((1.0 - a) * (1.0 - b) * one).to(torch.int32)
    w01 = torch.round(a * (1.0 - b) * one).to(torch.int32)
    w10 = torch.round((1.0 - a) * b * one).to(torch.int32)
    w11 = one - w00 - w01 - w10
    total = (
        w00 * pixels[:, :-1, :-1]
        + w01 * pixels[:, :-1, 1:]
        + w10 * pixels[:, 1:, :-1]
        + w11 * pixels[:, 1:, 1:]
    )
    shift = _WEIGHT_BITS - extra_bits
    return (total + (1 << (shift - 1))) >> shift
