"""Which frames of a sequence are shown, and how fast."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from element_facerhythm.errors import RequestError
from element_facerhythm.io.project import Project
from element_facerhythm.movies.episodes import frames_around
from element_facerhythm.video.clock import Clock

MOST_FRAMES_PER_S = 62.5
"""Frames per second that a movie shows at most: screens have 60."""

_BLOCK_BYTES = 32 << 20


@dataclass(frozen=True)
class Span:
    """Frames ``first, first + step, ...`` below `stop` of a sequence, shown at a rate.

    Attributes
    ----------
    first, stop, step
        Frames.
    shown_rate_hz
        Pictures per second of the movie.
    """

    first: int
    stop: int
    step: int
    shown_rate_hz: float

    @property
    def n_pictures(self) -> int:
        """Number of pictures."""
        return len(range(self.first, self.stop, self.step))

    @property
    def duration_s(self) -> float:
        """Seconds that the movie lasts."""
        return self.n_pictures / self.shown_rate_hz


def span_at(
    first: int,
    stop: int,
    frame_rate_hz: float,
    speed: float,
    most_per_s: float = MOST_FRAMES_PER_S,
) -> Span:
    """Show frames at a speed, leaving out as few as the largest rate allows.

    Parameters
    ----------
    first, stop
        Frames ``[first, stop)`` of the sequence.
    frame_rate_hz
        Of the recording.
    speed
        1 is real time, 0.25 four times as slow.
    most_per_s
        Largest rate of the movie.

    Raises
    ------
    RequestError
        The speed is no number above 0, or so small that a picture would stand for more than ten seconds.
    """
    if not (math.isfinite(speed) and speed * frame_rate_hz >= 0.1):
        raise RequestError(
            f"--speed is {speed:g}; expected a number above 0, such as 0.25, at which a frame is seen for "
            "ten seconds at most"
        )
    step = max(math.ceil(frame_rate_hz * speed / most_per_s - 1e-9), 1)
    return Span(first, stop, step, frame_rate_hz * speed / step)


def chosen_frames(
    clock: Clock, *, frames: tuple[int, int] | None, span_s: tuple[float | None, float | None]
) -> tuple[int, int] | None:
    """Frames ``[first, stop)`` that were asked for; None where nothing was.

    Parameters
    ----------
    clock
        Of the sequence.
    frames
        First frame, and the one after the last.
    span_s
        First and last second on the clock of the sequence; None is its beginning, or its end.

    Raises
    ------
    RequestError
        Both were given, or they lie outside of the sequence.
    """
    if frames is not None and span_s != (None, None):
        raise RequestError("give --frames, or --from and --to, and not both")
    n = clock.n_frames
    if frames is not None:
        if not 0 <= frames[0] < frames[1] <= n:
            raise RequestError(
                f"frames {frames[0]}:{frames[1]} were asked for, and the sequence has {n}; give A:B with "
                f"0 <= A < B <= {n}"
            )
        return frames
    if span_s == (None, None):
        return None
    times_s = clock.times_s
    low, high = (
        end if end is not None else times_s[i] for i, end in zip((0, -1), span_s, strict=True)
    )
    # a frame is shown from its time on: half a microsecond is what stamps are rounded by
    first, stop = (int(np.searchsorted(times_s, end - 5e-7)) for end in (low, high))
    if span_s[1] is None or high > times_s[-1]:
        stop = n
    if (
        not low < high
        or first >= stop
        or high > times_s[0] + clock.duration_s + 1e-6
        or low < times_s[0] - 1e-6
    ):
        raise RequestError(
            f"seconds {low:g} to {high:g} were asked for; the sequence lasts from {times_s[0]:g} to "
            f"{times_s[0] + clock.duration_s:g} s"
        )
    return first, stop


def liveliest_frames(project: Project, video_index: int, seconds: float) -> tuple[int, int]:
    """Frames ``[first, stop)`` in which points move most from frame to frame, those flagged left out.

    Parameters
    ----------
    project
        With its tracks.
    video_index
        Number of the sequence.
    seconds
        How long; all frames where the sequence is shorter.
    """
    clock = project.clock(video_index)
    first, stop = frames_around(clock, clock.times_s[0], seconds)
    n = stop - first
    if n == clock.n_frames:
        return first, stop
    total = np.concatenate([[0.0], np.cumsum(_motion(project, video_index))])
    first = int(np.argmax(total[n:] - total[:-n]))
    return first, first + n


def _motion(project: Project, video_index: int) -> np.ndarray:
    """(T,) mean distance of points from where they were in the frame before, flagged ones left out."""
    tracking = project.tracking(video_index)
    points = tracking.points
    n_frames, n_points, _ = points.shape
    motion, before = np.zeros(n_frames), np.asarray(points[0], np.float32)
    n_rows = max(_BLOCK_BYTES // before.nbytes, 1)
    for start in range(0, n_frames, n_rows):
        block = np.concatenate(
            [before[None], np.asarray(points[start : start + n_rows], np.float32)]
        )
        moved = np.linalg.norm(np.diff(block, axis=0), axis=2)
        for late in (0, 1):  # a jump to a flagged place, and the one back
            rows = tracking.violation_rows + late - start
            inside = (rows >= 0) & (rows < len(moved))
            moved[rows[inside], tracking.violation_cols[inside]] = 0
        motion[start : start + len(moved)] = moved.sum(axis=1) / n_points
        before = block[-1]
    return motion
