"""What no tracker on this machine can beat: decoding alone, and the matching alone on all cores."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.scenes import BenchVideo
from element_facerhythm.core.rois import place_rois
from element_facerhythm.core.tracking import FramePreparation, VideoToTrack, make_flow
from element_facerhythm.core.tracking.anchored import AnchoredSettings, track_anchored
from element_facerhythm.core.tracking.anchored.matcher import Matcher
from element_facerhythm.io.rois_file import read_rois
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline.run.core_arguments import tracking_mesh, tracking_settings
from element_facerhythm.pipeline.run.tracking_stage import n_cores
from element_facerhythm.video import iterate_gray_frames, probe_video

N_RESIDENT_FRAMES = 120
_BLOCKS_PER_CORE = 4


def decode_s(video: Path) -> float:
    """Seconds that FFmpeg takes to decode a video on all cores, nothing converted."""
    import av

    started = time.perf_counter()
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for _ in container.decode(stream):
            pass
    return time.perf_counter() - started


class FlowAlone:
    """The optical flow between frames in memory, their pyramids made, points shared over all cores."""

    def __init__(self, bench: BenchVideo) -> None:
        settings = tracking_settings(parameters_from_mapping(bench.parameters).parameters)
        facts = probe_video(bench.video)
        size = {"height_px": facts.height_px, "width_px": facts.width_px}
        placed = place_rois(read_rois(bench.rois), **size, spacing_px=1)
        prepare = FramePreparation(placed.visible_mask, settings.clahe)
        self._flow = make_flow(settings.flow, prepare=prepare, n_threads=n_cores())
        frames = islice(iterate_gray_frames(bench.video), N_RESIDENT_FRAMES)
        self._frames = [self._flow.describe(frame) for frame in frames]
        self._points = placed.point_positions
        self._n_frames = bench.n_frames
        self._pass()

    def seconds(self) -> float:
        """Seconds for as many frames as the video has, from one pass over the resident ones."""
        started = time.perf_counter()
        n_steps = self._pass()
        return (time.perf_counter() - started) * self._n_frames / n_steps

    def _pass(self) -> int:
        """Follow the points, from their homes, through every pair of resident frames."""
        for before, after in pairwise(self._frames):
            self._flow(before, after, self._points)
        return len(self._frames) - 1


class MatchingAlone:
    """Matches with references of frames in memory, smoothed already, blocks of them shared over all cores."""

    def __init__(self, bench: BenchVideo) -> None:
        parameters = parameters_from_mapping(bench.parameters).parameters
        facts = probe_video(bench.video)
        size = {"height_px": facts.height_px, "width_px": facts.width_px}
        placed = place_rois(read_rois(bench.rois), **size, spacing_px=1)
        home = placed.point_positions
        frames = list(islice(iterate_gray_frames(bench.video), N_RESIDENT_FRAMES))
        out = np.empty((len(frames), len(home), 2), np.float32)
        self._n_frames = bench.n_frames
        self._blocks: list[tuple[Any, NDArray[np.int16], Any]] = []
        match = Matcher.match

        def kept(matcher: Matcher, stack: NDArray[np.int16], starts: Any = None) -> Any:
            if starts is None or starts.ndim == 2:  # frames that follow one another, no references
                self._blocks.append((matcher, stack, starts))
            return match(matcher, stack, starts)

        with patch.object(Matcher, "match", kept):
            track_anchored(
                [VideoToTrack(lambda start: iter(frames[start:]), len(frames), out)],
                home,
                AnchoredSettings(),
                mesh=tracking_mesh(parameters, home),
                visible_mask=placed.visible_mask,
            )
        self._blocks *= -(-_BLOCKS_PER_CORE * n_cores() // len(self._blocks))
        self._pass()

    def seconds(self) -> float:
        """Seconds for as many frames as the video has, from one pass over the resident ones."""
        started = time.perf_counter()
        n_frames = self._pass()
        return (time.perf_counter() - started) * self._n_frames / n_frames

    def _pass(self) -> int:
        """Match every block, and return how many frames these are."""
        with ThreadPoolExecutor(n_cores()) as executor:
            list(executor.map(lambda block: block[0].match(*block[1:]), self._blocks))
        return sum(len(stack) for _, stack, _ in self._blocks)
