"""Long videos in blocks of time, tracked in parallel and joined at the price of a bounded deviation.

A track forgets: with relaxation r a share r of every displacement is taken back per frame, so that
two tracks of the same video that start apart come together by (1 - r) per frame. A block therefore
starts some frames before its first (the warm-up), at home, and what comes before its first frame is
thrown away. It ends some frames late (the look-ahead), because a point that strays just after the
block is held in place in its last frames. Where blocks begin follows from the number of frames alone,
never from the machine.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

logger = logging.getLogger(__name__)

_REMAINDER = 1e-4  # of a difference at the start of the warm-up is left at its end
_SHORTEST_WARM_UP = 32
_LONGEST_WARM_UP = (
    256  # beyond, flow that is not linear keeps tracks apart longer than this rule says
)


@dataclass(frozen=True)
class TimeBlock:
    """Frames `first` to `last` are tracked, `start` to `stop` are kept."""

    first: int
    start: int
    stop: int
    last: int


def warm_up_frames(relaxation: float) -> int | None:
    """Frames after which a start at home makes no difference; None where that is too far off.

    Parameters
    ----------
    relaxation
        Share of the way home taken in every frame.

    Notes
    -----
    A start's share (1 - r)**n is to fall below 1e-4: n = ln(1e-4) / ln(1 - r), 32 at least. At
    relaxation 0.5 two tracks are then equal up to rounding; below 0.036 the warm-up would be longer
    than 256 frames and does not serve, because over so long a memory the flow's own choices part
    tracks again.
    """
    if relaxation >= 1.0:
        return _SHORTEST_WARM_UP
    if math.log1p(-relaxation) * _LONGEST_WARM_UP > math.log(_REMAINDER):
        return None
    return max(math.ceil(math.log(_REMAINDER) / math.log1p(-relaxation)), _SHORTEST_WARM_UP)


def plan_blocks(
    n_frames: int, *, frames_per_block: int | None, relaxation: float, n_frames_halted_before: int
) -> list[TimeBlock]:
    """Cut a video into blocks of time.

    Parameters
    ----------
    n_frames
        Number of frames of the video.
    frames_per_block
        Kept frames of each block; the last one takes what is left, up to half a block more or less.
        None for one block, the whole video.
    relaxation
        Decides how long the warm-up is.
    n_frames_halted_before
        Frames in which a point is held in place before a violation: how far a block looks ahead.

    Returns
    -------
    list of TimeBlock
        One, the whole video, where no warm-up serves or it would be longer than half a block.
    """
    whole = [TimeBlock(0, 0, n_frames, n_frames)]
    if frames_per_block is None or n_frames < 1.5 * frames_per_block:
        return whole
    warm_up = warm_up_frames(relaxation)
    if warm_up is None or 2 * warm_up > frames_per_block:
        logger.warning(
            "The video of %d frames is tracked in one piece: at relaxation %g a block of %d frames "
            "needs %s",
            n_frames,
            relaxation,
            frames_per_block,
            "more warm-up than can serve"
            if warm_up is None
            else f"{warm_up} frames of warm-up; give {2 * warm_up} frames per block or more",
        )
        return whole
    n_blocks = max(int(n_frames / frames_per_block + 0.5), 1)
    starts = [i * frames_per_block for i in range(n_blocks)]
    return [
        TimeBlock(
            max(start - warm_up, 0), start, stop, min(stop + n_frames_halted_before, n_frames)
        )
        for start, stop in zip(starts, [*starts[1:], n_frames], strict=True)
    ]
