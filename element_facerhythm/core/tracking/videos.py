"""Several videos, or blocks of one, tracked at the same time in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Points
from element_facerhythm.core.tracking.blocks import TimeBlock, plan_blocks
from element_facerhythm.core.tracking.lucas_kanade import Backend
from element_facerhythm.core.tracking.mesh import Mesh
from element_facerhythm.core.tracking.point_store import PointArray
from element_facerhythm.core.tracking.settings import TrackingSettings
from element_facerhythm.core.tracking.tracked_video import TrackedVideo, VideoToTrack
from element_facerhythm.core.tracking.tracker import track_points


def track_videos(
    videos: Sequence[VideoToTrack],
    point_positions: Points,
    settings: TrackingSettings,
    *,
    mesh: Mesh,
    visible_mask: NDArray[np.bool_],
    frames_per_block: int | None = None,
    backend: Backend = "compiled",
    n_threads: int = 1,
    on_frames: Callable[[int], None] | None = None,
    on_video: Callable[[int, TrackedVideo], None] | None = None,
) -> list[TrackedVideo]:
    """Track the same points through several videos, each on its own, many of them at the same time.

    Parameters
    ----------
    videos
        What to track. Results do not depend on how many there are.
    point_positions
        (P, 2) float32 home of each point, in pixels (x, y).
    settings, mesh, visible_mask
        As in `track_points`; relaxation and halted frames also decide how blocks overlap.
    frames_per_block
        Long videos are cut into blocks of so many frames (`plan_blocks`), which changes the tracks
        by an amount that vanishes in the warm-up; None tracks each in one piece, exactly.
    backend
        As in `track_points`.
    n_threads
        Results do not depend on their number.
    on_frames
        Called with the number of frames done in all videos.
    on_video
        Called with the number and the result of each video as soon as it is done, one call at a
        time, from whichever thread.

    Returns
    -------
    list of TrackedVideo
        One per video; `points` is its `out`.

    Raises
    ------
    ParameterError, RoiError, DecodeError, ProcessingError
        As `track_points` does.
    """
    pieces = [
        _Piece(number, video, block, len(point_positions))
        for number, video in enumerate(videos)
        for block in plan_blocks(
            video.n_frames,
            frames_per_block=frames_per_block,
            relaxation=settings.dynamics.relaxation,
            n_frames_halted_before=settings.dynamics.n_frames_halted_before,
        )
    ]
    progress = _Progress(pieces, on_frames)
    results = _Results(videos, pieces, on_video)
    track = partial(
        track_points,
        point_positions=point_positions,
        settings=settings,
        mesh=mesh,
        visible_mask=visible_mask,
        backend=backend,
    )
    _in_threads(pieces, track, n_threads, progress, results)
    return results.joined()


@dataclass(frozen=True, eq=False)
class _Piece:
    """A video, or a block of one, and where its points go."""

    number: int
    video: VideoToTrack
    block: TimeBlock
    n_points: int

    @property
    def n_frames(self) -> int:
        return self.block.last - self.block.first

    @property
    def n_kept(self) -> int:
        return self.block.stop - self.block.start

    @property
    def frames_freeze(self) -> NDArray[np.bool_] | None:
        freeze = self.video.frames_freeze
        return None if freeze is None else freeze[self.block.first : self.block.last]

    def open_frames(self, start: int) -> Any:
        return self.video.open_frames(self.block.first + start)

    def target(self) -> PointArray:
        if self.n_kept == self.video.n_frames:
            return self.video.out
        return _KeptRows(self.video.out, self.block, self.n_points)


class _KeptRows:
    """The rows of a block: those that are kept lie in the video's array, the others here."""

    def __init__(self, out: PointArray, block: TimeBlock, n_points: int) -> None:
        self._out = out
        self._block = block
        self._n_before = block.start - block.first
        n_after = block.last - block.stop
        self._before = np.empty((self._n_before, n_points, 2), np.float32)
        self._after = np.empty((n_after, n_points, 2), np.float32)
        self.shape: tuple[int, ...] = (block.last - block.first, n_points, 2)

    def __getitem__(self, index: int) -> Any:
        n_kept = self._block.stop - self._block.start
        if index < self._n_before:
            return self._before[index]
        if index < self._n_before + n_kept:
            return self._out[self._block.first + index]
        return self._after[index - self._n_before - n_kept]

    def __setitem__(self, index: slice, value: Any) -> None:
        start, stop = index.start, index.stop
        edge = self._n_before + self._block.stop - self._block.start
        places = [(self._before, 0), (self._out, -self._block.first), (self._after, edge)]
        spans = [(0, self._n_before), (self._n_before, edge), (edge, self.shape[0])]
        for (array, offset), (first, last) in zip(places, spans, strict=True):
            a, b = max(start, first), min(stop, last)
            if a < b:
                array[a - offset : b - offset] = value[a - start : b - start]


class _StoppedError(Exception):
    """Another thread failed, or the user wants to stop."""


class _Progress:
    """Sum of the finished frames of all pieces; once `stop` is set, reports of more are refused."""

    def __init__(self, pieces: Sequence[_Piece], on_frames: Callable[[int], None] | None) -> None:
        self._pieces = pieces
        self._done = [0] * len(pieces)
        self._on_frames = on_frames
        self._lock = threading.Lock()
        self.stop = threading.Event()

    def __call__(self, number: int, n_done: int) -> None:
        if self.stop.is_set():
            raise _StoppedError
        piece = self._pieces[number]
        n_kept = n_done - (piece.block.start - piece.block.first)
        with self._lock:
            self._done[number] = min(max(n_kept, 0), piece.n_kept)
            if self._on_frames is not None:
                self._on_frames(sum(self._done))


def _in_threads(
    pieces: Sequence[_Piece],
    track: Callable[..., TrackedVideo],
    n_threads: int,
    progress: _Progress,
    results: _Results,
) -> None:
    """Track as many pieces at once as there are threads; fewer pieces get several threads each."""
    n_at_once = max(1, min(n_threads, len(pieces)))

    def track_piece(number: int) -> None:
        piece = pieces[number]
        part = track(
            piece.open_frames,
            piece.n_frames,
            frames_freeze=piece.frames_freeze,
            out=piece.target(),
            on_frame=lambda n_done: progress(number, n_done),
            n_threads=max(1, n_threads // n_at_once),
        )
        results.add(number, part)

    if n_at_once == 1:
        for number in range(len(pieces)):
            track_piece(number)
        return
    with ThreadPoolExecutor(n_at_once, thread_name_prefix="track") as executor:
        futures = [executor.submit(track_piece, number) for number in range(len(pieces))]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future.done():
                    future.result()
        finally:
            progress.stop.set()
            for future in futures:
                future.cancel()


class _Results:
    """Gathers pieces; a video is announced when its last piece is in."""

    def __init__(
        self,
        videos: Sequence[VideoToTrack],
        pieces: Sequence[_Piece],
        on_video: Callable[[int, TrackedVideo], None] | None,
    ) -> None:
        self._videos = videos
        self._pieces = pieces
        self._on_video = on_video
        self._parts: dict[int, TrackedVideo] = {}
        self._joined: dict[int, TrackedVideo] = {}
        self._lock = threading.Lock()

    def add(self, number: int, part: TrackedVideo) -> None:
        """Add the result of a piece."""
        with self._lock:
            self._parts[number] = part
            video = self._pieces[number].number
            own = [n for n, piece in enumerate(self._pieces) if piece.number == video]
            if all(n in self._parts for n in own):
                parts = [(self._pieces[n], self._parts[n]) for n in own]
                self._joined[video] = _joined(self._videos[video], parts)
                if self._on_video is not None:
                    self._on_video(video, self._joined[video])

    def joined(self) -> list[TrackedVideo]:
        """Results of all videos, in order."""
        return [self._joined[number] for number in range(len(self._videos))]


def _joined(video: VideoToTrack, tracked: Sequence[tuple[_Piece, TrackedVideo]]) -> TrackedVideo:
    """One result of the pieces of a video; flags outside the kept frames of a piece are dropped."""
    rows, columns, light, held = [], [], [], []
    for piece, part in tracked:
        block = piece.block
        row = part.violation_rows + block.first
        kept = (row >= block.start) & (row < block.stop)
        rows.append(row[kept].astype(np.int32))
        columns.append(part.violation_cols[kept])
        light.append(part.frame_light[block.start - block.first : block.stop - block.first])
        dark = part.held_frames + block.first
        held.append(dark[(dark >= block.start) & (dark < block.stop)].astype(np.int32))
    n_processed = sum(part.n_frames_processed for _, part in tracked)
    return TrackedVideo(
        video.out,
        np.concatenate(rows),
        np.concatenate(columns),
        n_processed,
        np.concatenate(light),
        np.concatenate(held),
    )
