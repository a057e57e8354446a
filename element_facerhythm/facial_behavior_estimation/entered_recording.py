"""A recording, in the form that a project directory is compared with."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from element_facerhythm.facial_behavior_estimation.entered_files import EnteredFile, entered_files
from element_facerhythm.facial_behavior_estimation.recording import Key, RecordingInfo
from element_facerhythm.pipeline.run.frame_range import frame_range

if TYPE_CHECKING:
    import numpy as np

    from element_facerhythm.pipeline.results.recording_match import EnteredRecording

COMPARED_FACTS = (
    "width_px",
    "height_px",
    "frame_rate_hz",
    "header_frame_rate_hz",
    "frame_rate_source",
    "n_frames",
)
"""Columns of `RecordingInfo` that are compared."""


def recording_as_entered(
    facts: Sequence[Any],
    files: Sequence[EnteredFile],
    frame_times: "Iterable[np.ndarray | None]",
    frames: str,
) -> "EnteredRecording":
    """Return a recording from its rows.

    Parameters
    ----------
    facts
        Values of `COMPARED_FACTS`.
    files
        Of the recording, as `entered_files` returns them.
    frame_times
        (T,) seconds of the frames of each; None where they are equally spaced.
    frames
        The part that is asked for ('A:B'; '' for all).
    """
    from element_facerhythm.pipeline.results.recording_match import EnteredRecording, EnteredVideo

    width, height, rate_hz, header_hz, source, n_frames = facts
    return EnteredRecording(
        width_px=int(width),
        height_px=int(height),
        frame_rate_hz=float(rate_hz),
        header_frame_rate_hz=header_hz,
        rate_source=source,
        n_frames=int(n_frames),
        videos=tuple(
            EnteredVideo(PurePosixPath(file.path).name, file.n_frames, file.sha256, times)
            for file, times in zip(files, frame_times, strict=True)
        ),
        frames=frame_range(frames),
    )


def recording_of_rows(key: Key, frames: str) -> "EnteredRecording":
    """Return a recording that is in the database.

    Parameters
    ----------
    key
        Primary key of the recording; it may hold more.
    frames
        The part that is asked for ('A:B'; '' for all).

    Raises
    ------
    VideoError
        Its files were changed since they were read.
    RequestError
        The range of frames is malformed.
    """
    facts = (RecordingInfo() & key).fetch1(*COMPARED_FACTS)
    return recording_as_entered(facts, entered_files(key), RecordingInfo.frame_times(key), frames)
