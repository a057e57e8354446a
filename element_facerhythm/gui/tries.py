"""Tracks of a tried span, as the page plays them over the video, and the frequencies that a run takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from element_facerhythm.io.project import Project
from element_facerhythm.parameters import read_open_parameters
from element_facerhythm.parameters.fitting import SMALLEST_Q
from element_facerhythm.pipeline.run.fit import suggest_parameters
from element_facerhythm.pipeline.run.sequences import recording_rate_hz, tracked_sequences
from element_facerhythm.pipeline.run.timing import stretch_lengths
from element_facerhythm.video import VideoMetadata


def tracks_of(project_dir: Path, first_frame: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return arrays and facts of a project that tried a span.

    Parameters
    ----------
    project_dir
        The project; of one video.
    first_frame
        Of the span, in the video.

    Returns
    -------
    dict, dict
        Arrays: `homes` (P, 2) float32 and `displacements` (T, P, 2) float16, pixels, `flagged` (T, P) uint8
        (1: not found in that frame), `frequencies` (F,) Hz and `spectrum` (F,) mean magnitude over points,
        directions and time. Facts: `first`, `violation_fraction`, and `typical_px`, the median over points of
        the standard deviation of their displacements.

    Raises
    ------
    ProjectError
        A product is missing.
    """
    project = Project.open(project_dir)
    tracking, homes = project.tracking(0), project.point_positions
    displacements = np.asarray(tracking.points[:], np.float32) - homes
    flagged = np.zeros(displacements.shape[:2], np.uint8)
    flagged[tracking.violation_rows, tracking.violation_cols] = 1
    spectrogram = np.abs(np.asarray(project.spectrogram(0)[:]))
    spread = np.sqrt(displacements.var(axis=0).sum(axis=1))
    arrays = {
        "homes": homes.astype(np.float32),
        "displacements": displacements.astype(np.float16),
        "flagged": flagged,
        "frequencies": project.frequencies_hz.astype(np.float32),
        "spectrum": spectrogram.mean(axis=(0, 1, 3)).astype(np.float32),
    }
    facts = {
        "first": first_frame,
        "violation_fraction": float(flagged.mean()),
        "typical_px": float(np.median(spread)),
    }
    return arrays, facts


def frequencies_of(metadata: VideoMetadata, settings: Sequence[str] = ()) -> dict[str, float]:
    """Return the frequencies of a run of a whole video, and what limits those that can be chosen.

    Parameters
    ----------
    metadata
        Of the video.
    settings
        As for `--set`; what they do not say is fitted.

    Returns
    -------
    dict
        `F_min`, `F_max` (Hz) and `Q_lowF` (periods), as of the parameters; `rate_hz` of the analysis, half of
        which is the highest frequency; `n_samples`, into which the longest filter must fit, and
        `least_periods`, which it should hold of the lowest frequency: those that were given, or the fewest
        that are fitted to a recording that is long enough.

    Raises
    ------
    RequestError
        A setting is none; or the video is too short for what they say.
    """
    wanted = read_open_parameters(None, settings=settings)
    is_given = "VQT_Analyzer.params_VQT.Q_lowF" not in wanted.parameters.open_names
    suggested, _ = suggest_parameters(wanted.parameters, [metadata], None)
    known = suggested.stand_in
    values = known.VQT_Analyzer.params_VQT
    sequences = tracked_sequences([metadata], known, None)
    return {
        "F_min": values.F_min,
        "F_max": values.F_max,
        "Q_lowF": values.Q_lowF,
        "rate_hz": known.sample_rate_hz(recording_rate_hz([metadata], known)),
        "least_periods": values.Q_lowF if is_given else SMALLEST_Q,
        "n_samples": min(max(lengths) for lengths in stretch_lengths(sequences)),
    }
