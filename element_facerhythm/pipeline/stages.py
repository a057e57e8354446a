"""The five stages: each fills one product from the products before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.decomposition import decompose
from element_facerhythm.core.spectral import (
    point_spectrograms,
    window_centres,
)
from element_facerhythm.io.h5 import open_h5
from element_facerhythm.io.products import (
    finish_spectrograms,
    start_spectrograms,
    write_dataset,
    write_decomposition,
    write_rois,
)
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.check import CheckedRequest
from element_facerhythm.pipeline.options import (
    decomposition_options,
    filter_bank,
    spectral_options,
)
from element_facerhythm.pipeline.records import Progress
from element_facerhythm.pipeline.tracking import track_sequences
from element_facerhythm.video import read_rgb_frame


@dataclass(frozen=True)
class StageContext:
    """What a stage works with: the request, the product to fill, and whom to tell."""

    checked: CheckedRequest
    project_dir: Path
    file: h5py.File
    progress: Progress


def run_dataset(context: StageContext) -> None:
    """Store the first frame of the first video."""
    with context.progress.stage("dataset", 1, "videos") as tell:
        write_dataset(context.file, _first_frame(context.checked))
        tell(1)


def _first_frame(checked: CheckedRequest) -> NDArray[np.uint8]:
    first = checked.videos[0]
    return read_rgb_frame(first.path, 0, levels=first.levels)


def run_rois(context: StageContext) -> None:
    """Store masks and seed points."""
    checked = context.checked
    with context.progress.stage("rois", 1, "files") as tell:
        write_rois(context.file, checked.rois, checked.placed, _first_frame(checked))
        tell(1)


def run_point_tracking(context: StageContext) -> None:
    """Track the points through every sequence, straight into the product."""
    with context.progress.stage("point_tracking", sum(context.checked.n_frames), "frames") as tell:
        track_sequences(context.checked, context.project_dir, context.file, tell)


def run_spectral_analysis(context: StageContext) -> None:
    """Transform the tracks of every sequence, window by window, straight into the product."""
    checked = context.checked
    vqt = checked.parameters.VQT_Analyzer.params_VQT
    rate_hz = checked.parameters.spectral_rate_hz(checked.videos[0].frame_rate_hz)
    bank = filter_bank(checked.parameters, rate_hz)
    centres = [
        window_centres(n, bank, downsample_factor=vqt.downsample_factor, padding=vqt.padding)
        for n in checked.n_frames
    ]
    homes = checked.placed.point_positions
    targets = start_spectrograms(context.file, bank, centres, len(homes), take_abs=vqt.take_abs)
    tracks = Project.open(context.project_dir).product_path("PointTracker")
    n_windows = [len(frames) for frames in centres]
    with (
        open_h5(tracks, "run the project again") as tracked,
        context.progress.stage("spectral_analysis", sum(n_windows), "windows") as tell,
    ):
        for i, target in enumerate(targets):
            point_spectrograms(
                tracked.dataset(f"points_tracked/{i}"),
                homes,
                bank,
                **spectral_options(checked.parameters),
                device=checked.device,
                out=target,
                on_windows=_offset(tell, sum(n_windows[:i])),
            )
    finish_spectrograms(context.file, centres, homes)


def run_decomposition(context: StageContext) -> None:
    """Decompose the spectrograms into components."""
    tca = context.checked.parameters.TCA
    project = Project.open(context.project_dir)
    spectrograms = {key: project.spectrogram(i) for i, key in enumerate(project.video_keys)}
    n_models = (
        len(spectrograms) if tca.rearrange_data.method_handling_dictElements == "separate" else 1
    )
    total = n_models * tca.fit.params_method.n_iter_max
    with context.progress.stage("decomposition", total, "iterations") as tell:
        decomposition = decompose(
            spectrograms,
            device=context.checked.device,
            on_iteration=tell,
            **decomposition_options(context.checked.parameters),
        )
    write_decomposition(context.file, decomposition, tca.fit.method)


STAGE_FUNCTIONS: dict[str, Callable[[StageContext], None]] = {
    "dataset": run_dataset,
    "rois": run_rois,
    "point_tracking": run_point_tracking,
    "spectral_analysis": run_spectral_analysis,
    "decomposition": run_decomposition,
}

READING_STAGES = ("dataset", "rois", "point_tracking")
"""Stages that read the videos."""


def _offset(tell: Callable[[int], None], n_before: int) -> Callable[[int], None]:
    """Tell the number done in all sequences, given that of the present one."""
    return lambda n_done: tell(n_before + n_done)
