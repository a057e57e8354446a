"""Points of whole recordings, every frame matched against references that the recording itself gives.

Other than in flow from frame to frame, errors do not add up, a displacement is a displacement and not a
leaky sum, and frames do not depend on each other: blocks of frames are matched in any number of threads, and
the numbers are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Points
from element_facerhythm.core.tracking.anchored.block_writer import BlockWriter
from element_facerhythm.core.tracking.anchored.frame_supply import FrameSupply, Prepared
from element_facerhythm.core.tracking.anchored.hints import Hints
from element_facerhythm.core.tracking.anchored.matcher import MatchedBlock, Matcher
from element_facerhythm.core.tracking.anchored.references import build_matcher
from element_facerhythm.core.tracking.anchored.sampling import sampled_frames
from element_facerhythm.core.tracking.anchored.settings import AnchoredSettings
from element_facerhythm.core.tracking.mesh import Mesh
from element_facerhythm.core.tracking.refinement import VisiblePart
from element_facerhythm.core.tracking.tracked_video import TrackedVideo, VideoToTrack
from element_facerhythm.core.tracking.window_kernel import VECTOR

if TYPE_CHECKING:
    from element_facerhythm.core.tracking.anchored.on_device import DeviceWork

COARSE_WINDOW_PX = 17
"""Of windows in halved frames."""
N_LEVELS = 3
_VISIBLE = 4096  # of a pixel that the mask shows
_PIXELS_PER_BLOCK = 2**25
_MOST_FRAMES, _FEWEST_FRAMES = 32, 8
_MOST_READ_AT_ONCE = 8  # videos, for a device
_BLOCKS_AHEAD = 1  # read, and waiting for a thread

_Matched = tuple[MatchedBlock, list[NDArray[np.uint8]]]
_Tasks = Generator[tuple[int, Callable[[], _Matched]], None, None]
"""Number of the video, and what matches its next block, in any thread."""


def track_anchored(
    videos: Sequence[VideoToTrack],
    point_positions: Points,
    settings: AnchoredSettings,
    *,
    mesh: Mesh,
    visible_mask: NDArray[np.bool_],
    recording: Sequence[VideoToTrack] | None = None,
    device: str = "cpu",
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
    device
        `cpu`, or `cuda[:N]` to match frames there; templates are made on the CPU.
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
    n_frames = int(np.clip(_PIXELS_PER_BLOCK // visible_mask.size, _FEWEST_FRAMES, _MOST_FRAMES))
    whole = recording or videos
    with ThreadPoolExecutor(n_threads, thread_name_prefix="track") as executor:
        supply = FrameSupply(whole, part, visible_mask, n_frames, executor, keeps=device == "cpu")
        samples = sampled_frames(whole, settings.n_reference_frames, part, supply, executor)
        matcher, displacements = build_matcher(
            np.stack([sample.frame for sample in samples]),
            in_part,
            mesh.neighbors,
            (part.weights * _VISIBLE).astype(np.int16),
            sides,
            settings.displacement_threshold_px,
            executor,
        )
        hints = Hints(samples, displacements)
        if device == "cpu":
            tasks = _tasks_on_cpu(videos, supply, _Work(matcher, hints))
        else:
            import torch

            from element_facerhythm.core.tracking.anchored.on_device import DeviceWork

            work = DeviceWork(matcher, part, supply.places, torch.device(device), hints.between)
            tasks = _tasks_on_device(videos, supply, work, visible_mask.size, n_threads)
        return _tracked(videos, home, tasks, executor, n_threads, on_frames, on_video)


@dataclass(frozen=True, eq=False)
class _Work:
    """What is done to a block of frames, in any thread."""

    matcher: Matcher
    hints: Hints

    def __call__(
        self, number: int, first: int, make_frames: Callable[[], list[Prepared]]
    ) -> _Matched:
        """Match the frames; return with it their gray levels at the places that `light` samples."""
        frames = make_frames()
        near = self.hints.near(number, first)
        block = self.matcher.match(
            np.stack([frame.smooth for frame in frames]),
            None if near is None else self.matcher.home + near,
        )
        return block, [frame.gray for frame in frames]


def _tasks_on_cpu(videos: Sequence[VideoToTrack], supply: FrameSupply, work: _Work) -> _Tasks:
    for number, video in enumerate(videos):
        in_recording = supply.number(video)
        for first, make_frames in supply.blocks(video):
            yield number, partial(work, in_recording, first, make_frames)


def _tasks_on_device(
    videos: Sequence[VideoToTrack],
    supply: FrameSupply,
    work: DeviceWork,
    n_pixels: int,
    n_threads: int,
) -> _Tasks:
    from element_facerhythm.core.tracking.anchored.on_device import frames_per_block, read_blocks

    in_recording = list(map(supply.number, videos))
    n_at_once = min(n_threads, _MOST_READ_AT_ONCE)
    for number, first, frames in read_blocks(videos, frames_per_block(n_pixels), n_at_once):
        yield number, partial(work, in_recording[number], first, frames)


def _tracked(
    videos: Sequence[VideoToTrack],
    home: Points,
    tasks: _Tasks,
    executor: ThreadPoolExecutor,
    n_threads: int,
    on_frames: Callable[[int], None] | None,
    on_video: Callable[[int, TrackedVideo], None] | None,
) -> list[TrackedVideo]:
    """Read blocks in this thread, match them in others, and write those of each video in order."""
    writers = [BlockWriter(video, home) for video in videos]
    results: dict[int, TrackedVideo] = {}
    pending: deque[tuple[int, Future[_Matched]]] = deque()

    def write_first() -> None:
        number, future = pending.popleft()
        writers[number].write(*future.result())
        if on_frames is not None:
            on_frames(sum(writer.n_done for writer in writers))
        if writers[number].n_done == videos[number].n_frames:
            results[number] = writers[number].result()
            if on_video is not None:
                on_video(number, results[number])

    try:
        for number, task in tasks:
            pending.append((number, executor.submit(task)))
            if len(pending) > n_threads + _BLOCKS_AHEAD:
                write_first()
        while pending:
            write_first()
    finally:
        tasks.close()
        for _, future in pending:
            future.cancel()
    return [results[number] for number in range(len(videos))]
