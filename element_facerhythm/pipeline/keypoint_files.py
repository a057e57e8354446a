"""Files of predictions, read as one set of tracks with a row for each frame of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.placement import Placement, joined_placements, placed
from element_facerhythm.keypoints.reading_options import ReadingOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NO_OPTIONS = ReadingOptions()


def read_fitting(
    files: Sequence[Path],
    source_software: str,
    *,
    n_frames: Sequence[int],
    frame_rate_hz: float,
    options: ReadingOptions = _NO_OPTIONS,
    frame_times_s: Sequence[NDArray[np.floating] | None] | None = None,
) -> Placement:
    """Read predictions, with a row for each frame of a recording.

    Parameters
    ----------
    files
        One file for the recording, or one for each of its videos, in order.
    source_software
        Who wrote them; a name of `keypoints.formats.LOADED`.
    n_frames
        Frames of each video.
    frame_rate_hz
        Of the recording.
    options
        What the user states about the files.
    frame_times_s
        (frames,) times of the frames of each video, where they are known to be uneven.

    Raises
    ------
    KeypointError
        A file cannot be read, does not fit its video, or the files do not fit together.
    """
    from element_facerhythm.keypoints.formats import read_predictions

    if len(files) not in (1, len(n_frames)):
        raise KeypointError(
            f"{len(files)} files of predictions were given for {len(n_frames)} videos; expected one for the "
            "recording, or one for each video in their order"
        )
    lengths = [sum(n_frames)] if len(files) == 1 else list(n_frames)
    # times in one file for several videos continue from video to video, unlike the videos' own clocks
    clocks = frame_times_s if frame_times_s is not None and len(lengths) == len(n_frames) else None
    parts = [
        placed(
            read_predictions(path, source_software, options=options),
            n_frames=n,
            frame_rate_hz=frame_rate_hz,
            source=path.name,
            options=options,
            frame_times_s=None if clocks is None else clocks[number],
        )
        for number, (path, n) in enumerate(zip(files, lengths, strict=True))
    ]
    return joined_placements(parts)
