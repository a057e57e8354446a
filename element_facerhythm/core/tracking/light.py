"""Light in every frame, and whether the points can be seen in it at all.

Each frame is sampled at some two thousand visible pixels: mean and standard deviation of their gray
levels (level and contrast), their mean absolute difference from the frame before, and how well they
correlate with their neighbours, with the frame before, and with the last frame in which the points could
be seen. In a frame in which they cannot be seen (light off, saturated, covered, noise alone) the points
are held in place, and the next frame that shows them is matched with the last one that did. Decisions
follow from past frames alone, and memory grows by three numbers a frame.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.uint8]

N_PAIRS = 1024
"""Visible pixels, spread evenly, that are sampled, each with its neighbour to the right."""
LEAST_CONTRAST = 1.0
"""Gray levels; a frame with less contrast shows nothing, ..."""
VANISHED = 0.03
"""... nor does one with less than this share of the usual contrast."""
FAINT = 0.2
"""Of the usual contrast: less, and no likeness to the last frame that was seen, is darkness."""
WEAK = 0.5
"""Of the usual contrast: less, and no likeness to that frame nor to the one before, is noise."""
LIKE = 0.5
"""Correlation from which on frames are alike."""
UNLIKE, ROUGH = 0.2, 0.5
"""A frame that correlates below the first with both, and whose neighbouring pixels correlate below this
share of what is usual, is noise; a frame that only shifted is as smooth as ever."""
FAINT_START, UNLIKE_AT_START = 8.0, 0.3
"""As long as nothing was seen: frames of less contrast (gray levels) and likeness than this are noise."""

DARK = 0.5
"""A frame of less than this share of the usual level and of the usual contrast is dark."""
STILL = 0.1
"""A frame that differs from the one before by less than this share of the usual difference repeats it."""

_N_USUAL = 512  # frames that say what is usual ...
_N_ALL, _EVERY = 64, 8  # ... at first each that is seen, then every eighth


def sample_places(visible_mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places (2 N,) of the sampled pixels in the flat frame, then of their neighbours.

    Of the whole frame where all of it is hidden.
    """
    places = np.flatnonzero(visible_mask)
    if not len(places):
        places = np.arange(visible_mask.size)
    chosen = np.linspace(0, len(places) - 1, min(N_PAIRS, len(places))).astype(np.int64)
    pixels = places[chosen].astype(np.int64)
    return np.concatenate([pixels, np.minimum(pixels + 1, visible_mask.size - 1)])


class LightWatch:
    """What is known of the light of a sequence's frames, which are shown to it in order, once.

    Parameters
    ----------
    n_frames
        Number of frames, T.
    holds_points
        False: the facts alone are wanted, and points are held in place in no frame.
    """

    def __init__(self, n_frames: int, *, holds_points: bool = True) -> None:
        self._facts = np.full((n_frames, 3), np.nan, np.float32)
        self._held = np.zeros(n_frames, np.bool_)
        self._holds_points = holds_points
        self._previous: NDArray[np.float32] | None = None
        self._previous_shape: NDArray[np.float32] | None = None
        self._seen_shape: NDArray[np.float32] | None = None
        self._contrasts: deque[float] = deque(maxlen=_N_USUAL)
        self._smoothnesses: deque[float] = deque(maxlen=_N_USUAL)
        self._usual_contrast, self._usual_smoothness = 0.0, 0.0
        self._n_accepted = 0
        self.n_shown = 0

    def show(self, samples: Samples) -> None:
        """Look at the next frame: its gray levels (2 N,) at `sample_places`."""
        index, levels = self.n_shown, samples.astype(np.float32)
        self.n_shown += 1
        mean = float(levels.mean())
        shape = levels - np.float32(mean)
        contrast = float(np.sqrt(np.dot(shape, shape) / len(shape)))
        shape *= np.float32(1 / max(contrast * np.sqrt(len(shape)), 1e-6))
        half = len(shape) // 2
        smoothness, likeness = 2 * float(np.dot(shape[:half], shape[half:])), 1.0
        self._facts[index, :2] = mean, contrast
        if self._previous is not None and self._previous_shape is not None:
            self._facts[index, 2] = np.abs(levels - self._previous).mean()
            likeness = float(np.dot(shape, self._previous_shape))
        if self._holds_points and self._shows_nothing(contrast, likeness, smoothness, shape):
            self._held[index] = True
            if index == self._n_accepted == 1 and self._contrasts[0] < min(
                FAINT_START, contrast / WEAK
            ):
                self._forget_the_first()
        else:
            self._accept(contrast, smoothness, shape)
        self._previous, self._previous_shape = levels, shape

    def holds(self, index: int) -> bool:
        """Whether the points are held in place in a frame that was shown."""
        return bool(self._held[index])

    def last_seen(self, index: int) -> int | None:
        """Return the last frame before `index` in which something was seen; None for none."""
        before = index - 1
        while before >= 0 and self._held[before]:
            before -= 1
        return before if before >= 0 else None

    @property
    def facts(self) -> NDArray[np.float32]:
        """(T, 3) float32 level, contrast, mean absolute difference to the frame before (NaN: none)."""
        return self._facts

    @property
    def held_frames(self) -> NDArray[np.int32]:
        """(N,) int32 frames in which the points were held in place."""
        return np.flatnonzero(self._held).astype(np.int32)

    def _shows_nothing(
        self, contrast: float, likeness: float, smoothness: float, shape: NDArray[np.float32]
    ) -> bool:
        if contrast < LEAST_CONTRAST:
            return True
        at_start = self._seen_shape is None or (self.n_shown == 2 and self._n_accepted == 1)
        if at_start and contrast < FAINT_START and likeness < UNLIKE_AT_START:
            return True
        if self._seen_shape is None:
            return False
        usual = self._usual_contrast
        if contrast < VANISHED * usual:
            return True
        to_seen = float(np.dot(shape, self._seen_shape))
        if contrast < WEAK * usual and to_seen < LIKE:
            return contrast < FAINT * usual or likeness < LIKE
        rough = smoothness < ROUGH * self._usual_smoothness
        return rough and to_seen < UNLIKE and likeness < UNLIKE

    def _accept(self, contrast: float, smoothness: float, shape: NDArray[np.float32]) -> None:
        self._seen_shape = shape
        if self._n_accepted < _N_ALL or self._n_accepted % _EVERY == 0:
            self._contrasts.append(contrast)
            self._smoothnesses.append(smoothness)
            self._usual_contrast = float(np.median(self._contrasts))
            self._usual_smoothness = float(np.median(self._smoothnesses))
        self._n_accepted += 1

    def _forget_the_first(self) -> None:
        """Count the first frame as noise, too, as the second one shows."""
        self._held[0] = True
        self._seen_shape, self._n_accepted = None, 0
        self._contrasts.clear()
        self._smoothnesses.clear()


def dark_frames(facts: NDArray[np.float32], held_frames: NDArray[np.int32]) -> NDArray[np.int32]:
    """Frames (N,) int32 that are dark, of those in which the points were not held in place.

    Parameters
    ----------
    facts
        (T, 3) of `LightWatch.facts`.
    held_frames
        (N,) of `LightWatch.held_frames`.
    """
    levels, contrasts = facts[:, 0], facts[:, 1]
    seen = np.ones(len(facts), np.bool_)
    seen[held_frames] = False
    if not seen.any():
        return held_frames
    dark = levels <= DARK * np.median(levels[seen])
    dark &= contrasts <= DARK * np.median(contrasts[seen])
    return np.flatnonzero(dark).astype(np.int32)


def frozen_frames(facts: NDArray[np.float32], held_frames: NDArray[np.int32]) -> NDArray[np.int32]:
    """Frames (N,) int32 that repeat the frame before, of those in which the points were not held in place.

    A camera's noise makes every frame differ. The usual difference is the 75th percentile of those that are
    not 0, so that a video in which every second frame repeats one is found, too.

    Parameters
    ----------
    facts
        (T, 3) facts of every frame, as in `dark_frames`.
    held_frames
        (N,) frames in which the points were held in place.
    """
    differences = facts[:, 2].astype(np.float64)
    differences[held_frames] = np.nan
    known = differences[differences > 0]
    least = STILL * float(np.percentile(known, 75)) if len(known) else 0.0
    return np.flatnonzero(differences <= least).astype(np.int32)
