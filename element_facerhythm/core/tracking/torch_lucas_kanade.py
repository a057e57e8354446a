"""Pyramidal Lucas-Kanade in torch, all points at once, on any device.

It follows OpenCV's fixed-point arithmetic (5-tap pyramid, Scharr gradients, 14-bit bilinear
weights, 5 extra bits for interpolated values), so that the two differ only by the order of float
sums.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from element_facerhythm.core.tracking.settings import FlowSettings, GrayFrame, Points

_WEIGHT_BITS = 14
_VALUE_BITS = 5
_SUM_SCALE = 1.0 / (1 << 20)
_MIN_EIGENVALUE = 1e-4
_STANDSTILL_PX = 0.01  # two opposite steps that cancel to this are an oscillation


@dataclass
class _Level:
    """One pyramid level, padded by the window on all sides; gradients come when first asked for."""

    image: Tensor
    pad_x: int
    pad_y: int
    gradients: tuple[Tensor, Tensor] | None = field(default=None)

    @property
    def width(self) -> int:
        return self.image.shape[1] - 2 * self.pad_x

    @property
    def height(self) -> int:
        return self.image.shape[0] - 2 * self.pad_y

    def padded_gradients(self) -> tuple[Tensor, Tensor]:
        """Scharr gradients (d/dx, d/dy), int32, 0 beyond the frame."""
        if self.gradients is None:
            inner = self.image[self.pad_y - 1 : self.pad_y + self.height + 1]
            inner = inner[:, self.pad_x - 1 : self.pad_x + self.width + 1]
            smooth = 3 * (inner[:-2] + inner[2:]) + 10 * inner[1:-1]
            change = inner[2:] - inner[:-2]
            along_x = smooth[:, 2:] - smooth[:, :-2]
            along_y = 3 * (change[:, :-2] + change[:, 2:]) + 10 * change[:, 1:-1]
            pads = (self.pad_x, self.pad_x, self.pad_y, self.pad_y)
            self.gradients = (
                torch.nn.functional.pad(along_x, pads),
                torch.nn.functional.pad(along_y, pads),
            )
        return self.gradients


def _mirror(length: int, pad: int, device: torch.device) -> Tensor:
    """Index an axis extended by `pad` on both sides, mirrored about its border pixels."""
    index = np.arange(-pad, length + pad)
    period = max(2 * (length - 1), 1)
    index = np.abs(index) % period
    return torch.from_numpy(np.minimum(index, period - index) % length).to(device)


def _extended(image: Tensor, pad_x: int, pad_y: int) -> Tensor:
    rows = _mirror(image.shape[0], pad_y, image.device)
    columns = _mirror(image.shape[1], pad_x, image.device)
    return image[rows][:, columns]


def _halved(image: Tensor) -> Tensor:
    """Smooth with (1, 4, 6, 4, 1) / 16 along both axes and keep every second pixel, rounded."""
    taps = (1, 4, 6, 4, 1)
    n_rows, n_columns = (image.shape[0] + 1) // 2, (image.shape[1] + 1) // 2
    image = _extended(image, 2, 2)
    image = sum(  # type: ignore[assignment]
        weight * image[:, tap : tap + 2 * n_columns - 1 : 2] for tap, weight in enumerate(taps)
    )
    image = sum(  # type: ignore[assignment]
        weight * image[tap : tap + 2 * n_rows - 1 : 2] for tap, weight in enumerate(taps)
    )
    return (image + 128) >> 8


class TorchFlow:
    """Lucas-Kanade on a torch device; the pyramid of the last frame is kept for the next call."""

    def __init__(self, settings: FlowSettings, device: torch.device | str) -> None:
        self._settings = settings
        self._device = torch.device(device)
        self._last: tuple[GrayFrame, list[_Level]] | None = None
        width, height = settings.window_px
        self._half = torch.tensor([(width - 1) * 0.5, (height - 1) * 0.5], device=self._device)

    def __call__(
        self, frame_before: GrayFrame, frame_after: GrayFrame, points: Points
    ) -> tuple[Points, NDArray[np.bool_]]:
        """Points in the second frame, and where they were found."""
        before = self._pyramid(frame_before)
        after = self._pyramid(frame_after)
        self._last = (frame_after, after)
        start = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32)).to(self._device)
        top = len(before) - 1
        moved = start * (1.0 / (1 << top))
        found = torch.ones(len(start), dtype=torch.bool, device=self._device)
        for level in range(top, -1, -1):
            moved, measured = self._level_flow(
                before[level], after[level], start * (1.0 / (1 << level)), moved
            )
            if level:
                moved = moved * 2.0
            else:
                found = measured
        return moved.cpu().numpy(), found.cpu().numpy()

    def _pyramid(self, frame: GrayFrame) -> list[_Level]:
        if self._last is not None and self._last[0] is frame:
            return self._last[1]
        width, height = self._settings.window_px
        image = torch.from_numpy(np.ascontiguousarray(frame)).to(self._device).to(torch.int32)
        levels = [_Level(_extended(image, width, height), width, height)]
        for _ in range(self._settings.max_level):
            if (image.shape[1] + 1) // 2 <= width or (image.shape[0] + 1) // 2 <= height:
                break  # OpenCV ends its pyramid here too
            image = _halved(image)
            levels.append(_Level(_extended(image, width, height), width, height))
        return levels

    def _level_flow(
        self, before: _Level, after: _Level, start: Tensor, guess: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Refine `guess` (P, 2) on one level; also (P,) bool, where it could be measured."""
        origin = start - self._half
        cell = torch.floor(origin)
        measured = _inside(cell, before)
        image, gradient_x, gradient_y = self._template(before, origin, cell)
        a11 = (gradient_x * gradient_x).sum((1, 2)) * _SUM_SCALE
        a12 = (gradient_x * gradient_y).sum((1, 2)) * _SUM_SCALE
        a22 = (gradient_y * gradient_y).sum((1, 2)) * _SUM_SCALE
        determinant = a11 * a22 - a12 * a12
        width, height = self._settings.window_px
        spread = torch.sqrt((a11 - a22) ** 2 + 4.0 * a12 * a12)
        eigenvalue = (a22 + a11 - spread) / (2 * width * height)
        measured &= (eigenvalue >= _MIN_EIGENVALUE) & (determinant >= 1.1920929e-07)
        inverse = torch.stack([a22, -a12, -a12, a11]) / torch.where(measured, determinant, 1.0)
        return self._iterate(after, guess, measured, image, (gradient_x, gradient_y), inverse)

    def _iterate(
        self,
        after: _Level,
        guess: Tensor,
        measured: Tensor,
        image: Tensor,
        gradients: tuple[Tensor, Tensor],
        inverse: Tensor,
    ) -> tuple[Tensor, Tensor]:
        moved = guess - self._half
        active = measured.clone()
        last_step = torch.zeros_like(moved)
        for iteration in range(self._settings.n_iterations):
            cell = torch.floor(moved)
            left = active & ~_inside(cell, after)
            measured, active = measured & ~left, active & ~left
            if not bool(active.any()):
                break
            patch = _interpolate(self._window(after.image, after, cell), moved - cell, _VALUE_BITS)
            difference = (patch - image).to(torch.float32)
            b1 = (difference * gradients[0]).sum((1, 2)) * _SUM_SCALE
            b2 = (difference * gradients[1]).sum((1, 2)) * _SUM_SCALE
            step = -torch.stack(
                [inverse[0] * b1 + inverse[1] * b2, inverse[2] * b1 + inverse[3] * b2], dim=1
            )
            step = torch.where(active[:, None], step, 0.0)
            moved = moved + step
            active = active & ((step * step).sum(1) > self._settings.step_px**2)
            if iteration:
                swings = active & ((step + last_step).abs() < _STANDSTILL_PX).all(1)
                moved = torch.where(swings[:, None], moved - 0.5 * step, moved)
                active = active & ~swings
            last_step = step
        return moved + self._half, measured

    def _template(
        self, level: _Level, origin: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Interpolated image (int32) and gradients (float32) around each point, (P, h, w)."""
        fraction = origin - cell
        along_x, along_y = level.padded_gradients()
        return (
            _interpolate(self._window(level.image, level, cell), fraction, _VALUE_BITS),
            _interpolate(self._window(along_x, level, cell), fraction, 0).to(torch.float32),
            _interpolate(self._window(along_y, level, cell), fraction, 0).to(torch.float32),
        )

    def _window(self, padded: Tensor, level: _Level, cell: Tensor) -> Tensor:
        """Pixels (P, h + 1, w + 1) from the cell (x, y) on; cells out of reach are moved within."""
        width, height = self._settings.window_px
        columns = cell[:, 0].clamp(-level.pad_x, level.width - 1).to(torch.int64) + level.pad_x
        rows = cell[:, 1].clamp(-level.pad_y, level.height - 1).to(torch.int64) + level.pad_y
        across = torch.arange(width + 1, device=padded.device)
        down = torch.arange(height + 1, device=padded.device)
        return padded[
            rows[:, None, None] + down[None, :, None], columns[:, None, None] + across[None, None]
        ]


def _inside(cell: Tensor, level: _Level) -> Tensor:
    """(P,) bool: the window that starts at the cell still touches the frame."""
    x, y = cell[:, 0], cell[:, 1]
    return (x >= -level.pad_x) & (x < level.width) & (y >= -level.pad_y) & (y < level.height)


def _interpolate(pixels: Tensor, fraction: Tensor, extra_bits: int) -> Tensor:
    """Bilinear values (P, h, w) of int32 pixels (P, h + 1, w + 1), in units of 2 ** -extra_bits."""
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
