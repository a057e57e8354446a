"""Spans of frames in which so many points were flagged that one wants to see what happened."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LEAST_SHARE = 0.02
"""Share of the points that must be flagged in a frame of an episode."""

LONGEST_BREAK_S = 0.25
"""Episodes that are not further apart are one."""

Spans = npt.NDArray[np.int32]
"""(n, 2) first frame and the one after the last."""


def flag_episodes(
    shares: npt.NDArray[np.floating], frame_rate_hz: float, *, least_share: float = LEAST_SHARE
) -> Spans:
    """Spans in which at least a share of the points is flagged, near ones joined.

    Parameters
    ----------
    shares
        (T,) share of the points that are flagged in each frame.
    frame_rate_hz
        Frames per second.
    least_share
        Share that makes an episode; a single flagged point does where there are few.
    """
    spans = frame_spans(np.flatnonzero((shares >= least_share) & (shares > 0)))
    if len(spans) < 2:
        return spans
    is_far = spans[1:, 0] - spans[:-1, 1] > LONGEST_BREAK_S * frame_rate_hz
    firsts = spans[np.concatenate([[True], is_far]), 0]
    stops = spans[np.concatenate([is_far, [True]]), 1]
    return np.stack([firsts, stops], axis=1)


def frame_spans(frames: npt.NDArray[np.integer]) -> Spans:
    """Uninterrupted spans of frames.

    Parameters
    ----------
    frames
        (N,) rising.
    """
    if not len(frames):
        return np.zeros((0, 2), np.int32)
    ends = np.flatnonzero(np.diff(frames) > 1)
    firsts = frames[np.concatenate([[0], ends + 1])]
    stops = frames[np.concatenate([ends, [len(frames) - 1]])] + 1
    return np.stack([firsts, stops], axis=1).astype(np.int32)
