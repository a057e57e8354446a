"""A random block of one stage, computed once more and compared with what its product holds."""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from element_facerhythm.core.spectral import point_spectrograms, window_centres
from element_facerhythm.core.tracking import VideoToTrack
from element_facerhythm.errors import ProjectError
from element_facerhythm.io.product_stamps import stage_fingerprint
from element_facerhythm.io.project import Project
from element_facerhythm.parameters import Parameters
from element_facerhythm.pipeline.records import PRODUCT_OF_STAGE, RunRequest
from element_facerhythm.pipeline.results.model_summary import evaluate_models
from element_facerhythm.pipeline.run.check import CheckedRequest, check_request
from element_facerhythm.pipeline.run.core_arguments import (
    filter_bank,
    normalisation,
    tracking_mesh,
    transform_options,
)
from element_facerhythm.pipeline.run.fingerprint import ANCHORED_VERSION, STAGE_VERSIONS
from element_facerhythm.pipeline.run.run_file import parameters_of_run, run_facts
from element_facerhythm.pipeline.run.tracking_stage import (
    frame_opener,
    key_frames_of,
    track_as_asked,
)
from element_facerhythm.pipeline.run.windows import sampled, window_layout

_FRAMES = 200
_WINDOWS = 64


@dataclass(frozen=True)
class Recomputed:
    """A part that was computed once more, and its distance from the product.

    Attributes
    ----------
    stage
        Name of the stage.
    block
        The part, in words.
    difference
        Largest distance from the product, in `unit`.
    tolerance
        Distance that another machine's arithmetic explains.
    unit
        Unit of both.
    """

    stage: str
    block: str
    difference: float
    tolerance: float
    unit: str

    @property
    def agrees(self) -> bool:
        """Whether the product holds what the stage computes."""
        return self.difference <= self.tolerance


def recompute_block(project: Project, chance: random.Random) -> Recomputed:
    """Compute a random part of one stage of a run of this package once more.

    Parameters
    ----------
    project
        A finished project directory.
    chance
        Chooses the stage and the part.

    Raises
    ------
    ProjectError
        No stage can be computed here: the project was not made by this package, or by other versions of the
        stages.
    """
    parameters = parameters_of_run(project.directory)
    if parameters is None:
        raise ProjectError(
            f"{project.directory} was not made by this package: nothing of it can be computed once more"
        )
    stages = [stage for stage in _RECOMPUTE if _is_of_this_version(project, stage)]
    if "point_tracking" in stages and not all(Path(p).is_file() for p in project.video_paths):
        stages.remove("point_tracking")
    if not stages:
        raise ProjectError(
            f"{project.directory} was made by other versions of the stages: nothing of it can be computed "
            "once more here"
        )
    return _RECOMPUTE[chance.choice(stages)](project, parameters, chance)


def _is_of_this_version(project: Project, stage: str) -> bool:
    fingerprint = stage_fingerprint(project.product_path(PRODUCT_OF_STAGE[stage])) or {}
    parameters = fingerprint.get("parameters", {})
    is_anchored = parameters.get("method") == "anchored"
    if is_anchored and parameters.get("method_version") != ANCHORED_VERSION:
        return False
    return bool(fingerprint.get("stage_version") == STAGE_VERSIONS[stage])


def _recompute_tracking(
    project: Project, parameters: Parameters, chance: random.Random
) -> Recomputed:
    """Track the beginning of one sequence."""
    checked = _request_of(project, parameters)
    index = chance.randrange(len(checked.n_frames))
    per_block = parameters.PointTracker.frames_per_block or _FRAMES
    n_frames = min(checked.n_frames[index], per_block, _FRAMES)
    homes = checked.placed.point_positions
    frozen = checked.frozen_frames()[index]
    out = np.empty((n_frames, *homes.shape), dtype=np.float32)
    video = VideoToTrack(
        frame_opener(checked.sequences[index]),
        n_frames,
        out,
        None if frozen is None else frozen[:n_frames],
    )
    recording = [
        VideoToTrack(
            frame_opener(sequence), sequence.n_frames, out, key_frames=key_frames_of(sequence)
        )
        for sequence in checked.sequences
    ]
    recording[index] = replace(recording[index], open_frames=video.open_frames)
    track_as_asked(checked, tracking_mesh(parameters, homes), [video], recording)
    # a violation just behind the part holds points still within it
    n_sure = max(n_frames - parameters.PointTracker.params_outlier_handling.framesHalted_before, 1)
    stored = project.tracking(index).points[:n_sure]
    # the 99th percentile: points without texture follow rounding errors anywhere
    difference = float(np.quantile(np.abs(stored - out[:n_sure]), 0.99))
    return Recomputed(
        "point_tracking", f"frames 0 to {n_sure - 1} of sequence {index}", difference, 0.05, "px"
    )


def _recompute_spectra(
    project: Project, parameters: Parameters, chance: random.Random
) -> Recomputed:
    """Transform some samples of one stretch between gaps of one sequence."""
    fingerprint = stage_fingerprint(project.product_path("VQT_Analyzer")) or {}
    bank = filter_bank(parameters, float(fingerprint["parameters"]["frame_rate_hz"]))
    options = transform_options(parameters)
    index = chance.randrange(len(project.video_keys))
    layout = window_layout(project.clock(index), bank, parameters)
    stretch, windows = chance.choice(layout.stretches)
    samples = sampled(project.tracking(index).points, stretch)
    step, n_all = options.downsample_factor, samples.shape[0]
    n_samples = min(n_all, 3 * bank.n_taps + _WINDOWS * step)
    start = step * (chance.randrange(n_all - n_samples + 1) // step)
    again = point_spectrograms(
        samples[slice(start, start + n_samples), slice(None)],
        project.point_positions,
        bank,
        options,
        normalisation(parameters),
    )
    centres = window_centres(n_all, bank, options)
    own_centres = start + window_centres(n_samples, bank, options)
    # filters of these windows lie within the samples (or reach over an end of the stretch, as they did)
    reach = bank.n_taps / 2 + step
    sure = (own_centres - reach >= start) | (start == 0)
    sure &= (own_centres + reach <= start + n_samples) | (start + n_samples == n_all)
    _, own, stored_at = np.intersect1d(own_centres[sure], centres, return_indices=True)
    first, last = (windows.start + int(stored_at[end]) for end in (0, -1))
    stored = project.spectrogram(index)[..., first : last + 1]
    difference = np.abs(stored - again[..., np.flatnonzero(sure)[own]]).max()
    scale = np.abs(stored).max() or 1.0
    block = f"windows {first} to {last} of sequence {index}"
    return Recomputed("spectral_analysis", block, float(difference / scale), 0.01, "of the largest")


def _recompute_decomposition(
    project: Project, parameters: Parameters, chance: random.Random
) -> Recomputed:
    """Fit of one model's factors to the spectrograms, which its product holds, too."""
    stored = project.models()
    key = chance.choice(sorted(stored))
    again = evaluate_models(project, stored, parameters)[key].relative_error
    stored_error = stored[key].relative_error
    difference = math.inf if stored_error is None else abs(again - stored_error)
    return Recomputed("decomposition", f"relative error of model {key}", difference, 1e-3, "")


def _request_of(project: Project, parameters: Parameters) -> CheckedRequest:
    """Request that this project is made by, checked as far as it can be without its directory."""
    asked = run_facts(project.directory)
    with tempfile.TemporaryDirectory() as elsewhere:
        return check_request(
            RunRequest(
                videos=tuple(Path(path) for path in project.video_paths),
                rois=project.rois(),
                parameters=parameters,
                project_dir=Path(elsewhere) / "not-written",
                device="cpu",
                frames=asked.get("frames"),
                frame_rate_hz=asked.get("frame_rate_hz"),
                times=asked.get("times"),
                allow_incomplete=True,  # as it was when the project was made
            )
        )


_RECOMPUTE: dict[str, Callable[[Project, Parameters, random.Random], Recomputed]] = {
    "point_tracking": _recompute_tracking,
    "spectral_analysis": _recompute_spectra,
    "decomposition": _recompute_decomposition,
}
