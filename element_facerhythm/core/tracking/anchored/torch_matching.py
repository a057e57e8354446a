"""Patches of frames matched against templates by torch: all points of all frames of a block at once.

The steps are those of `patch_kernel`, for a GPU: no match waits for another one, and a step of all matches is
a few launches. Frames are (B, h, w) int16 on the device, places are (x, y) in pixels of these arrays.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from element_facerhythm.core.tracking.anchored.fusing import can_fuse, fused
from element_facerhythm.core.tracking.anchored.patch_kernel import (
    INVERSE_XX,
    INVERSE_XY,
    INVERSE_YY,
    LEAN_X,
    LEAN_Y,
    POWER,
    SLOPE_X,
    SLOPE_Y,
    SUM_WEIGHT,
    TEMPLATE,
    WEIGHT,
)
from element_facerhythm.core.tracking.anchored.templates import MatchSettings, Templates
from element_facerhythm.core.tracking.window_kernel import n_lanes

_LEAST_GAIN, _MOST_GAIN = 0.2, 5.0
_LONGEST_STEP_PX = 2.0
_STEPS_AT_ONCE = (
    2  # between them, the matches that have ended are sorted out, for which the host waits
)
# matches at once: what is not fused lies in memory, some 100 kB for each
_FUSED_AT_ONCE, _PLAIN_AT_ONCE = 2**20, 2**12


class DeviceTemplates:
    """Templates of one scale on a device.

    Parameters
    ----------
    templates
        R template rows, as the CPU made them.
    device
        Where matches are computed.
    """

    def __init__(self, templates: Templates, device: torch.device) -> None:
        self._side, self._lanes = templates.side, n_lanes(templates.side)
        shape = (len(templates.parts), 4, self._side, self._lanes)
        used = templates.parts.reshape(shape)[..., : self._side].reshape(*shape[:2], -1)
        self._parts = torch.from_numpy(np.ascontiguousarray(used)).to(device)
        self._sums = torch.from_numpy(templates.sums).to(device)
        self._information = torch.from_numpy(templates.information).to(device)

    def match(
        self, stack: Tensor, frames: Tensor, rows: Tensor, starts: Tensor, settings: MatchSettings
    ) -> tuple[Tensor, Tensor]:
        """Match template rows in frames, each from its own start.

        Parameters
        ----------
        stack
            (B, h, w) int16 frames.
        frames, rows
            (N,) int64 frame and template row of every match.
        starts
            (N, 2) float32, in pixels of the stack.
        settings
            When a match ends.

        Returns
        -------
        Places (N, 2), the start where nothing was found, and correlations (N,), -1 there; float32.
        """
        _, height, width = stack.shape
        along = torch.arange(self._side, device=stack.device)
        cells = (along[:, None] * width + along).reshape(-1)
        size = (height, width, self._side, self._lanes)
        places, correlations = starts.clone(), torch.full_like(starts[:, 0], -1)
        goes_on = self._sums[rows, POWER] > 0
        at_once = _FUSED_AT_ONCE if stack.is_cuda and can_fuse() else _PLAIN_AT_ONCE
        for first in range(0, settings.n_steps, _STEPS_AT_ONCE):
            remaining = torch.nonzero(goes_on)[:, 0]
            if not len(remaining):
                break
            for part in remaining.split(at_once):
                state = (places[part], correlations[part], goes_on[part])
                origins = frames[part] * (height * width)
                for _ in range(min(_STEPS_AT_ONCE, settings.n_steps - first)):
                    state = _step(
                        stack.reshape(-1), cells, size, self._parts, self._sums, rows[part], origins,
                        starts[part], *state, settings.step_px, settings.reach_px,
                    )  # fmt: skip
                places[part], correlations[part], goes_on[part] = state
        return places, correlations

    def match_block(
        self, stack: Tensor, rows: Tensor, starts: Tensor, settings: MatchSettings
    ) -> tuple[Tensor, Tensor]:
        """Match a template row of every point in all frames; places (B, P, 2) and correlations (B, P).

        Parameters
        ----------
        stack
            (B, h, w) int16 frames.
        rows
            (P,) int64.
        starts
            (B, P, 2) float32.
        settings
            When a match ends.
        """
        n_frames, n_points, _ = starts.shape
        frames = torch.arange(n_frames, device=stack.device).repeat_interleave(n_points)
        places, correlations = self.match(
            stack, frames, rows.repeat(n_frames), starts.reshape(-1, 2), settings
        )
        return places.reshape(starts.shape), correlations.reshape(n_frames, n_points)

    def information(self, correlations: Tensor, rows: Tensor, noise_factor: float) -> Tensor:
        """Return the inverse covariance (B, P, 3) (xx, xy, yy) of matches, per square pixel.

        Parameters
        ----------
        correlations, rows
            (B, P) of the matches.
        noise_factor
            How many times more than what is unexplained counts as noise.
        """
        explained = correlations.clamp(0.05, 0.9999) ** 2
        per_weight = self._sums[:, POWER] / self._sums[:, SUM_WEIGHT].clamp(min=1e-9)
        noise = noise_factor * per_weight[rows] * (1 / explained - 1) + 1e-6
        return self._information[rows] / noise[..., None]


@fused
def _step(
    pixels: Tensor,
    cells: Tensor,
    size: tuple[int, int, int, int],
    parts: Tensor,
    sums: Tensor,
    rows: Tensor,
    origins: Tensor,
    starts: Tensor,
    places: Tensor,
    correlations: Tensor,
    goes_on: Tensor,
    step_px: float,
    reach_px: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Take one step of N matches: places, correlations, and which of them have not ended."""
    height, width, side, lanes = size
    corner = places - side // 2
    whole = torch.floor(corner)
    share_x, share_y = (corner - whole)[:, :1], (corner - whole)[:, 1:]
    column, row = whole[:, 0].long(), whole[:, 1].long()
    inside = (column >= 0) & (row >= 0) & (column + lanes < width) & (row + side < height)
    runs = goes_on & inside
    index = torch.where(runs, origins + row * width + column, 0)[:, None] + cells

    def blended(left: Tensor) -> Tensor:
        value = pixels[left].float()
        return value + share_x * (pixels[left + 1].float() - value)

    above = blended(index)
    value = above + share_y * (blended(index + width) - above)
    weighed = parts[rows, WEIGHT] * value
    total, square = weighed.sum(1), (weighed * value).sum(1)
    product = (parts[rows, TEMPLATE] * value).sum(1)
    lean_x, lean_y = ((parts[rows, slope] * value).sum(1) for slope in (SLOPE_X, SLOPE_Y))
    own = sums[rows]
    variance = square - total * total / own[:, SUM_WEIGHT]
    correlation = product / torch.sqrt((variance * own[:, POWER]).clamp(min=1e-6))
    gain = (product / own[:, POWER]).clamp(_LEAST_GAIN, _MOST_GAIN)
    off_x, off_y = lean_x / gain - own[:, LEAN_X], lean_y / gain - own[:, LEAN_Y]
    step_x = -(own[:, INVERSE_XX] * off_x + own[:, INVERSE_XY] * off_y)
    step_y = -(own[:, INVERSE_XY] * off_x + own[:, INVERSE_YY] * off_y)
    length = torch.sqrt(step_x * step_x + step_y * step_y)
    scale = (_LONGEST_STEP_PX / length.clamp(min=1e-9)).clamp(max=1.0)
    moved = places + torch.stack([step_x * scale, step_y * scale], 1)
    far = ((moved - starts) ** 2).sum(1) > reach_px * reach_px
    lost = (goes_on & ~inside) | (runs & far)
    places = torch.where(lost[:, None], starts, torch.where(runs[:, None], moved, places))
    correlations = torch.where(lost, -1.0, torch.where(runs, correlation, correlations))
    return places, correlations, runs & ~far & (length >= step_px)


@fused
def smoothed(frames: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Smooth a part of frames by (1, 2, 1) along both axes, as `VisiblePart.smoothed` does: exactly.

    Parameters
    ----------
    frames
        (B, H, W) uint8.
    rows, columns
        (h + 2,) and (w + 2,) int64 pixels that make up the part, and one more on either side.

    Returns
    -------
    (B, h, w) int16, sixteenths of a gray level.
    """
    part = frames.index_select(1, rows).index_select(2, columns).to(torch.int16)
    down = part[:, :-2] + 2 * part[:, 1:-1] + part[:, 2:]
    return down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]


@fused
def halved(stack: Tensor) -> Tensor:
    """Halve frames (B, h, w) int16 as `cv2.pyrDown` does: exactly."""

    def weighed(values: Tensor, axis: int) -> Tensor:
        length = values.shape[axis]
        middle = 2 * torch.arange((length + 1) // 2, device=values.device)
        period = max(2 * (length - 1), 1)

        def tap(offset: int) -> Tensor:
            index = (middle + offset) % period
            return values.index_select(axis, torch.minimum(index, period - index) % length)

        return tap(-2) + tap(2) + 4 * (tap(-1) + tap(1)) + 6 * tap(0)

    return ((weighed(weighed(stack.to(torch.int32), 2), 1) + 128) >> 8).to(torch.int16)
