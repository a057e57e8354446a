"""Rows of predictions, put where they belong among the frames of a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.frame_times import are_frame_numbers, frames_of_times
from element_facerhythm.keypoints.predictions import Predictions, UnsoundPredictions, joined
from element_facerhythm.keypoints.reading_options import ReadingOptions

MAX_FRAMES = 20_000_000
_SAME_RATE = 1e-4
_NO_OPTIONS = ReadingOptions()


@dataclass(frozen=True)
class Placement:
    """Predictions with one row for each frame of a recording.

    Attributes
    ----------
    predictions
        Of all frames, at the rate of the recording; NaN where the files say nothing.
    n_filled
        Frames of which the files say nothing.
    file_frame_rate_hz
        Frames per second that the files say; None where they say none, or several.
    notes
        What was guessed, changed or left out.
    """

    predictions: Predictions
    n_filled: int
    file_frame_rate_hz: float | None
    notes: tuple[str, ...]


def placed(
    predictions: Predictions,
    *,
    n_frames: int,
    frame_rate_hz: float,
    source: Any,
    options: ReadingOptions = _NO_OPTIONS,
    frame_times_s: NDArray[np.floating] | None = None,
) -> Placement:
    """Move each row to its frame, by its number or its time, and fill with NaN up to the video.

    Parameters
    ----------
    predictions
        As a tracker left them.
    n_frames, frame_rate_hz
        Of the video.
    source
        The file that they come from, for messages.
    options
        What the user states about the file.
    frame_times_s
        (n_frames,) times of the frames, where they are known to be uneven.

    Raises
    ------
    KeypointError
        There is no row, or there are more than frames; frame numbers stand twice, do not ascend, or lie
        outside of the video; times cannot be assigned to frames.
    """
    notes: tuple[str, ...] = ()
    rate_hz = predictions.frame_rate_hz
    if predictions.n_frames == 0:
        raise KeypointError(f"{source} has no row; expected one for each frame that was predicted")
    if predictions.n_frames > n_frames:
        raise KeypointError(
            f"{source} has predictions for {predictions.n_frames} frames, the video has {n_frames}: they "
            "are those of another video; predict this one"
        )
    if predictions.times_s is not None and predictions.frame_numbers is None:
        times_s = predictions.times_s - options.first_time_s
        if options.frame_rate_hz is None and are_frame_numbers(times_s, n_frames, frame_rate_hz):
            rate_hz = None  # what seemed one is none
        numbers, notes = frames_of_times(
            times_s,
            n_frames=n_frames,
            frame_rate_hz=frame_rate_hz,
            frame_times_s=frame_times_s,
            counted_at_hz=options.frame_rate_hz,
            source=source,
        )
    else:
        given = predictions.frame_numbers
        numbers = np.arange(predictions.n_frames) if given is None else np.asarray(given)
        numbers = numbers.astype(np.int64) - options.first_frame
    _require_numbers(numbers, n_frames, source, options)
    n_filled = n_frames - len(numbers)
    if n_filled:
        notes = (*notes, _filled_note(numbers, n_frames, source, predictions))
    if rate_hz is not None and abs(rate_hz / frame_rate_hz - 1) > _SAME_RATE:
        notes = (
            *notes,
            f"{source} says {rate_hz:g} frames/s, the video {frame_rate_hz:g}: the video's is taken",
        )
    whole = replace(
        _of_one_type(on_frames(predictions, numbers, n_frames)),
        frame_rate_hz=frame_rate_hz,
        n_filled=predictions.n_filled + n_filled,
        notes=(),
    )
    return Placement(whole, whole.n_filled, rate_hz, (*predictions.notes, *notes))


def on_frames(predictions: Predictions, numbers: NDArray[np.integer], n_frames: int) -> Predictions:
    """Return predictions with a row for every frame, NaN where there was none.

    Parameters
    ----------
    predictions
        With a row for each of `numbers`.
    numbers
        Frames of the rows, ascending, from 0 to `n_frames` - 1.
    n_frames
        Rows of the result.
    """

    def spread(rows: NDArray[np.floating]) -> NDArray[np.floating]:
        full = np.full((n_frames, *rows.shape[1:]), np.nan, dtype=np.result_type(rows, np.float32))
        full[numbers] = rows
        return full

    if len(numbers) == n_frames:  # and ascending within the video: every frame has its row
        return replace(predictions, frame_numbers=None, times_s=None)
    return replace(
        predictions,
        positions=spread(predictions.positions),
        likelihood=spread(predictions.likelihood),
        variables={name: spread(values) for name, values in predictions.variables.items()},
        frame_numbers=None,
        times_s=None,
    )


def _of_one_type(predictions: Predictions) -> Predictions:
    """Return predictions whose arrays have one floating type: a file's columns are declared with one."""
    arrays = [predictions.positions, predictions.likelihood, *predictions.variables.values()]
    kind = np.result_type(np.float32, *arrays)
    return replace(
        predictions,
        positions=predictions.positions.astype(kind, copy=False),
        likelihood=predictions.likelihood.astype(kind, copy=False),
        variables={n: v.astype(kind, copy=False) for n, v in predictions.variables.items()},
    )


def from_first_frame(predictions: Predictions) -> Predictions:
    """Extend predictions to a row for each frame from the first of the video to the last that they number.

    Raises
    ------
    UnsoundPredictions
        Frame numbers are negative, do not ascend, or are beyond any video.
    """
    numbers = predictions.frame_numbers
    if numbers is None:
        return predictions
    ascend = len(numbers) == 0 or (numbers[0] >= 0 and (np.diff(numbers) > 0).all())
    if not ascend or (len(numbers) and numbers[-1] >= MAX_FRAMES):
        raise UnsoundPredictions(
            f"frame numbers do not ascend from 0 to {MAX_FRAMES:,} at most; expected those of a video"
        )
    n_frames = int(numbers[-1]) + 1 if len(numbers) else 0
    return on_frames(predictions, numbers, n_frames)


def joined_placements(parts: Sequence[Placement]) -> Placement:
    """Placements of consecutive videos as that of one recording; the errors of `joined`."""
    rates = {part.file_frame_rate_hz for part in parts}
    return Placement(
        joined([part.predictions for part in parts]),
        sum(part.n_filled for part in parts),
        rates.pop() if len(rates) == 1 else None,
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _require_numbers(
    numbers: NDArray[np.int64], n_frames: int, source: Any, options: ReadingOptions
) -> None:
    steps = np.diff(numbers)
    if (steps < 1).any():
        row = int(np.argmax(steps < 1)) + 1
        said = numbers + options.first_frame
        what = "stands twice" if len(np.unique(numbers)) < len(numbers) else "stands out of order"
        raise KeypointError(
            f"{source} has frame {said[row]} in row {row} after frame {said[row - 1]}: a number {what}; "
            "expected frame numbers that ascend"
        )
    first, last = int(numbers[0]), int(numbers[-1])
    if first >= 0 and last < n_frames:
        return
    shown = f"{first + options.first_frame} to {last + options.first_frame}"
    may_shift = last - first < n_frames
    raise KeypointError(
        f"{source} has frames {shown} of a video that has {n_frames}, numbered from "
        f"{options.first_frame}: "
        + (
            f"if it counts from another number, give that of the video's first frame "
            f"(--first-frame {first + options.first_frame} for a file that begins with the video)"
            if may_shift
            else "frames are missing in the video, or the predictions are those of another one"
        )
    )


def _filled_note(
    numbers: NDArray[np.int64], n_frames: int, source: Any, predictions: Predictions
) -> str:
    before, after = int(numbers[0]), n_frames - 1 - int(numbers[-1])
    within = n_frames - len(numbers) - before - after
    places = [
        f"{n} {where}"
        for n, where in (
            (before, "before its first row"), (within, "between its rows"), (after, "after its last row"),
        )
        if n
    ]  # fmt: skip
    numbered = predictions.frame_numbers is not None or predictions.times_s is not None
    how = "" if numbered else "; it numbers no frames: its first row is taken for the first frame"
    return (
        f"{source} says nothing of {n_frames - len(numbers)} of {n_frames} frames "
        f"({', '.join(places)}): these are NaN{how}"
    )
