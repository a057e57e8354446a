"""Propose regions of interest for a video file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.roi_proposal import ProposalReport, propose_rois
from element_facerhythm.core.rois import Rois
from element_facerhythm.pipeline.records import NullProgress, Progress
from element_facerhythm.video import iterate_gray_frames

N_RUNS, RUN_LENGTH = 20, 11
"""Runs of consecutive frames that are looked at, spread evenly over the video."""


def propose_rois_for_video(
    video: Path, n_frames: int, *, progress: Progress | None = None
) -> tuple[Rois, ProposalReport]:
    """Propose regions from where a video moves.

    Parameters
    ----------
    video
        Video file.
    n_frames
        Number of its frames.
    progress
        Notified of how many of the runs were read.

    Returns
    -------
    Rois, ProposalReport
        See `element_facerhythm.core.roi_proposal.propose_rois`.

    Raises
    ------
    RoiError
        Nothing moves.
    """
    last = max(n_frames - RUN_LENGTH, 0)
    starts = sorted({round(last * index / (N_RUNS - 1)) for index in range(N_RUNS)})
    with (progress or NullProgress()).stage("propose ROIs", len(starts), "clips") as advance:

        def runs() -> Iterator[list[NDArray[np.uint8]]]:
            for index, start in enumerate(starts, start=1):
                yield list(iterate_gray_frames(video, start=start, stop=start + RUN_LENGTH))
                advance(index)

        return propose_rois(runs())
