"""The clock of a recording in its analysis: samples, notes and facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from element_facerhythm.parameters import Parameters
from element_facerhythm.video import VideoMetadata

if TYPE_CHECKING:
    from element_facerhythm.pipeline.run.sequences import TrackedSequence

_MOST_NAMED = 3
_SAME_RATE = 1e-3  # a header whose rate is off by less is not worth a note


def stretch_lengths(sequences: Sequence[TrackedSequence]) -> list[list[int]]:
    """Count the samples of each stretch between gaps, of each tracked sequence."""
    return [[s.n_samples for s in sequence.clock.stretches] for sequence in sequences]


def time_notes(
    videos: Sequence[VideoMetadata],
    sequences: Sequence[TrackedSequence],
    parameters: Parameters,
    filter_length: int,
) -> Iterator[str]:
    """Yield where the time of the analysis is not simply the frame number over the rate.

    Parameters
    ----------
    videos
        The videos that are analysed.
    sequences
        What is tracked of them.
    parameters
        Say whether the times of frames are used.
    filter_length
        Samples of the longest filter; stretches between gaps that are shorter give no spectrogram.
    """
    if not parameters.rules.are_frame_times_used:
        if any(video.clock.gaps or not video.clock.is_even for video in videos):
            yield (
                "compat: the time stamps are not used; frames are taken as equally spaced though some "
                "are missing or the rate changes"
            )
        return
    for video in videos:
        yield from _header_notes(video)
    for sequence in sequences:
        yield from _clock_notes(sequence, filter_length)


def clock_facts(sequences: Sequence[TrackedSequence], frame_rate_hz: float) -> dict[str, Any]:
    """Facts about time for ``run.json``; frames are counted over all that was analysed.

    Parameters
    ----------
    sequences
        What was tracked, one sequence at least.
    frame_rate_hz
        Rate of the recording.
    """
    gaps, n_before = [], 0
    for sequence in sequences:
        gaps += [
            {
                "after_frame": n_before + gap.after_frame,
                "seconds": gap.seconds,
                "n_missing": gap.n_missing,
                "bridged": gap.is_bridged,
            }
            for gap in sequence.clock.gaps
        ]
        n_before += sequence.n_frames
    clocks = [sequence.clock for sequence in sequences]
    return {
        "source": clocks[0].source,
        "frame_rate_hz": frame_rate_hz,
        "duration_s": sum(clock.duration_s for clock in clocks),
        "jitter_s": max(clock.jitter_s for clock in clocks),
        "n_dropped_frames": sum(clock.n_dropped_frames for clock in clocks),
        "rate_changes": not all(clock.is_even for clock in clocks),
        "gaps": gaps,
    }


def _header_notes(video: VideoMetadata) -> Iterator[str]:
    claimed, clock = video.header_frame_rate_hz, video.clock
    if video.times_source is not None:
        yield f"{video.path.name}: the times of its frames are those in {video.times_source}"
    if clock.source == "given":
        unused = "" if claimed is None else "; its own times are not used"
        yield f"{video.path.name}: {clock.frame_rate_hz:g} frames/s as given{unused}"
    elif claimed is not None and abs(claimed / clock.frame_rate_hz - 1) > _SAME_RATE:
        yield (
            f"{video.path.name}: its header says {claimed:g} frames/s, its {clock.source} "
            f"{clock.frame_rate_hz:g}; the {clock.source} count"
        )


def _clock_notes(sequence: TrackedSequence, filter_length: int) -> Iterator[str]:
    clock = sequence.clock
    name = sequence.parts[0].video.path.name
    pauses = clock.pauses
    if pauses:
        places = ", ".join(
            f"{p.seconds:.3g} s after frame {p.after_frame}" for p in pauses[:_MOST_NAMED]
        )
        more = f" and {len(pauses) - _MOST_NAMED} more" if len(pauses) > _MOST_NAMED else ""
        yield (
            f"{name}: {len(pauses)} gap{'s' * (len(pauses) > 1)} in time ({places}{more}); no window spans "
            "one"
        )
    if clock.n_dropped_frames:
        yield f"{name}: {clock.n_dropped_frames} dropped frames; traces are interpolated there"
    if not clock.is_even:
        yield (
            f"{name}: its frame rate changes; traces are interpolated to {clock.frame_rate_hz:.6g} samples/s"
        )
    short = [s for s in clock.stretches if s.n_samples < filter_length]
    if short:
        yield (
            f"{name}: {sum(s.stop - s.first for s in short)} frames between gaps are fewer than a filter has "
            "and are left out of the spectrogram"
        )
