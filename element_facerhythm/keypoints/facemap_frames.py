"""From frames to what facemap's network sees, and from what it says to positions in the frame.

The same arithmetic as facemap 1.0's own prediction of one frame at a time, for many at once: gray
levels are set to 0 and 1 at the 1st and 99th percentile of the whole frame, the bounding box is cut
out, made square with zeros, and resized to the network's 256 pixels. Each output is a map of 64 x 64
cells; a body part lies in the cell with the largest value, displaced by what the two other maps say
there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.facemap_model import INPUT_PX

GrayFrames = NDArray[np.uint8]

CELL_PX = 4
"""Pixels of the network's input per cell of its outputs."""
_DISPLACEMENT = -6.0  # cells per unit of the displacement maps: -2 x a standard deviation of 3
_DARK, _BRIGHT = 0.01, 0.99


@dataclass(frozen=True)
class BoundingBox:
    """The part of the frame that the network is shown.

    Attributes
    ----------
    left, right, top, bottom
        Pixels of the full frame, x to the right, y down; right and bottom are the first beyond it.
    """

    left: int
    right: int
    top: int
    bottom: int

    @classmethod
    def whole(cls, width_px: int, height_px: int) -> BoundingBox:
        """Return the box of a whole frame.

        Parameters
        ----------
        width_px, height_px
            Size of the frame.
        """
        return cls(0, width_px, 0, height_px)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return self.bottom - self.top, self.right - self.left

    def require_within(self, width_px: int, height_px: int) -> None:
        """Refuse a box without an area, or one that reaches beyond the frame.

        Parameters
        ----------
        width_px, height_px
            Size of the frame.

        Raises
        ------
        KeypointError
            As above.
        """
        in_x = 0 <= self.left < self.right <= width_px
        in_y = 0 <= self.top < self.bottom <= height_px
        if not (in_x and in_y):
            raise KeypointError(
                f"bounding box x {self.left} to {self.right}, y {self.top} to {self.bottom} lies outside of "
                f"the frame of {width_px} x {height_px} px, or is empty; give x1 < x2 and y1 < y2 within it"
            )


@dataclass(frozen=True)
class _Square:
    """Zeros that make a box square: before and after along y, before and after along x."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def around(cls, shape: tuple[int, int]) -> _Square:
        """Centre a box; as in facemap, an odd difference makes the square one pixel larger."""
        side = max(shape)
        if (side - min(shape)) % 2:
            side += 1
        (top, bottom), (left, right) = (
            ((side - n) // 2, side - n - (side - n) // 2) if shape[0] != shape[1] else (0, 0)
            for n in shape
        )
        return cls(top, bottom, left, right)


class FrameWindow:
    """Cuts what the network sees out of frames, and brings positions back.

    Parameters
    ----------
    box
        What to cut out.
    device
        Where the network computes.
    """

    def __init__(self, box: BoundingBox, device: torch.device) -> None:
        self._box = box
        self._device = device
        self._square = _Square.around(box.shape)
        self._side = box.shape[0] + self._square.top + self._square.bottom

    def cut(self, frames: GrayFrames) -> Tensor:
        """Network inputs (N, 1, 256, 256) float32 of frames (N, H, W); NaN where a frame is of one gray."""
        box, square = self._box, self._square
        low, high = (torch.from_numpy(p).to(self._device) for p in gray_percentiles(frames))
        part = np.ascontiguousarray(frames[:, box.top : box.bottom, box.left : box.right])
        inputs = torch.from_numpy(part).to(self._device).to(torch.float32)
        inputs = (inputs - low[:, None, None]) / (high - low)[:, None, None]
        pads = (square.left, square.right, square.top, square.bottom)
        inputs = functional.pad(inputs[:, None], pads)
        if inputs.shape[-1] == INPUT_PX:
            return inputs
        return functional.interpolate(inputs, size=(INPUT_PX, INPUT_PX), mode="bilinear")

    def place(self, positions: Tensor) -> Tensor:
        """Bring positions (N, K, 2) in the network's pixels to the full frame's."""
        scale = self._side / INPUT_PX
        corner = [self._box.left - self._square.left, self._box.top - self._square.top]
        return positions * scale + torch.tensor(corner, device=positions.device)


def gray_percentiles(frames: GrayFrames) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """1st and 99th percentile of each frame (N, H, W), interpolated linearly as torch does.

    From counts of the 256 gray levels, which takes a hundredth of the time that sorting does.
    """
    n_pixels = frames[0].size
    totals = np.stack([np.cumsum(np.bincount(frame.ravel(), minlength=256)) for frame in frames])

    def percentile(fraction: float) -> NDArray[np.float32]:
        rank = fraction * (n_pixels - 1)
        below = int(rank)
        grays = [(totals <= place).sum(axis=1) for place in (below, min(below + 1, n_pixels - 1))]
        return (grays[0] + (rank - below) * (grays[1] - grays[0])).astype(np.float32)

    return percentile(_DARK), percentile(_BRIGHT)


def located(heat: Tensor, shift_x: Tensor, shift_y: Tensor) -> tuple[Tensor, Tensor]:
    """Positions from the three outputs of the network.

    Parameters
    ----------
    heat
        (N, K, h, w), not negative: where each body part is.
    shift_x, shift_y
        (N, K, h, w): how far it lies from the middle of each cell.

    Returns
    -------
    positions
        (N, K, 2) float32 x and y in pixels of the network's input.
    likelihood
        (N, K) float32, 0.5 to 1: the logistic function of the largest value. NaN, positions too, where
        the frame was all of one gray.
    """
    width = heat.shape[-1]
    flat = heat.float().flatten(2)
    largest, cell = flat.max(dim=2)
    shifts = [s.float().flatten(2).gather(2, cell[..., None])[..., 0] for s in (shift_x, shift_y)]
    # facemap names the maps by rows and columns: its x map goes with the row
    row = shifts[0] * _DISPLACEMENT + torch.div(cell, width, rounding_mode="floor")
    column = shifts[1] * _DISPLACEMENT + cell % width
    positions = torch.stack([column, row], dim=2) * CELL_PX
    return positions, torch.sigmoid(largest)
