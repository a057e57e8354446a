"""The stages: each fills one product from the products before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.decomposition import decompose
from element_facerhythm.core.spectral import WindowsOf, point_spectrograms
from element_facerhythm.io.h5 import open_h5
from element_facerhythm.io.products import (
    finish_spectrograms,
    start_spectrograms,
    write_dataset,
    write_decomposition,
    write_rois,
)
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.background import Stretch, background_image
from element_facerhythm.pipeline.records import SIGNAL_STAGE, Progress
from element_facerhythm.pipeline.run.check import CheckedRequest
from element_facerhythm.pipeline.run.core_arguments import (
    axis_plan,
    filter_bank,
    fit_settings,
    normalisation,
    tensor_scaling,
    transform_options,
)
from element_facerhythm.pipeline.run.signal_feed import SignalFeed
from element_facerhythm.pipeline.run.signal_stage import run_signals
from element_facerhythm.pipeline.run.tracking_stage import track_sequences
from element_facerhythm.pipeline.run.windows import sampled, window_layout
from element_facerhythm.video import read_rgb_frame


@dataclass(frozen=True)
class StageContext:
    """What a stage works with: the request, the product to fill, and where progress is reported.

    `feed` takes the frames for the signals of the whole face, where these are measured in the same run.
    """

    checked: CheckedRequest
    project_dir: Path
    file: h5py.File
    progress: Progress
    feed: SignalFeed | None = None

    def first_frame(self) -> NDArray[np.uint8]:
        """(H, W, 3) first frame that is analysed."""
        part = self.checked.sequences[0].parts[0]
        return read_rgb_frame(part.video.path, part.first, levels=part.video.levels)

    def background(self) -> NDArray[np.uint8]:
        """(H, W) mean of frames from all over what is analysed."""
        parts = [part for sequence in self.checked.sequences for part in sequence.parts]
        return background_image(
            [Stretch(p.video.path, p.first, p.stop, p.video.levels) for p in parts]
        )


def run_dataset(context: StageContext) -> None:
    """Store the first frame of the first video."""
    with context.progress.stage("dataset", 1, "videos") as advance:
        write_dataset(context.file, context.first_frame())
        advance(1)


def run_rois(context: StageContext) -> None:
    """Store masks and seed points, and what the recording looks like."""
    checked = context.checked
    with context.progress.stage("rois", 1, "files") as advance:
        pictures = context.first_frame(), context.background()
        write_rois(context.file, checked.rois, checked.placed, *pictures)
        advance(1)


def run_point_tracking(context: StageContext) -> None:
    """Track the points through every sequence, straight into the product."""
    with context.progress.stage(
        "point_tracking", sum(context.checked.n_frames), "frames"
    ) as advance:
        track_sequences(context.checked, context.project_dir, context.file, advance, context.feed)


def run_spectral_analysis(context: StageContext) -> None:
    """Transform the tracks of every sequence, stretch by stretch, straight into the product."""
    checked = context.checked
    bank = filter_bank(checked.parameters, checked.spectral_rate_hz)
    homes = checked.placed.point_positions
    layouts = [window_layout(s.clock, bank, checked.parameters) for s in checked.sequences]
    axes = [layout.axis(s.clock) for layout, s in zip(layouts, checked.sequences, strict=True)]
    options, normalised = transform_options(checked.parameters), normalisation(checked.parameters)
    targets = start_spectrograms(context.file, bank, axes, len(homes), take_abs=options.take_abs)
    tracks = Project.open(context.project_dir).product_path("PointTracker")
    n_done, n_windows = 0, sum(len(axis.centres) for axis in axes)
    with (
        open_h5(tracks, "run the project again") as tracked,
        context.progress.stage("spectral_analysis", n_windows, "windows") as advance,
    ):
        for i, (target, layout) in enumerate(zip(targets, layouts, strict=True)):
            for stretch, windows in layout.stretches:
                point_spectrograms(
                    sampled(tracked.dataset(f"points_tracked/{i}"), stretch),
                    homes,
                    bank,
                    options,
                    normalised,
                    device=checked.device,
                    out=WindowsOf(target, windows.start, windows.stop - windows.start),
                    on_windows=_offset(advance, n_done + windows.start),
                )
            n_done += len(axes[i].centres)
    finish_spectrograms(context.file, axes, homes)


def run_decomposition(context: StageContext) -> None:
    """Decompose the spectrograms into components."""
    parameters = context.checked.parameters
    plan, settings = axis_plan(parameters), fit_settings(parameters)
    project = Project.open(context.project_dir)
    spectrograms = {key: project.spectrogram(i) for i, key in enumerate(project.video_keys)}
    n_models = len(spectrograms) if plan.method == "separate" else 1
    total = n_models * settings.n_iter_max
    with context.progress.stage("decomposition", total, "iterations") as advance:
        decomposition = decompose(
            spectrograms,
            plan,
            settings,
            tensor_scaling(parameters),
            device=context.checked.device,
            on_iteration=advance,
        )
    write_decomposition(context.file, decomposition, settings.method)


def run_facial_signals(context: StageContext) -> None:
    """Measure the signals of the whole face, and write them."""
    assert context.feed is not None
    folder = context.project_dir / "analysis_files"
    run_signals(context.checked, context.feed, context.file, folder, context.progress)


STAGE_FUNCTIONS: dict[str, Callable[[StageContext], None]] = {
    "dataset": run_dataset,
    "rois": run_rois,
    "point_tracking": run_point_tracking,
    "spectral_analysis": run_spectral_analysis,
    "decomposition": run_decomposition,
    SIGNAL_STAGE: run_facial_signals,
}

READING_STAGES = ("dataset", "rois", "point_tracking", SIGNAL_STAGE)
"""Stages that read the videos."""


def _offset(advance: Callable[[int], None], n_before: int) -> Callable[[int], None]:
    """Return the number done in all sequences, given that of the present one."""
    return lambda n_done: advance(n_before + n_done)
