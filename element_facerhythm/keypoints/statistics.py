"""What can be said of a keypoint's track in single numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.keypoints.predictions import Predictions

CONFIDENT = 0.5
"""Likelihood above which a tracker is taken to be sure."""


@dataclass(frozen=True)
class TrackStatistics:
    """A body part of an individual, over the whole recording.

    Attributes
    ----------
    individual, body_part
        Whose track.
    mean_likelihood
        Over the frames that have one; None where none has.
    confident_fraction
        Frames with a likelihood above 0.5 / all frames; None where no frame has a likelihood.
    median_speed_px_s
        Of the steps between consecutive frames in which it was seen, pixels per second; None where there
        is no such pair, or positions are not in pixels.
    missing_fraction
        Frames without a position / all frames.
    """

    individual: str
    body_part: str
    mean_likelihood: float | None
    confident_fraction: float | None
    median_speed_px_s: float | None
    missing_fraction: float


def track_statistics(
    predictions: Predictions, *, frame_rate_hz: float, first_frames: tuple[int, ...] = (0,)
) -> Iterator[TrackStatistics]:
    """Summarise every track in numbers.

    Parameters
    ----------
    predictions
        The tracks.
    frame_rate_hz
        Frames per second of the recording.
    first_frames
        Where each video of the recording begins: no step leads over from one to the next.
    """
    for individual, body_part in predictions.tracks():
        i, k = predictions.individuals.index(individual), predictions.body_parts.index(body_part)
        positions = predictions.positions[:, i, k]
        likelihood = predictions.likelihood[:, i, k]
        said = ~np.isnan(likelihood)
        yield TrackStatistics(
            individual,
            body_part,
            mean_likelihood=float(likelihood[said].mean()) if said.any() else None,
            confident_fraction=float((likelihood > CONFIDENT).mean()) if said.any() else None,
            median_speed_px_s=_median_speed(positions, frame_rate_hz, first_frames),
            missing_fraction=float(np.isnan(positions).any(axis=1).mean()),
        )


def _median_speed(
    positions: NDArray[np.floating], frame_rate_hz: float, first_frames: tuple[int, ...]
) -> float | None:
    if positions.shape[1] != 2:
        return None
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    seams = [first - 1 for first in first_frames if 0 < first <= len(steps)]
    steps[seams] = np.nan
    seen = steps[~np.isnan(steps)]
    return float(np.median(seen)) * frame_rate_hz if len(seen) else None
