"""Where a search begins: where the points were in sampled frames nearby."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.tracking.anchored.sampling import Sample


class Hints:
    """Displacements in the sampled frames of a recording.

    Parameters
    ----------
    samples
        The frames.
    displacements
        (S, P, 2) float32 in them.
    """

    def __init__(self, samples: Sequence[Sample], displacements: NDArray[np.float32]) -> None:
        self._samples, self._displacements = samples, displacements

    def near(self, number: int, index: int) -> NDArray[np.float32] | None:
        """Return displacements (P, 2) in the nearest sampled frame; None if none of the video was sampled.

        Parameters
        ----------
        number, index
            Of the video in the recording, and of the frame in it.
        """
        own = self._own(number)
        if not own:
            return None
        nearest = min(own, key=lambda n: abs(self._samples[n].index - index))
        displacement: NDArray[np.float32] = self._displacements[nearest]
        return displacement

    def between(self, number: int, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return displacements (B, P, 2) in frames, interpolated; 0 if none of the video was sampled.

        Parameters
        ----------
        number
            Of the video in the recording.
        indices
            (B,) of the frames.
        """
        own = self._own(number)
        if not own:
            return np.zeros((len(indices), *self._displacements.shape[1:]), np.float32)
        sampled = np.array([self._samples[n].index for n in own])
        return displacements_between(sampled, self._displacements[own], indices)

    def _own(self, number: int) -> list[int]:
        return [n for n, sample in enumerate(self._samples) if sample.video == number]


def displacements_between(
    indices: NDArray[np.int64], displacements: NDArray[np.float32], frames: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Interpolate displacements between sampled frames; beyond the first and the last, theirs.

    Parameters
    ----------
    indices
        (S,) increasing numbers of the sampled frames of a video, one at least.
    displacements
        (S, P, 2) in them.
    frames
        (B,) numbers of the frames that are wanted.

    Returns
    -------
    (B, P, 2) float32
    """
    place = np.interp(frames, indices, np.arange(len(indices)))
    before = place.astype(np.int64)
    after = np.minimum(before + 1, len(indices) - 1)
    share = (place - before).astype(np.float32)[:, None, None]
    between: NDArray[np.float32] = (
        displacements[before] * (1 - share) + displacements[after] * share
    )
    return between
