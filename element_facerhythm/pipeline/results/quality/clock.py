"""Checks of the time stamps and of the decoding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.config import read_json
from element_facerhythm.io.data_paths import place_inside
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.results.quality.judging import Measure, unknown
from element_facerhythm.pipeline.run.run_file import RUN_FILE
from element_facerhythm.video.clock import Clock

_MEASURED = ("stamps", "time file")
_MOST_NAMED = 4


def clock_measures(project: Project, n_frames: int) -> Iterator[Measure]:
    """Measure gaps, dropped frames, changes of rate and jitter.

    Parameters
    ----------
    project
        The project, for the clocks of its videos.
    n_frames
        Frames of all videos.

    Raises
    ------
    ProjectError
        The stored times are invalid.
    """
    clocks = _measured_clocks(project)
    if clocks is None:
        for name in ("gaps", "dropped_frames", "rate_changes", "clock_jitter"):
            yield unknown(name, "no time stamps of the frames were used")
        return
    pauses = [(name, gap) for name, clock in clocks for gap in clock.pauses]
    places = ", ".join(
        f"{gap.seconds:.3g} s after frame {gap.after_frame} of {name}"
        for name, gap in pauses[:_MOST_NAMED]
    )
    yield Measure(
        "gaps",
        float(len(pauses)),
        f"the time stamps have gaps ({places}), and nothing is computed across them"
        if pauses
        else "the time stamps have no gaps",
        "count in seconds rather than frames, and enter the parts as recordings of their own if they are",
    )
    n_dropped = sum(clock.n_dropped_frames for _, clock in clocks)
    yield Measure(
        "dropped_frames",
        n_dropped / max(n_frames + n_dropped, 1),
        f"{n_dropped} frames were dropped, and traces are interpolated there",
        "the camera or the disk was too slow, so lower size or rate when recording again",
    )
    changing = [name for name, clock in clocks if not clock.is_even]
    yield Measure(
        "rate_changes",
        float(len(changing)),
        f"the frame rate changes within {', '.join(changing[:_MOST_NAMED])}"
        if changing
        else "the frame rate stays the same",
        "rhythms above half of the lower rate are not in the slower part, so keep F_max below that",
    )
    jitter = max(clock.jitter_s * clock.frame_rate_hz for _, clock in clocks)
    yield Measure(
        "clock_jitter",
        jitter,
        f"the times of the frames scatter by {jitter:.2g} of the interval between them",
        "fast rhythms are blurred, so record with a camera that keeps its rate, or keep F_max low",
    )


def _measured_clocks(project: Project) -> list[tuple[str, Clock]] | None:
    """Name and clock of each video; None where no stamps were read, or none are stored."""
    if not project.has_clock:
        return None
    clocks = [(name, project.clock(index)) for index, name in enumerate(project.video_names)]
    return clocks if all(clock.source in _MEASURED for _, clock in clocks) else None


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
