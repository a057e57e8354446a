"""Tracking of all sequences of a recording; a sequence that is finished is never tracked again.

While a recording of several videos is being tracked, each finished video lies in a file of its own
(`analysis_files/PointTracker_parts/`), with the fingerprint that it was made under. A run that was
stopped goes on with the others. The parts are joined into PointTracker.h5 and removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.tracking import Mesh, TrackedVideo, VideoToTrack
from element_facerhythm.core.tracking.anchored import track_anchored
from element_facerhythm.core.tracking.frames import FrameReader
from element_facerhythm.core.tracking.videos import track_videos
from element_facerhythm.errors import ProjectError
from element_facerhythm.io.atomic import remove_leftovers
from element_facerhythm.io.content_digest import Content, content_of, seal
from element_facerhythm.io.data_paths import place_inside
from element_facerhythm.io.h5 import (
    atomic_h5,
    make_room,
    open_h5,
    read_text_attribute,
    write_text_attribute,
    write_tree,
)
from element_facerhythm.io.layout import PARTS
from element_facerhythm.io.product_stamps import ATTRIBUTE_FINGERPRINT
from element_facerhythm.io.products import start_point_tracker, write_light, write_violations
from element_facerhythm.pipeline.run.check import CheckedRequest
from element_facerhythm.pipeline.run.core_arguments import (
    anchored_settings,
    tracking_backend,
    tracking_device,
    tracking_mesh,
    tracking_settings,
)
from element_facerhythm.pipeline.run.fingerprint import Fingerprint
from element_facerhythm.pipeline.run.sequences import TrackedSequence
from element_facerhythm.pipeline.run.signal_feed import SignalFeed
from element_facerhythm.video import iterate_gray_frames, key_frames

OpenFrames = Callable[[int], Iterator[NDArray[np.uint8]]]

_ROWS_PER_COPY = 4096


@dataclass(frozen=True, eq=False)
class _Facts:
    """What is known of a tracked sequence besides its points; see `TrackedVideo`."""

    violation_rows: NDArray[np.int32]
    violation_cols: NDArray[np.int32]
    frame_light: NDArray[np.float32]
    held_frames: NDArray[np.int32]

    @classmethod
    def of(cls, tracked: TrackedVideo) -> _Facts:
        return cls(**{field.name: getattr(tracked, field.name) for field in fields(cls)})


def track_sequences(
    checked: CheckedRequest,
    project_dir: Path,
    file: h5py.File,
    advance: Callable[[int], None],
    feed: SignalFeed | None = None,
) -> None:
    """Fill PointTracker.h5.

    Parameters
    ----------
    checked
        What to track.
    project_dir
        Where finished sequences are kept meanwhile.
    file
        The product.
    advance
        Called with the number of frames done.
    feed
        Takes the frames that are decoded, for the signals of the whole face; None for none.
    """
    homes = checked.placed.point_positions
    mesh = tracking_mesh(checked.parameters, homes)
    has_confidence = anchored_settings(checked.parameters) is not None
    targets = start_point_tracker(
        file, checked.placed, mesh, checked.n_frames, has_confidence=has_confidence
    )
    videos = [
        VideoToTrack(
            frame_opener(sequence) if feed is None else feed.tapped(i, frame_opener(sequence)),
            sequence.n_frames,
            target,
            frozen,
            open_reader=_gpu_reader(checked, sequence),
            confidence=confidence,
            key_frames=key_frames_of(sequence),
        )
        for i, (sequence, (target, confidence), frozen) in enumerate(
            zip(checked.sequences, targets, checked.frozen_frames(), strict=True)
        )
    ]
    track = partial(track_as_asked, checked, mesh, recording=videos)
    if len(videos) == 1:
        facts = [_Facts.of(tracked) for tracked in track(videos, on_frames=advance)]
    else:
        parts = TrackedParts(project_dir, checked.fingerprints["point_tracking"])
        facts = parts.track(videos, track, len(homes), advance)
    flags = [(f.violation_rows, f.violation_cols) for f in facts]
    write_violations(file, [(n, len(homes)) for n in checked.n_frames], flags)
    write_light(file, [f.frame_light for f in facts], [f.held_frames for f in facts])


class TrackedParts:
    """Sequences that are finished, in files of their own, until all of them are.

    Parameters
    ----------
    project_dir
        The project.
    fingerprint
        Of the tracking that is wanted; parts made under another one do not count.
    """

    def __init__(self, project_dir: Path, fingerprint: Fingerprint) -> None:
        self._project_dir, self._directory = project_dir, parts_directory(project_dir)
        self._fingerprint = json.dumps(fingerprint, sort_keys=True)

    def finished(self, n_sequences: int) -> list[int]:
        """Numbers of the sequences that need not be tracked again."""
        return [number for number in range(n_sequences) if self._holds(number)]

    def track(
        self,
        videos: Sequence[VideoToTrack],
        track: Callable[..., list[TrackedVideo]],
        n_points: int,
        advance: Callable[[int], None],
    ) -> list[_Facts]:
        """Track what is not finished, fill every video's `out`, and return all facts.

        Parameters
        ----------
        videos
            All sequences of the recording.
        track
            `track_as_asked` for this recording.
        n_points
            Number of points, P.
        advance
            Called with the number of frames done in all sequences.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self._directory)
        done = self.finished(len(videos))
        todo = [number for number in range(len(videos)) if number not in done]
        n_done = sum(videos[number].n_frames for number in done)
        advance(n_done)
        with ExitStack() as unfinished:
            drafts = [
                _Draft(self._path(number), self._fingerprint, videos[number], n_points)
                for number in todo
            ]
            for draft in drafts:
                unfinished.push(draft.abandon)
            track(
                [draft.video for draft in drafts],
                on_frames=lambda n: advance(n_done + n),
                on_video=lambda number, tracked: drafts[number].finish(tracked),
            )
        return [self._copy(number, video) for number, video in enumerate(videos)]

    def _path(self, number: int) -> Path:
        return place_inside(self._project_dir, f"{PARTS}/{number}.h5")

    def _holds(self, number: int) -> bool:
        path = self._path(number)
        try:
            with open_h5(path) as part:
                if read_text_attribute(part, ATTRIBUTE_FINGERPRINT) != self._fingerprint:
                    return False
        except ProjectError:  # none, or damaged: it is tracked again
            return False
        return content_of(path) is Content.INTACT

    def _copy(self, number: int, video: VideoToTrack) -> _Facts:
        with open_h5(self._path(number), "delete it and run the project again") as part:
            points = part.dataset("points")
            copied = [(points, video.out)]
            if video.confidence is not None:
                copied.append((part.dataset("confidence"), video.confidence))
            for first in range(0, video.n_frames, _ROWS_PER_COPY):
                rows = slice(first, first + _ROWS_PER_COPY)
                for source, target in copied:
                    target[rows] = source[rows]
            return _Facts(
                part.dataset("rows").numbers(1),
                part.dataset("cols").numbers(1),
                part.dataset("light").numbers(2),
                part.dataset("held").numbers(1),
            )


class _Draft:
    """A part that is being made: it appears when it is finished, or not at all."""

    def __init__(self, path: Path, fingerprint: str, video: VideoToTrack, n_points: int) -> None:
        self._stack: ExitStack | None = ExitStack()
        self._file = self._stack.enter_context(atomic_h5(path))
        self._fingerprint = fingerprint
        make_room(self._file, 4 * 2 * video.n_frames * n_points)
        out = self._file.create_dataset("points", (video.n_frames, n_points, 2), np.float32)
        confidence = None
        if video.confidence is not None:
            shape = (video.n_frames, n_points)
            confidence = self._file.create_dataset("confidence", shape, np.float16)
        self.video = replace(video, out=out, confidence=confidence)

    def finish(self, tracked: TrackedVideo) -> None:
        """Add the facts and put the file in its place."""
        facts = {
            "rows": tracked.violation_rows,
            "cols": tracked.violation_cols,
            "light": tracked.frame_light,
            "held": tracked.held_frames,
        }
        write_tree(self._file, facts)
        write_text_attribute(self._file, ATTRIBUTE_FINGERPRINT, self._fingerprint)
        seal(self._file)
        stack, self._stack = self._stack, None
        if stack is not None:
            stack.close()

    def abandon(self, *failure: Any) -> None:
        """Remove the file, unless it is finished."""
        stack, self._stack = self._stack, None
        if stack is not None:
            with suppress(BaseException):  # the failure itself, which goes on to the caller
                stack.__exit__(*failure)


def parts_directory(project_dir: Path) -> Path:
    """Where finished sequences lie until all are finished."""
    return place_inside(project_dir, PARTS)


def track_as_asked(
    checked: CheckedRequest,
    mesh: Mesh,
    videos: Sequence[VideoToTrack],
    recording: Sequence[VideoToTrack] | None = None,
    on_frames: Callable[[int], None] | None = None,
    on_video: Callable[[int, TrackedVideo], None] | None = None,
) -> list[TrackedVideo]:
    """Track some sequences as a request says.

    Parameters
    ----------
    checked
        Points, parameters and device.
    mesh
        Of the points, from `tracking_mesh`.
    videos
        What to track, and where the points go.
    recording
        All sequences of the recording, where these are not all: see `track_anchored`.
    on_frames, on_video
        As in `track_videos`.
    """
    parameters = checked.parameters
    anchored = anchored_settings(parameters)
    if anchored is not None:
        return track_anchored(
            videos,
            checked.placed.point_positions,
            anchored,
            mesh=mesh,
            visible_mask=checked.placed.visible_mask,
            recording=recording,
            device=tracking_device(parameters, checked.device),
            n_threads=n_cores(),
            on_frames=on_frames,
            on_video=on_video,
        )
    return track_videos(
        videos,
        checked.placed.point_positions,
        tracking_settings(parameters),
        mesh=mesh,
        visible_mask=checked.placed.visible_mask,
        frames_per_block=parameters.PointTracker.frames_per_block,
        backend=tracking_backend(parameters),
        n_threads=n_cores(),
        on_frames=on_frames,
        on_video=on_video,
    )


def n_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def frame_opener(sequence: TrackedSequence) -> OpenFrames:
    """Make a function that gives the frames of a sequence from a frame on."""

    def open_frames(start: int) -> Iterator[NDArray[np.uint8]]:
        before = 0
        for part in sequence.parts:
            if start < before + part.n_frames:
                first = part.first + max(start - before, 0)
                yield from iterate_gray_frames(
                    part.video.path, start=first, stop=part.stop, levels=part.video.levels
                )
            before += part.n_frames

    return open_frames


def _gpu_reader(
    checked: CheckedRequest, sequence: TrackedSequence
) -> Callable[[], FrameReader] | None:
    """Make a function that opens the sequence for the GPU; None where it is read as for the CPU."""
    parts, levels = sequence.parts, sequence.parts[0].video.levels
    is_on_cpu = tracking_device(checked.parameters, checked.device) == "cpu"
    if is_on_cpu or any(part.video.levels != levels for part in parts):
        return None

    def open_reader() -> FrameReader:
        from element_facerhythm.video.cuda_reader import cuda_frame_reader

        paths = [part.video.path for part in parts]
        return cuda_frame_reader(paths, checked.device, first=parts[0].first, levels=levels)

    return open_reader


def key_frames_of(sequence: TrackedSequence) -> NDArray[np.int64]:
    """Frames of a sequence at which decoding can begin."""
    starts, before = [np.zeros(1, np.int64)], 0
    for part in sequence.parts:
        keys = key_frames(part.video.path)
        starts.append(keys[(keys >= part.first) & (keys < part.stop)] - part.first + before)
        before += part.n_frames
    return np.unique(np.concatenate(starts))
