"""Sequences that are tracked as one: frames of one video, or of all, and their times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from element_facerhythm.errors import RequestError
from element_facerhythm.parameters import Parameters
from element_facerhythm.video import VideoMetadata
from element_facerhythm.video.clock import Clock, common_rate_hz, even_clock, joined_clock

FrameRange = tuple[int, int]


@dataclass(frozen=True)
class VideoPart:
    """Frames ``[first, stop)`` of a video."""

    video: VideoMetadata
    first: int
    stop: int

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.stop - self.first

    @property
    def n_suspect_frames(self) -> int:
        """Frames after lost packets, among these."""
        spans = self.video.suspect_frames
        return sum(max(min(stop, self.stop) - max(first, self.first), 0) for first, stop in spans)


@dataclass(frozen=True, eq=False)
class TrackedSequence:
    """Parts of videos that are tracked as one uninterrupted sequence.

    Attributes
    ----------
    parts
        In order of time.
    clock
        When its frames were taken; its rate is that of the recording.
    """

    parts: tuple[VideoPart, ...]
    clock: Clock

    @property
    def n_frames(self) -> int:
        """Frames of all parts."""
        return sum(part.n_frames for part in self.parts)


def recording_rate_hz(videos: Sequence[VideoMetadata], parameters: Parameters) -> float:
    """Frame rate of a recording: the measured one, or with ``compat: face-rhythm`` that of the first header.

    `Parameters.sample_rate_hz` gives the one that it is analysed with.

    Parameters
    ----------
    videos
        Its videos, in order.
    parameters
        Their `compat` is asked for.
    """
    first = videos[0]
    if parameters.rules.is_header_rate_used and first.header_frame_rate_hz is not None:
        return first.header_frame_rate_hz
    even = [video.clock for video in videos if video.clock.is_even]
    return common_rate_hz(even or [video.clock for video in videos])


def tracked_sequences(
    videos: Sequence[VideoMetadata], parameters: Parameters, frames: FrameRange | None
) -> tuple[TrackedSequence, ...]:
    """Lay out what is tracked.

    Parameters
    ----------
    videos
        Of one recording, in order of time.
    parameters
        Decide whether the videos are one sequence, and whether their times count.
    frames
        First frame of the recording, and the one after the last; None takes all.

    Raises
    ------
    RequestError
        The frames lie outside the recording.
    """
    parts = list(_parts(videos, frames))
    rate_hz = parameters.sample_rate_hz(recording_rate_hz(videos, parameters))
    groups = [parts] if parameters.PointTracker.contiguous else [[part] for part in parts]
    return tuple(
        TrackedSequence(tuple(group), _clock_of(group, parameters, rate_hz)) for group in groups
    )


def _parts(videos: Sequence[VideoMetadata], frames: FrameRange | None) -> Iterator[VideoPart]:
    n_total = sum(video.n_frames for video in videos)
    first, stop = (0, n_total) if frames is None else frames
    if not 0 <= first < stop <= n_total:
        raise RequestError(
            f"frames {first}:{stop} were asked for, and the recording has {n_total}; give A:B with "
            f"0 <= A < B <= {n_total} (frame B is the first that is left out)"
        )
    start = 0
    for video in videos:
        low, high = max(first - start, 0), min(stop - start, video.n_frames)
        if low < high:
            yield VideoPart(video, low, high)
        start += video.n_frames


def _clock_of(parts: Sequence[VideoPart], parameters: Parameters, rate_hz: float) -> Clock:
    are_times_used = parameters.rules.are_frame_times_used
    if not are_times_used or parameters.Dataset_videos.frame_rate_clamp is not None:
        source = "given" if are_times_used else "header"
        return even_clock(sum(part.n_frames for part in parts), rate_hz, source)
    clock = joined_clock([part.video.clock.part(part.first, part.stop) for part in parts])
    return replace(clock, frame_rate_hz=rate_hz)
