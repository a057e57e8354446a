"""Checks of the time stamps and of the decoding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.config import read_json
from element_facerhythm.io.data_paths import place_inside
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.results.quality.judging import Measure, unknown
from element_facerhythm.pipeline.run.run_file import RUN_FILE
from element_facerhythm.video.clock import Gap

_MEASURED = ("stamps", "time file")
_MOST_NAMED = 4


@dataclass(frozen=True)
class ClockFacts:
    """What the time stamps of a recording show.

    Attributes
    ----------
    jitter
        Standard deviation of the frames' times from equal distances, in intervals; of videos, the largest.
    n_dropped_frames
        Frames that are missing where traces are interpolated.
    pauses
        Name of the video and gap, for every gap that nothing is computed across.
    rate_changes
        Names of the videos whose rate changes.
    """

    jitter: float
    n_dropped_frames: int
    pauses: tuple[tuple[str, Gap], ...]
    rate_changes: tuple[str, ...]


def clock_facts(project: Project) -> ClockFacts | None:
    """Facts of the recording's clock; None where no stamps were read, or none are stored.

    Raises
    ------
    ProjectError
        The stored times are invalid.
    """
    if not project.has_clock:
        return None
    names = project.video_names
    clocks = [project.clock(index) for index in range(len(names))]
    if not all(clock.source in _MEASURED for clock in clocks):
        return None
    return ClockFacts(
        jitter=max(clock.jitter_s * clock.frame_rate_hz for clock in clocks),
        n_dropped_frames=sum(clock.n_dropped_frames for clock in clocks),
        pauses=tuple(
            (name, gap) for name, clock in zip(names, clocks, strict=True) for gap in clock.pauses
        ),
        rate_changes=tuple(n for n, clock in zip(names, clocks, strict=True) if not clock.is_even),
    )


def clock_measures(clock: ClockFacts | None, n_frames: int) -> Iterator[Measure]:
    """Measure gaps, dropped frames, changes of rate and jitter.

    Parameters
    ----------
    clock
        Facts of the recording's clock; None where no time stamps were used, and nothing is known.
    n_frames
        Frames of all videos.
    """
    if clock is None:
        for name in ("gaps", "dropped_frames", "rate_changes", "clock_jitter"):
            yield unknown(name, "no time stamps of the frames were used")
        return
    places = ", ".join(
        f"{gap.seconds:.3g} s after frame {gap.after_frame} of {name}"
        for name, gap in clock.pauses[:_MOST_NAMED]
    )
    yield Measure(
        "gaps",
        float(len(clock.pauses)),
        f"the time stamps have gaps ({places}), and nothing is computed across them"
        if clock.pauses
        else "the time stamps have no gaps",
        "count in seconds rather than frames, and enter the parts as recordings of their own if they are",
    )
    n_dropped = clock.n_dropped_frames
    yield Measure(
        "dropped_frames",
        n_dropped / max(n_frames + n_dropped, 1),
        f"{n_dropped} frames were dropped, and traces are interpolated there",
        "the camera or the disk was too slow, so lower size or rate when recording again",
    )
    yield Measure(
        "rate_changes",
        float(len(clock.rate_changes)),
        f"the frame rate changes within {', '.join(clock.rate_changes[:_MOST_NAMED])}"
        if clock.rate_changes
        else "the frame rate stays the same",
        "rhythms above half of the lower rate are not in the slower part, so keep F_max below that",
    )
    yield Measure(
        "clock_jitter",
        clock.jitter,
        f"the times of the frames scatter by {clock.jitter:.2g} of the interval between them",
        "fast rhythms are blurred, so record with a camera that keeps its rate, or keep F_max low",
    )


def run_file_of(project: Project) -> dict[str, Any]:
    """Content of ``run.json``; empty where there is none that can be read, as in face-rhythm's projects.

    Raises
    ------
    PathError
        It is a link that leads out.
    """
    path = place_inside(project.directory, RUN_FILE, project.roots)
    if not path.is_file():
        return {}
    try:
        return read_json(path)
    except ProjectError:
        return {}  # its facts are unknown; `facerhythm verify` reports the damage


def suspect_frames(project: Project, n_frames: int) -> Measure:
    """Measure the part of the frames that were decoded after lost packets.

    Parameters
    ----------
    project
        The project, whose ``run.json`` counts them for each video.
    n_frames
        Frames of all videos.
    """
    name = "suspect_frames"
    videos = run_file_of(project).get("videos")
    listed = videos if isinstance(videos, list) and videos else [None]
    counts = [_number(v.get("n_suspect_frames")) if isinstance(v, dict) else None for v in listed]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return unknown(
            name, "the project does not keep which frames were decoded after lost packets"
        )
    return Measure(
        name,
        sum(known) / max(n_frames, 1),
        f"{int(sum(known))} frames were decoded after lost or damaged packets",
        "they may be wrong until the next keyframe, so leave these times out, or copy the video "
        "from its source again",
    )


def _number(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and math.isfinite(value) and value >= 0 else None
