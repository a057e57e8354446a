"""Matched blocks of a video, put in their place in order; where nothing is to be seen, points stay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Points
from element_facerhythm.core.tracking.anchored.matcher import MatchedBlock
from element_facerhythm.core.tracking.light import LightWatch
from element_facerhythm.core.tracking.tracked_video import TrackedVideo, VideoToTrack


class BlockWriter:
    """Puts blocks of one video in their place, in order.

    Parameters
    ----------
    video
        Where the points go.
    home
        (P, 2) in pixels of the video.
    """

    def __init__(self, video: VideoToTrack, home: Points) -> None:
        self._video, self._home = video, home
        self._light = LightWatch(video.n_frames)
        self._last = np.zeros_like(home)
        self._rows: list[NDArray[np.int32]] = []
        self._columns: list[NDArray[np.int32]] = []
        self.n_done = 0

    def write(self, block: MatchedBlock, samples: list[NDArray[np.uint8]]) -> None:
        """Write the next frames; where nothing is to be seen, points stay where they were.

        Parameters
        ----------
        block
            Where the points are.
        samples
            Gray levels of each frame at the places that `light` samples.
        """
        first, n_frames = self.n_done, len(samples)
        displacement, confidence = block.displacement, block.confidence
        missing = ~block.taken
        freeze = self._video.frames_freeze
        for number in range(n_frames):
            self._light.show(samples[number])
            is_frozen = freeze is not None and freeze[first + number]
            if is_frozen or self._light.holds(first + number):
                displacement[number] = self._last
                confidence[number] = 0
                missing[number] = False
            self._last = displacement[number]
        rows, columns = np.nonzero(missing)
        self._rows.append((rows + first).astype(np.int32))
        self._columns.append(columns.astype(np.int32))
        self._video.out[first : first + n_frames] = self._home + displacement
        if self._video.confidence is not None:
            self._video.confidence[first : first + n_frames] = confidence.astype(np.float16)
        self.n_done += n_frames

    def result(self) -> TrackedVideo:
        """Return what is known of the video."""
        return TrackedVideo(
            self._video.out,
            np.concatenate(self._rows),
            np.concatenate(self._columns),
            self.n_done,
            self._light.facts,
            self._light.held_frames,
            self._video.confidence,
        )
