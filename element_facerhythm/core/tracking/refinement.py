"""Matches on raw frames: a search before that on equalised frames, and a refinement after it.

CLAHE makes faint texture count and keeps tracks from slipping, but it bends gray levels differently
in every tile, so that a displacement measured on equalised frames is off by some hundredths of a
pixel, and more where tiles are small. So a match is first searched for on the raw frames, lightly
smoothed, from where the point was: mostly it has moved by little, and a match is accepted where the
two windows differ by little enough (`CLEAR_MISMATCH`). All other points are searched for on equalised
frames, through the pyramid, and their matches are refined on the raw frames and judged: where the two
windows differ much more than those of most points do, the point is occluded. An occluded point moves
with those of its neighbours whose match is reliable; where there are none, it stays.

Frames are mostly lit alike, and then the only thing that is free is the brightness of a window. Where
a gain or slopes of brightness would explain a good part of what is left at many points (mains flicker,
the bands that a rolling shutter makes of it, an exposure that adapts, a screen), the two frames are
matched with gain and the shapes of light free, too. That costs a little precision, which is why it is
not done always; and an object in front of some points is not light. A smaller gain is taken to be the
same for all points, is estimated from all of them, and its effect on each match is corrected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame
from element_facerhythm.core.tracking.preparation import require_size
from element_facerhythm.core.tracking.smoothing_kernel import smooth_part

SmoothFrame = NDArray[np.int16]

N_ITERATIONS = 10
STEP_PX = 0.003
CLEAR_MISMATCH = 0.06
"""Share of a window's variance that may be left unmatched where a match is reliable."""
WORST_MISMATCH = 0.15
"""Share of a window's variance that may be left unmatched ..."""
WORST_RATIO = 4.0
"""... unless it is below this multiple of what most points leave, which then is noise."""
LIGHT_SHARE = 0.3
"""Light has changed at a point where it explains more than this share of the mismatch ..."""
LEAST_LIGHT = 1e-3
"""... and of the texture (a gain of 3 %), ..."""
LIGHT_POINTS = 1 / 3
"""... and between two frames where it has changed at more than this share of the points."""

SMALL_GAIN = 0.03
"""Where levels differ by less than this share they do so by a gain; where by more, and contrasts do not
differ, too, something was added to all levels, which moves nothing."""
MOST_GAIN = 4.0
"""A window is not made brighter or darker than by this factor to match another one."""


class Look(NamedTuple):
    """How far a match on raw frames may move a point from where the search begins.

    Attributes
    ----------
    reach_px
        A match further away along x or y is not taken: the search has slipped to another one.
    doubt
        A match is taken by a share of 1 / (1 + doubt * mismatch / texture) of the way: where noise
        is a good part of the picture, two estimates together are better than the last alone.
    """

    reach_px: float
    doubt: float


FIRST_LOOK = Look(reach_px=4.0, doubt=0.0)
"""Of the search from where the point was."""
LAST_LOOK = Look(reach_px=1.5, doubt=2.0)
"""Of the refinement, from where the point was found on equalised frames."""


@dataclass(frozen=True, eq=False)
class Matches:
    """How well matched windows match.

    Attributes
    ----------
    mismatch
        (P,) float32 mean squared difference, brightness apart.
    texture
        (P,) float32 variance within the window of the first frame; 0 where nothing was measured.
    light
        (P,) float32 what of the mismatch a gain and slopes of brightness would explain.
    gain
        (P,) float32 mean gray level of the second window over that of the first.
    lean
        (P, 2) float32 how far a gain of 1 more moves the match, in pixels.
    taken
        (P,) bool, whether the point was moved to the match.
    """

    mismatch: NDArray[np.float32]
    texture: NDArray[np.float32]
    light: NDArray[np.float32]
    gain: NDArray[np.float32]
    lean: NDArray[np.float32]
    taken: NDArray[np.bool_]

    @classmethod
    def of(cls, n_points: int) -> Matches:
        """Room for so many points."""
        mismatch, texture, light, gain = np.empty((4, n_points), np.float32)
        lean = np.empty((n_points, 2), np.float32)
        return cls(mismatch, texture, light, gain, lean, np.empty(n_points, np.bool_))

    def in_other_light(self) -> bool:
        """Whether the second frame is lit otherwise: at many points, so it is no object in front of some."""
        lit = self.light > np.float32(LIGHT_SHARE) * self.mismatch
        n_lit = np.count_nonzero(lit & (self.light > np.float32(LEAST_LIGHT) * self.texture))
        return bool(n_lit > LIGHT_POINTS * np.count_nonzero(self.texture > 0))

    def common_gain(self) -> np.float32:
        """Gain of the second frame over the first, as most points have it; 1 where none was measured."""
        measured = self.gain[self.texture > 0]
        return np.float32(np.median(measured)) if len(measured) else np.float32(1)

    def leaning(self, gain: np.float32) -> NDArray[np.float32]:
        """(P, 2) float32 pixels by which matches that were taken are off because of a small gain."""
        is_small = abs(gain - np.float32(1)) < np.float32(SMALL_GAIN)
        share = np.float32(1) - np.float32(1) / gain if is_small else np.float32(0)
        lean: NDArray[np.float32] = self.lean * self.taken[:, None]
        return lean * share

    def clear(self) -> NDArray[np.bool_]:
        """(P,) bool, where a match is reliable."""
        alike: NDArray[np.bool_] = self.mismatch <= np.float32(CLEAR_MISMATCH) * self.texture
        return alike & self.taken

    def put(self, places: NDArray[np.intp], others: Matches) -> None:
        """Replace some of these matches by others.

        Parameters
        ----------
        places
            (N,) numbers of the points whose matches are replaced.
        others
            N matches.
        """
        self.mismatch[places] = others.mismatch
        self.texture[places] = others.texture
        self.light[places] = others.light
        self.gain[places] = others.gain
        self.lean[places] = others.lean
        self.taken[places] = others.taken

    def lost(self) -> NDArray[np.bool_]:
        """(P,) bool, where a point is occluded."""
        differs: NDArray[np.bool_] = self.mismatch > np.float32(WORST_MISMATCH) * self.texture
        measured = self.texture > 0
        differs &= measured
        if not differs.any():
            return differs
        usual = float(np.median(self.mismatch[measured]))
        return differs & (self.mismatch > WORST_RATIO * usual)


@dataclass(frozen=True, eq=False)
class RefineWithin:
    """Where matches are made on the raw frames, and each point's neighbours.

    Attributes
    ----------
    visible_mask
        (H, W) bool, the pixels that count.
    neighbors
        (P, K) int64 neighbours of each point, `Mesh.neighbors`.
    """

    visible_mask: NDArray[np.bool_]
    neighbors: NDArray[np.int64]


class VisiblePart:
    """The part of frames that matches are made on: what the mask leaves visible, and a border.

    Parameters
    ----------
    visible_mask
        (H, W) bool.
    pad_px
        Width of the border; beyond the frame, it is mirrored into it.

    Attributes
    ----------
    weights
        (h + 2 * pad, w + 2 * pad) float32: 1 where a pixel is visible, 0 elsewhere.
    layout
        (5,) int64, of flat arrays of this shape: place of the frame's pixel (0, 0), which may lie
        outside, pixels from a row to the next, and first column, first row, of the part without
        its border; then its width and height.
    shape
        (H, W) of the frames.
    rows, columns
        (h + 2 * pad + 2,) and (w + 2 * pad + 2,) int64: pixels of the frame that make up the part with its
        border, and one more on either side.
    """

    def __init__(self, visible_mask: NDArray[np.bool_], pad_px: int) -> None:
        top, height = _extent(np.any(visible_mask, axis=1))
        left, width = _extent(np.any(visible_mask, axis=0))
        stride = width + 2 * pad_px
        self.shape: tuple[int, ...] = visible_mask.shape
        self.weights: NDArray[np.float32] = np.pad(
            visible_mask[top : top + height, left : left + width].astype(np.float32), pad_px
        )
        origin = (pad_px - top) * stride + pad_px - left
        self.layout = np.array([origin, stride, left, top, width, height], np.int64)
        self.rows = _mirrored(top - pad_px - 1, height + 2 * pad_px + 2, visible_mask.shape[0])
        self.columns = _mirrored(left - pad_px - 1, width + 2 * pad_px + 2, visible_mask.shape[1])

    def smoothed(self, frame: GrayFrame) -> SmoothFrame:
        """Smooth a frame (H, W): int16 in the shape of `weights`, sixteenths of a gray.

        By (1, 2, 1) / 4 both ways, a standard deviation of 0.7 pixels.

        Raises
        ------
        RoiError
            The frame is not of the mask's size.
        """
        require_size(frame.shape, self.shape)
        smooth: SmoothFrame = np.empty(self.weights.shape, np.int16)
        smooth_part(frame, self.rows, self.columns, smooth)
        return smooth


def _extent(shown: Any) -> tuple[int, int]:
    """First place that is shown, and how many there are from it to the last; none is one."""
    places = np.flatnonzero(shown)
    return (int(places[0]), int(places[-1] - places[0]) + 1) if len(places) else (0, 1)


def _mirrored(first: int, n: int, length: int) -> NDArray[np.int64]:
    """Pixels of an axis from `first` on, mirrored about the first and the last."""
    period = max(2 * (length - 1), 1)
    index = np.arange(first, first + n) % period
    return np.minimum(index, period - index) % length
