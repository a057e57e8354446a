"""Points of whole recordings, every frame matched against references that the recording itself gives.

Other than in flow from frame to frame, errors do not add up, a displacement is a displacement and not a
leaky sum, and frames do not depend on each other: blocks of frames are matched in any number of threads, and
the numbers are the same.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import GrayFrame, Points
from element_facerhythm.core.tracking.anchored.matcher import MatchedBlock, Matcher
from element_facerhythm.core.tracking.anchored.references import build_matcher
from element_facerhythm.core.tracking.anchored.sampling import Sample, sampled_frames
from element_facerhythm.core.tracking.anchored.settings import AnchoredSettings
from element_facerhythm.core.tracking.frames import ended_early
from element_facerhythm.core.tracking.light import LightWatch, sample_places
from element_facerhythm.core.tracking.mesh import Mesh
from element_facerhythm.core.tracking.refinement import VisiblePart
from element_facerhythm.core.tracking.tracked_video import TrackedVideo, VideoToTrack
from element_facerhythm.core.tracking.window_kernel import VECTOR

logger = logging.getLogger(__name__)

COARSE_WINDOW_PX = 17
"""Of windows in halved frames."""
N_LEVELS = 3
_VISIBLE = 4096  # of a pixel that the mask shows
_PIXELS_PER_BLOCK = 2**25
_MOST_FRAMES, _FEWEST_FRAMES = 32, 8
_BLOCKS_AHEAD = 1  # read, and waiting for a thread


def track_anchored(
    videos: Sequence[VideoToTrack],
    point_positions: Points,
    settings: AnchoredSettings,
    *,
    mesh: Mesh,
    visible_mask: NDArray[np.bool_],
    recording: Sequence[VideoToTrack] | None = None,
    n_threads: int = 1,
    on_frames: Callable[[int], None] | None = None,
    on_video: Callable[[int, TrackedVideo], None] | None = None,
) -> list[TrackedVideo]:
    """Track the same points through several videos.

    Parameters
    ----------
    videos
        What to track.
    point_positions
        (P, 2) float32 home of each point in the recording's first frame, in pixels (x, y).
    settings
        Window, references, how far to look.
    mesh
        Neighbours of the points.
    visible_mask
        (H, W) bool; pixels outside do not count.
    recording
        All videos of the recording, which the references are made of, where `videos` are not all.
    n_threads
        Threads; the numbers do not depend on them.
    on_frames
        Called with the number of frames done in `videos`.
    on_video
        Called with the number and the result of each video when it is done.

    Returns
    -------
    list of TrackedVideo
        One per video, with confidences. An entry of the violations says that the point was not found in that
        frame and moves with its neighbours.

    Raises
    ------
    DecodeError
        A video ends early, or cannot be decoded.
    RoiError
        The frames are not of the mask's size.
    """
    home = np.ascontiguousarray(point_positions, np.float32)
    pad_px = max(
        settings.window_px + VECTOR, 2 ** (N_LEVELS - 1) * (COARSE_WINDOW_PX // 2 + VECTOR)
    )
    part = VisiblePart(visible_mask, pad_px)
    left, top = part.layout[2:4]
    in_part = home + np.array([pad_px - left, pad_px - top], np.float32)
    sides = [settings.window_px, *[COARSE_WINDOW_PX] * (N_LEVELS - 1)]
    with ThreadPoolExecutor(n_threads, thread_name_prefix="track") as executor:
        samples = sampled_frames(recording or videos, settings.n_reference_frames, part, executor)
        matcher, displacements = build_matcher(
            np.stack([sample.frame for sample in samples]),
            in_part,
            mesh.neighbors,
            (part.weights * _VISIBLE).astype(np.int16),
            sides,
            settings.displacement_threshold_px,
            executor,
        )
        hints = _Hints(samples, displacements, recording or videos)
        n_frames = int(
            np.clip(_PIXELS_PER_BLOCK // visible_mask.size, _FEWEST_FRAMES, _MOST_FRAMES)
        )
        work = _Work(matcher, part, sample_places(visible_mask), hints)
        return _tracked(videos, home, work, n_frames, executor, n_threads, on_frames, on_video)


class _Hints:
    """Where points were in the sampled frame nearest to another one."""

    def __init__(
        self,
        samples: Sequence[Sample],
        displacements: NDArray[np.float32],
        recording: Sequence[VideoToTrack],
    ) -> None:
        self._samples, self._displacements = samples, displacements
        self._recording = [video.open_frames for video in recording]

    def near(self, video: VideoToTrack, index: int) -> NDArray[np.float32] | None:
        """Displacements (P, 2) in the nearest sampled frame of the same video; None if there is none."""
        number = self._recording.index(video.open_frames)
        own = [n for n, sample in enumerate(self._samples) if sample.video == number]
        if not own:
            return None
        nearest = min(own, key=lambda n: abs(self._samples[n].index - index))
        displacement: NDArray[np.float32] = self._displacements[nearest]
        return displacement


@dataclass(frozen=True, eq=False)
class _Work:
    """What is done to a block of frames, in any thread."""

    matcher: Matcher
    part: VisiblePart
    places: NDArray[np.int64]
    hints: _Hints

    def __call__(
        self, video: VideoToTrack, first: int, frames: list[GrayFrame]
    ) -> tuple[MatchedBlock, list[NDArray[np.uint8]]]:
        """Match the frames; return with it their gray levels at the places that `light` samples."""
        stack = np.stack([self.part.smoothed(frame) for frame in frames])
        near = self.hints.near(video, first)
        block = self.matcher.match(stack, None if near is None else self.matcher.home + near)
        return block, [frame.reshape(-1).take(self.places, mode="clip") for frame in frames]


def _tracked(
    videos: Sequence[VideoToTrack],
    home: Points,
    work: _Work,
    n_frames: int,
    executor: ThreadPoolExecutor,
    n_threads: int,
    on_frames: Callable[[int], None] | None,
    on_video: Callable[[int, TrackedVideo], None] | None,
) -> list[TrackedVideo]:
    """Read blocks in this thread, match them in others, and write them in order."""
    writers = [_Writer(video, home) for video in videos]
    results: list[TrackedVideo] = []
    pending: deque[tuple[int, Future[tuple[MatchedBlock, list[NDArray[np.uint8]]]]]] = deque()

    def write_first() -> None:
        number, future = pending.popleft()
        writers[number].write(*future.result())
        if on_frames is not None:
            on_frames(sum(writer.n_done for writer in writers))
        if writers[number].n_done == videos[number].n_frames:
            results.append(writers[number].result())
            if on_video is not None:
                on_video(number, results[-1])

    try:
        for number, first, frames in _blocks(videos, n_frames):
            pending.append((number, executor.submit(work, videos[number], first, frames)))
            if len(pending) > n_threads + _BLOCKS_AHEAD:
                write_first()
        while pending:
            write_first()
    finally:
        for _, future in pending:
            future.cancel()
    return results


def _blocks(
    videos: Sequence[VideoToTrack], n_frames: int
) -> Iterator[tuple[int, int, list[GrayFrame]]]:
    """Yield number of the video, first frame, and the frames of every block."""
    for number, video in enumerate(videos):
        frames = video.open_frames(0)
        for first in range(0, video.n_frames, n_frames):
            wanted = min(n_frames, video.n_frames - first)
            block = list(islice(frames, wanted))
            if len(block) < wanted:
                raise ended_early(first + len(block), video.n_frames)
            yield number, first, block


class _Writer:
    """Puts blocks of one video in their place, in order."""

    def __init__(self, video: VideoToTrack, home: Points) -> None:
        self._video, self._home = video, home
        self._light = LightWatch(video.n_frames)
        self._last = np.zeros_like(home)
        self._rows: list[NDArray[np.int32]] = []
        self._columns: list[NDArray[np.int32]] = []
        self.n_done = 0

    def write(self, block: MatchedBlock, samples: list[NDArray[np.uint8]]) -> None:
        """Write the next frames; where nothing is to be seen, points stay where they were."""
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
