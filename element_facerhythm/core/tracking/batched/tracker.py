"""Many sequences tracked side by side on one device.

Each sequence (a video, or a block of one) is tracked as `track_points` does it, replays included;
what happens in one has no influence on another. In a round every sequence takes some steps on the
device; then the host stores the steps up to the first in which a point strayed. The state is kept on
the host, so that a device that runs out of memory costs a few frames, no result.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from element_facerhythm.core.device import is_out_of_memory
from element_facerhythm.core.tracking.batched.clahe import BatchedPreparation
from element_facerhythm.core.tracking.batched.feed import FrameFeed
from element_facerhythm.core.tracking.batched.geometry import PyramidGeometry
from element_facerhythm.core.tracking.batched.pool import FramePool
from element_facerhythm.core.tracking.batched.sequence import (
    SequenceState,
    TrackingSequence,
)
from element_facerhythm.core.tracking.batched.steps import STANDS, Stepper
from element_facerhythm.core.tracking.motion import Motion
from element_facerhythm.errors import ProcessingError

logger = logging.getLogger(__name__)

_SHARE_OF_MEMORY = 0.4  # of what is free, for frames; the rest is for work on them
_MOST_ON_CPU_BYTES = 256 * 2**20


@dataclass(frozen=True)
class BatchSizes:
    """How much is done at once; none of it changes results.

    Attributes
    ----------
    n_side_by_side
        Sequences tracked at the same time.
    n_steps
        Steps that the device takes before the host checks them.
    n_frames_read
        Frames of a sequence that are read and prepared at a time.
    """

    n_side_by_side: int = 128
    n_steps: int = 32
    n_frames_read: int = 32

    def halved(self) -> BatchSizes | None:
        """Half as much at once; None where that is not possible."""
        if self.n_side_by_side > 1:
            return BatchSizes(self.n_side_by_side // 2, self.n_steps, self.n_frames_read)
        if self.n_frames_read > 2:
            n_frames = max(self.n_frames_read // 2, 2)
            return BatchSizes(1, min(self.n_steps, n_frames), n_frames)
        return None


class BatchedTracker:
    """Tracks sequences side by side.

    Parameters
    ----------
    stepper
        Who computes the steps.
    geometry, preparation
        Pyramids of the frames, and what goes before them.
    motion
        Where points are at home, and when they are held in place.
    device
        Where all this happens.
    sizes
        How much is done at once; fewer side by side where memory does not hold more.
    use_triton
        Whether pyramids are made by Triton's kernel.
    refine
        Whether the stepper refines matches, for which raw frames are kept, too.
    look_at
        (N,) places in the flat frame at which light is measured, `light.sample_places`.
    """

    def __init__(
        self,
        stepper: Stepper,
        geometry: PyramidGeometry,
        preparation: BatchedPreparation,
        motion: Motion,
        *,
        device: torch.device,
        sizes: BatchSizes,
        use_triton: bool,
        refine: bool,
        look_at: NDArray[np.int64],
    ) -> None:
        self._stepper = stepper
        self._geometry = geometry
        self._preparation = preparation
        self._motion = motion
        self._device = device
        self._sizes = sizes
        self._use_triton = use_triton
        self._refine = refine
        self._look_at = torch.from_numpy(look_at)
        self._n_steps = sizes.n_steps
        self._pool: FramePool | None = None
        self._free: list[int] = []
        self._active: list[tuple[int, SequenceState]] = []

    def track(
        self,
        sequences: Sequence[TrackingSequence],
        on_frames: Callable[[int, int], None] | None = None,
    ) -> list[SequenceState]:
        """Track all sequences; their points are in their `out` then, flags in what is returned.

        Parameters
        ----------
        sequences
            What to track.
        on_frames
            Called with a sequence's number and how many of its frames are done, after each round.

        Raises
        ------
        ProcessingError
            The device's memory does not hold a few frames of one sequence.
        DecodeError
            A video ends early, or a frame could not be decoded.
        """
        states = [SequenceState(sequence, self._motion) for sequence in sequences]
        numbers = {id(state): number for number, state in enumerate(states)}
        waiting = deque(state for state in states if not state.is_finished)
        n_readers = min(max(len(waiting), 1), self._sizes.n_side_by_side, os.cpu_count() or 1)
        self._n_steps = self._sizes.n_steps
        with (
            _current(self._device),
            ThreadPoolExecutor(n_readers, thread_name_prefix="frame-feed") as executor,
        ):
            try:
                while waiting or self._active:
                    for state in self._round(waiting, executor):
                        if on_frames is not None:
                            on_frames(numbers[id(state)], state.n_done)
            finally:
                self._let_go()
                for state in states:
                    state.close()
        return states

    def _round(
        self, waiting: deque[SequenceState], executor: ThreadPoolExecutor
    ) -> list[SequenceState]:
        """Take some steps with as many sequences as fit; return those that advanced."""
        try:
            points, strayed = self._advance(waiting, executor)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error)  # the error itself keeps memory alive
        else:
            return self._accept(points, strayed)
        self._shrink(waiting, reason)
        return []

    def _advance(
        self, waiting: deque[SequenceState], executor: ThreadPoolExecutor
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Points (B, K, P, 2) after the next steps, and (B, K) where one strayed, on the host."""
        pool = self._pool or self._make_pool(len(waiting))
        while self._free and waiting:
            self._active.append((self._free.pop(), waiting.popleft()))
        for place, state in self._active:
            self._load(pool, place, state, executor)
        points, strayed = self._steps(pool)
        return points.cpu().numpy(), strayed.cpu().numpy() != 0

    def _accept(
        self, points: NDArray[np.float32], strayed: NDArray[np.bool_]
    ) -> list[SequenceState]:
        """Store the steps that are valid; return the sequences that advanced."""
        got_on = [state for _, state in self._active]
        all_stand = True
        for row, (place, state) in enumerate(list(self._active)):
            n_steps = self._n_steps_of(state)
            if not state.accept(points[row, :n_steps], strayed[row, :n_steps]):
                all_stand = False
            if state.is_finished:
                state.finish()
                state.close()
                self._active.remove((place, state))
                self._free.append(place)
        # steps after one in which a point strayed are thrown away: take fewer, and more again later
        n_steps = self._n_steps * 2 if all_stand else self._n_steps // 2
        self._n_steps = min(max(n_steps, 1), self._sizes.n_steps)
        return got_on

    @property
    def _window(self) -> int:
        """Frames of one sequence in the pool: those that a replay may need, and those ahead."""
        return self._motion.dynamics.n_frames_halted_before + 2 + self._sizes.n_frames_read

    def _make_pool(self, n_sequences: int) -> FramePool:
        bytes_per_pixel = 2 if self._refine else 0
        bytes_each = (self._window + 1) * (
            self._geometry.n_bytes + bytes_per_pixel * self._geometry.levels[0].n_bytes
        )
        held = int(_memory_for_frames(self._device) // bytes_each)
        n_places = max(min(self._sizes.n_side_by_side, n_sequences, held), 1)
        self._pool = FramePool(
            self._geometry,
            self._preparation,
            n_slots=n_places * (self._window + 1),
            n_at_once=self._sizes.n_frames_read,
            device=self._device,
            use_triton=self._use_triton,
            keep_smooth=self._refine,
        )
        self._free = list(range(n_places))[::-1]
        return self._pool

    def _slots(self, place: int, frames: range) -> list[int]:
        return [place * (self._window + 1) + frame % self._window for frame in frames]

    def _load(
        self, pool: FramePool, place: int, state: SequenceState, executor: ThreadPoolExecutor
    ) -> None:
        """Load into the pool the frame before the next one, the next, and what fits after it."""
        if state.feed is None:
            sequence = state.sequence
            state.feed = FrameFeed(
                sequence.open_reader(),
                first=sequence.first,
                n_frames=sequence.n_frames,
                executor=executor,
            )
        first, stop = state.loaded
        before = max(state.index - 1, 0)
        if not first <= before <= stop:
            first = stop = before
        while stop <= state.index:
            frames = state.feed.get(stop, self._sizes.n_frames_read)
            self._look(state, stop, frames)
            pool.put(self._slots(place, range(stop, stop + len(frames))), frames)
            stop += len(frames)
            first = max(first, stop - self._window)
        state.loaded = (first, stop)

    def _look(self, state: SequenceState, start: int, frames: Tensor) -> None:
        """Pass a sequence the light of those of its frames, from `start` on, that are new to it."""
        n_known = max(state.light.n_shown - start, 0)
        if n_known < len(frames) and frames[0].numel() > int(self._look_at[-1]):
            places = self._look_at.to(frames.device)
            for samples in frames[n_known:].flatten(1)[:, places].cpu().numpy():
                state.light.show(samples)

    def _slot_before(self, pool: FramePool, place: int, state: SequenceState) -> int:
        """Slot of the last frame before the next one in which something was seen; else of the next."""
        seen, (first, stop) = state.light.last_seen(state.index), state.loaded
        if seen is None or first <= seen < stop:
            frame = state.index if seen is None else seen
            return self._slots(place, range(frame, frame + 1))[0]
        slot = place * (self._window + 1) + self._window
        if state.kept_seen != seen:  # what was seen last is long ago
            assert state.feed is not None
            pool.put([slot], state.feed.get(seen, 1)[:1])
            state.kept_seen = seen
        return slot

    def _n_steps_of(self, state: SequenceState) -> int:
        return min(self._n_steps, state.loaded[1] - state.index)

    def _steps(self, pool: FramePool) -> tuple[Tensor, Tensor]:
        n_steps = max(self._n_steps_of(state) for _, state in self._active)
        n_points = len(self._motion.home)
        shape = (len(self._active), n_steps)
        slots = np.zeros((shape[0], n_steps + 1), np.int32)
        modes = np.full(shape, STANDS, np.int8)
        held = np.zeros((*shape, n_points), np.uint8)
        start = np.empty((shape[0], n_points, 2), np.float32)
        for row, (place, state) in enumerate(self._active):
            n_own, index = self._n_steps_of(state), state.index
            slots[row, 0] = self._slot_before(pool, place, state)
            slots[row, 1 : n_own + 1] = self._slots(place, range(index, index + n_own))
            # a frame after some that show nothing is matched with the last before them; where there
            # is none, with itself
            held_frames = [state.light.holds(index + k) for k in range(n_own)]
            if state.light.last_seen(index) is None and not all(held_frames):
                slots[row, 0] = slots[row, held_frames.index(False) + 1]
            for step in np.flatnonzero(held_frames):
                slots[row, step + 1] = slots[row, step]
            modes[row, :n_own] = state.modes(n_own)
            for k in range(n_own):
                held[row, k] = state.flags.row(index + k)
            start[row] = state.points
        return self._stepper(pool.frames, *(self._there(a) for a in (slots, modes, held, start)))

    def _there(self, array: NDArray[Any]) -> Tensor:
        if not array.any():  # mostly no point is held in place: nothing to send then
            return torch.zeros(
                array.shape, dtype=torch.from_numpy(array[:0]).dtype, device=self._device
            )
        return torch.from_numpy(array).to(self._device)

    def _shrink(self, waiting: deque[SequenceState], reason: str) -> None:
        """Free all memory and go on with half as much at once."""
        smaller = self._sizes.halved()
        if smaller is None:
            raise ProcessingError(
                f"The memory of {self._device} does not hold two frames and what is computed from "
                f"them ({reason}); free it of other programs, or track on the CPU."
            )
        logger.warning(
            "%s is out of memory: %d sequences side by side instead of %d, %d frames at once "
            "instead of %d; results do not change",
            self._device,
            smaller.n_side_by_side,
            self._sizes.n_side_by_side,
            smaller.n_frames_read,
            self._sizes.n_frames_read,
        )
        self._sizes = smaller
        self._n_steps = min(self._n_steps, smaller.n_steps)
        for _, state in reversed(self._active):
            state.loaded, state.kept_seen = (0, 0), None
            waiting.appendleft(state)
        self._let_go()

    def _let_go(self) -> None:
        self._active, self._free, self._pool = [], [], None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _current(device: torch.device) -> AbstractContextManager[Any]:
    """Make a device the current one, on which Triton launches."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _memory_for_frames(device: torch.device) -> float:
    if device.type != "cuda":
        return _MOST_ON_CPU_BYTES
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return free_bytes * _SHARE_OF_MEMORY
