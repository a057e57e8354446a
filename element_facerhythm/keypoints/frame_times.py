"""From the times of predictions to the frames of a video."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError

Numbers = NDArray[np.int64]
Times = NDArray[np.floating]

_SAME_RATE = 0.02
"""Part by which a nominal rate and a measured one of the same camera may differ."""
_ON_GRID = 0.02
"""Part of a frame by which times that were made of frame numbers may miss them."""
_REMEDY = (
    "if they are of this video, say at which rate the file counts (--frame-rate), or which time it gives "
    "to the first frame (--first-time)"
)


def frames_of_times(
    times_s: Times,
    *,
    n_frames: int,
    frame_rate_hz: float,
    frame_times_s: Times | None = None,
    counted_at_hz: float | None = None,
    source: Any = "the predictions",
) -> tuple[Numbers, tuple[str, ...]]:
    """Find the frame that each time belongs to.

    Parameters
    ----------
    times_s
        (T,) times of the rows, the first frame of the video being at zero; seconds as far as the
        file says.
    n_frames, frame_rate_hz
        Frames of the video, and their rate.
    frame_times_s
        (n_frames,) times of the frames, where they are known; a row belongs to the frame within half
        an interval of it. Without them, frames are evenly spaced.
    counted_at_hz
        Frames per second by which the times were counted, where stated.
    source
        The file, for messages.

    Returns
    -------
    numbers
        (T,) ascending; the last ones may lie beyond the video.
    notes
        What was guessed.

    Raises
    ------
    KeypointError
        The times do not ascend, or cannot be assigned to frames without ambiguity.
    """
    times = np.asarray(times_s, dtype=float)
    _require_ascending(times, source)
    if counted_at_hz is not None:
        return _rounded(times * counted_at_hz, source), ()
    if are_frame_numbers(times, n_frames, frame_rate_hz):
        note = f"the times in {source} are whole numbers beyond the video: taken as frame numbers"
        return np.rint(times).astype(np.int64), (note,)
    if frame_times_s is not None:
        for start_s, start_notes in _starts(times, n_frames, frame_times_s, source):
            numbers = _nearest(times - start_s, frame_times_s)
            if numbers is not None:
                return numbers, start_notes
    if len(times) == n_frames and _is_every_frame(times, frame_rate_hz):
        notes = _offset_note(times, frame_rate_hz, source)
        return np.arange(n_frames, dtype=np.int64), notes
    file_rate_hz = 1 / float(np.median(np.diff(times))) if len(times) > 1 else frame_rate_hz
    for rate_hz in (file_rate_hz, round(file_rate_hz), frame_rate_hz):
        counts = times * rate_hz
        same = rate_hz > 0 and abs(rate_hz / frame_rate_hz - 1) <= _SAME_RATE
        if same and np.abs(counts - np.rint(counts)).max() <= _ON_GRID:
            return _rounded(counts, source), ()
    counts = times * frame_rate_hz
    steps = np.rint(np.diff(counts))
    numbers = np.rint(counts)
    if (steps < 1).any() or not np.array_equal(np.diff(numbers), steps):
        raise KeypointError(
            f"{source} has a row every {1000 / file_rate_hz:g} ms (median), the video a frame every "
            f"{1000 / frame_rate_hz:g} ms, and its times cannot be assigned to frames; {_REMEDY}"
        )
    return numbers.astype(np.int64), ()


def are_frame_numbers(times_s: Times, n_frames: int, frame_rate_hz: float) -> bool:
    """Whether times are whole numbers that lead beyond the video: some converters write frame numbers.

    Parameters
    ----------
    times_s
        (T,) times of the rows, ascending, T at least 1.
    n_frames, frame_rate_hz
        Of the video.
    """
    duration_s = n_frames / frame_rate_hz
    whole = np.array_equal(times_s, np.rint(times_s))
    return bool(whole and times_s[-1] > duration_s and frame_rate_hz > 1)


def _require_ascending(times: Times, source: Any) -> None:
    if not np.isfinite(times).all():
        row = int(np.argmin(np.isfinite(times)))
        raise KeypointError(f"{source} has no time in row {row}; expected one for each row")
    if len(times) > 1 and (np.diff(times) <= 0).any():
        row = int(np.argmax(np.diff(times) <= 0)) + 1
        raise KeypointError(
            f"{source} has {times[row]:g} s in row {row} after {times[row - 1]:g} s; expected times that "
            "ascend: rows were exchanged, or stand twice"
        )


def _rounded(counts: Times, source: Any) -> Numbers:
    numbers = np.rint(counts).astype(np.int64)
    if (np.diff(numbers) < 1).any():
        row = int(np.argmax(np.diff(numbers) < 1)) + 1
        raise KeypointError(
            f"{source}: rows {row - 1} and {row} fall on frame {numbers[row]} both; {_REMEDY}"
        )
    return numbers


def _starts(
    times: Times, n_frames: int, frame_times_s: Times, source: Any
) -> list[tuple[float, tuple[str, ...]]]:
    """Where the times may begin: with the video's, or, with a row for each frame, anywhere."""
    starts: list[tuple[float, tuple[str, ...]]] = [(0.0, ())]
    shift_s = float(times[0] - frame_times_s[0])
    if len(times) == n_frames and shift_s:
        note = f"the times in {source} begin {shift_s:g} s after the video's: another clock"
        starts.append((shift_s, (note,)))
    return starts


def _nearest(times: Times, frame_times_s: Times) -> Numbers | None:
    """Nearest frame of each time; None where one is farther than half an interval, or two share one."""
    if len(frame_times_s) < 2:
        return None
    intervals = np.diff(frame_times_s)
    middles = frame_times_s[:-1] + intervals / 2
    numbers = np.searchsorted(middles, times)
    # beside a gap, half of a usual interval counts
    reach = np.minimum(np.append(intervals, intervals[-1]), np.insert(intervals, 0, intervals[0]))
    near = np.abs(times - frame_times_s[numbers]) <= reach[numbers] / 2
    return numbers.astype(np.int64) if near.all() and (np.diff(numbers) > 0).all() else None


def _is_every_frame(times: Times, frame_rate_hz: float) -> bool:
    """Whether so many rows as frames, at these times, leave none out."""
    if len(times) < 2:
        return True
    steps = np.diff(times)
    usual_s = float(np.median(steps))
    if abs(1 / usual_s / frame_rate_hz - 1) <= _SAME_RATE and steps.max() < 1.5 * usual_s:
        return True
    return bool(abs((times[-1] - times[0]) * frame_rate_hz - (len(times) - 1)) < 0.5)


def _offset_note(times: Times, frame_rate_hz: float, source: Any) -> tuple[str, ...]:
    if abs(times[0]) * frame_rate_hz <= 0.5:
        return ()
    return (
        f"the times in {source} begin at {times[0]:g} s, and there is one for each frame: taken as a clock "
        "that began before the video",
    )
