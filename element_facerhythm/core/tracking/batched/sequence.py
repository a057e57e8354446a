"""One sequence among many: where it stands, what is flagged, and what follows from a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Points
from element_facerhythm.core.tracking.batched.feed import FrameFeed, FrameReader
from element_facerhythm.core.tracking.batched.steps import FOLLOWS, SETTLES, STANDS
from element_facerhythm.core.tracking.light import LightWatch
from element_facerhythm.core.tracking.motion import Motion
from element_facerhythm.core.tracking.point_store import PointArray, PointStore
from element_facerhythm.core.tracking.violations import ViolationLog


@dataclass(frozen=True, eq=False)
class TrackingSequence:
    """Frames that are tracked one after the other, beside other sequences.

    Attributes
    ----------
    open_reader
        Opens the frames; called when the sequence's turn comes.
    first
        The reader's number of the sequence's first frame.
    n_frames
        Number of frames, T.
    out
        (T, P, 2) array or dataset that the points are written to.
    frames_freeze
        (T,) bool: frames in which the flow is not followed; None for none.
    """

    open_reader: Callable[[], FrameReader]
    first: int
    n_frames: int
    out: PointArray
    frames_freeze: NDArray[np.bool_] | None = None


class SequenceState:
    """Where one sequence stands. All of it is on the host: a device may be lost at any time.

    Attributes
    ----------
    index
        The frame to track next.
    n_done
        Frames that are tracked, the furthest reached.
    n_processed
        Frames tracked, replayed ones counted again.
    loaded
        First frame, and the one after the last, that lie in the pool.
    kept_seen
        Frame that lies in the pool's extra slot of this sequence; None for none.
    flags
        Which point was held in place in which frame.
    light
        Light of the frames that were loaded, and those in which all points are held in place.
    """

    def __init__(self, sequence: TrackingSequence, motion: Motion) -> None:
        self._sequence = sequence
        self._motion, self._dynamics = motion, motion.dynamics
        self._store = PointStore(sequence.out, n_recent=motion.dynamics.n_frames_halted_before + 2)
        self.flags = ViolationLog(sequence.n_frames, len(motion.home))
        self.light = LightWatch(sequence.n_frames)
        self.feed: FrameFeed | None = None
        self.index = 0
        self.n_done = 0
        self.n_processed = 0
        self.loaded = (0, 0)
        self.kept_seen: int | None = None

    @property
    def sequence(self) -> TrackingSequence:
        """What is tracked."""
        return self._sequence

    @property
    def is_finished(self) -> bool:
        """Whether all frames are tracked."""
        return self.index >= self._sequence.n_frames

    @property
    def points(self) -> Points:
        """Points (P, 2) that the next step starts from."""
        return self._motion.home if self.index == 0 else self._store[self.index - 1]

    def modes(self, n_steps: int) -> NDArray[np.int8]:
        """Return what the next steps do."""
        freeze = self._sequence.frames_freeze
        modes = np.full(n_steps, FOLLOWS, np.int8)
        if freeze is not None:
            still = SETTLES if self._dynamics.relaxation_during_freeze else STANDS
            modes[freeze[self.index : self.index + n_steps]] = still
        for k in range(n_steps):
            if self.light.holds(self.index + k):
                modes[k] = STANDS
        return modes

    def accept(self, points: Points, strayed: NDArray[np.bool_]) -> bool:
        """Store the steps up to the first in which a point strayed.

        Such a step changes which points are held in place from there on, so those after it have to be
        computed again.

        Parameters
        ----------
        points
            (K, P, 2) points after each step.
        strayed
            (K,) whether a point was too far from home.

        Returns
        -------
        Whether all of the steps were stored.
        """
        for k, after in enumerate(points):
            self._store[self.index] = after
            self.n_processed += 1
            counts = strayed[k] and not self.light.holds(self.index)
            grown, goes_back = self._flag(after) if counts else (False, False)
            self.index = self._rewound() if goes_back else self.index + 1
            self.n_done = max(self.n_done, self.index)
            if grown:
                return k == len(points) - 1 and not goes_back
        return True

    def finish(self) -> None:
        """Write what is still in memory."""
        self._store.flush()

    def close(self) -> None:
        """Stop reading."""
        if self.feed is not None:
            self.feed.close()
            self.feed = None

    def _rewound(self) -> int:
        return max(self.index - self._dynamics.n_frames_halted_before, 0)

    def _flag(self, points: Points) -> tuple[bool, bool]:
        """Flag the points that violate in this frame: whether a flag is new, and whether a replay follows."""
        dynamics, strayed = self._dynamics, self._motion.strayed(points)
        fresh = strayed & ~self.flags.row(self.index)
        stop = self.index + max(dynamics.n_frames_halted_after, 1)
        grown = self.flags.add(self.index - dynamics.n_frames_halted_before, stop, fresh)
        grown = self.flags.add(self.index, stop, strayed) or grown
        return grown, bool(fresh.any())
