"""When the frames of a video were taken: by what was given, the camera's file, its stamps, or its rate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from element_facerhythm.errors import VideoError
from element_facerhythm.video.clock import Clock, even_clock, measure_clock
from element_facerhythm.video.packet_index import PacketIndex
from element_facerhythm.video.stream_rate import RateSource
from element_facerhythm.video.time_files import FROM_STAMPS, FrameTimes, look_beside

_SMALLEST_STEP_S = 1e-6


@dataclass(frozen=True, eq=False)
class RecordedTime:
    """What is known of the time of a video's frames.

    Attributes
    ----------
    clock
        When each frame was taken.
    by_camera
        The camera's own file of times; None where there is none, or another one counts.
    acquisition
        What the recorder's `metadata.json` says; None where there is none.
    """

    clock: Clock
    by_camera: FrameTimes | None
    acquisition: dict[str, Any] | None


def recorded_time(
    path: Path,
    index: PacketIndex,
    stated: tuple[float, RateSource] | None,
    *,
    given_hz: float | None,
    times: str | Path | None,
) -> RecordedTime:
    """Find when the frames of a video were taken.

    Parameters
    ----------
    path
        The video.
    index
        Its frames.
    stated
        Rate that its container or bitstream states.
    given_hz
        Rate that counts in place of everything; None for none.
    times
        File of the times of its frames; see `time_files.look_beside`.

    Raises
    ------
    VideoError
        Nothing says a rate, or a file of times does not fit.
    """
    stamps_s = _usable(index)
    stated_hz = None if stated is None else stated[0]
    about_hz = stated_hz if stamps_s is None else 1 / float(np.median(np.diff(stamps_s)))
    choice = times if given_hz is None else FROM_STAMPS
    by_camera, acquisition = look_beside(path, index.n_frames, about_hz, choice)
    if given_hz is not None:
        clock = even_clock(index.n_frames, given_hz, "given")
    elif by_camera is not None:
        clock = measure_clock(by_camera.times_s, "time file")
    elif stamps_s is not None:
        clock = measure_clock(stamps_s, "stamps", stated_hz)
    elif stated is not None:
        clock = even_clock(index.n_frames, *stated)
    else:
        raise VideoError(
            f"Video {path} has no frame rate: neither its container nor its stream says one, and 25 would be "
            "a guess; give it with --frame-rate, in frames per second."
        )
    return RecordedTime(clock, by_camera, acquisition)


def _usable(index: PacketIndex) -> np.ndarray | None:
    """Stamps that a clock can be made of, in seconds; None where there are none."""
    stamps = index.times_s
    if stamps is None or len(stamps) < 2 or not (np.diff(stamps) > _SMALLEST_STEP_S).all():
        return None
    return stamps
