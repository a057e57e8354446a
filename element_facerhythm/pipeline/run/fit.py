"""Fitting open parameters to a recording: the result is closed parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from element_facerhythm.core.rois import Rois, place_rois, seed_grid, seed_region
from element_facerhythm.core.spectral import filter_length
from element_facerhythm.parameters import (
    AnyParameters,
    FittedValue,
    OpenParameters,
    Parameters,
    RecordingFacts,
    as_open,
    check_parameters,
    fit_parameters,
)
from element_facerhythm.pipeline.run.sequences import (
    FrameRange,
    recording_rate_hz,
    tracked_sequences,
)
from element_facerhythm.pipeline.run.timing import stretch_lengths

if TYPE_CHECKING:
    from collections.abc import Callable

    from element_facerhythm.video import VideoMetadata


def close_parameters(
    parameters: AnyParameters,
    rois: Rois,
    *,
    height_px: int,
    width_px: int,
    frame_rate_hz: float,
    n_samples: Sequence[Sequence[int]],
) -> tuple[Parameters, tuple[FittedValue, ...]]:
    """Fit what is open to a recording.

    Parameters
    ----------
    parameters
        Closed ones are returned as they are.
    rois
        Regions of interest.
    height_px, width_px
        Size of the frame.
    frame_rate_hz
        The rate that the recording is analysed with.
    n_samples
        Samples of each stretch between gaps, of each tracked sequence.

    Returns
    -------
    tuple
        The closed parameters, and what was fitted and why.

    Raises
    ------
    ParameterError
        Typed values contradict each other.
    RoiError
        The regions do not fit the frame.
    """
    if isinstance(parameters, Parameters):
        return parameters, ()
    facts = _recording_facts(
        rois,
        height_px=height_px,
        width_px=width_px,
        frame_rate_hz=frame_rate_hz,
        n_samples=n_samples,
    )
    closed, fitted = fit_parameters(parameters, facts)
    assert closed.is_closed  # with regions, everything can be fitted
    return closed.stand_in, fitted


def _recording_facts(
    rois: Rois | None,
    *,
    height_px: int,
    width_px: int,
    frame_rate_hz: float,
    n_samples: Sequence[Sequence[int]],
) -> RecordingFacts:
    """Gather what parameters are fitted to; see `close_parameters`. Without regions some stay open."""
    size = {"height_px": height_px, "width_px": width_px}
    area, count = (None, None) if rois is None else _seeding(rois, **size)
    return RecordingFacts(
        frame_rate_hz=frame_rate_hz,
        n_samples=tuple(map(tuple, n_samples)),
        seed_area_px=area,
        n_points=count,
        **size,
    )


def suggest_parameters(
    parameters: AnyParameters,
    videos: Sequence[VideoMetadata],
    rois: Rois | None,
    frames: FrameRange | None = None,
) -> tuple[OpenParameters, tuple[FittedValue, ...]]:
    """Fit what can be fitted, with regions or without them; the rest stays open.

    Parameters
    ----------
    parameters
        Values of which some may be open.
    videos
        Videos of one recording, in order, of one frame size.
    rois
        Regions of interest; None where there are none yet.
    frames
        The part of the recording that is analysed; None for all.

    Returns
    -------
    tuple
        The parameters, and what was fitted and why.

    Raises
    ------
    ParameterError
        Typed values contradict each other.
    RoiError
        The regions do not fit the frame.
    """
    opened = as_open(parameters)
    known = opened.stand_in
    facts = _recording_facts(
        rois,
        height_px=videos[0].height_px,
        width_px=videos[0].width_px,
        frame_rate_hz=known.sample_rate_hz(recording_rate_hz(videos, known)),
        n_samples=stretch_lengths(tracked_sequences(videos, known, frames)),
    )
    return fit_parameters(opened, facts)


def check_suggested(
    parameters: OpenParameters,
    videos: Sequence[VideoMetadata],
    rois: Rois | None,
    frames: FrameRange | None = None,
) -> tuple[str, ...]:
    """Check what was suggested against the recording, as a run would; spacing and rank need regions.

    Parameters
    ----------
    parameters
        What `suggest_parameters` returned.
    videos, rois, frames
        As of `suggest_parameters`.

    Returns
    -------
    tuple of str
        See `check_parameters`.

    Raises
    ------
    ParameterError, RoiError
        As a run would raise.
    """
    known = parameters.stand_in
    own_rate_hz = recording_rate_hz(videos, known)
    vqt = known.VQT_Analyzer.params_VQT
    placed = None
    if rois is not None:
        spacing_px = known.ROIs.make_rois.point_spacing
        size = {"height_px": videos[0].height_px, "width_px": videos[0].width_px}
        placed = place_rois(rois, **size, spacing_px=spacing_px)
    length = filter_length(
        frame_rate_hz=known.spectral_rate_hz(known.sample_rate_hz(own_rate_hz)),
        q_low=vqt.Q_lowF,
        freq_min_hz=vqt.F_min,
    )
    return check_parameters(
        known,
        frame_rate_hz=own_rate_hz,
        n_frames=sum(video.n_frames for video in videos),
        n_samples=stretch_lengths(tracked_sequences(videos, known, frames)),
        n_points=None if placed is None else len(placed.point_positions),
        filter_length=length,
    )


def _seeding(
    rois: Rois, *, height_px: int, width_px: int
) -> tuple[int | None, Callable[[int], int]]:
    """Area of the region, and the number of points for a spacing."""
    region = seed_region(rois, height_px=height_px, width_px=width_px)
    if region is None:
        n_given = 0 if rois.point_positions is None else len(rois.point_positions)
        return None, lambda spacing_px: n_given
    return int(np.count_nonzero(region)), lambda spacing_px: len(
        seed_grid(region, spacing_px=spacing_px)
    )
