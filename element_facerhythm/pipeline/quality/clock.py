"""Checks of the time stamps and of the decoding, from what ``run.json`` keeps of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.config import read_json
from element_facerhythm.io.data_paths import place_inside
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.quality.judging import Measure, unknown
from element_facerhythm.pipeline.run_file import RUN_FILE

_NO_CLOCK = "the project keeps no facts of the time stamps"


@dataclass(frozen=True)
class Gap:
    """A gap in the recording: the last frame before it, and its length."""

    after_frame: int
    seconds: float


@dataclass(frozen=True)
class ClockFacts:
    """What the time stamps of a recording say; None for what is not known.

    Attributes
    ----------
    frame_rate_hz
        Rate by the median interval.
    jitter_s
        How far intervals scatter.
    n_dropped_frames
        Frames that the stamps miss.
    gaps
        Where nothing was recorded.
    rate_changes
        Whether the rate changes within the recording.
    """

    frame_rate_hz: float | None
    jitter_s: float | None
    n_dropped_frames: int | None
    gaps: tuple[Gap, ...] | None
    rate_changes: bool | None


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
        return {}  # what it would tell is unknown; `facerhythm verify` tells of the damage


def clock_facts(project: Project) -> ClockFacts | None:
    """Facts of the recording's clock; None where the project keeps none."""
    clock = run_file_of(project).get("clock")
    if not isinstance(clock, dict):
        return None
    changes = clock.get("rate_changes")
    dropped = _number(clock.get("n_dropped_frames"))
    return ClockFacts(
        frame_rate_hz=_number(clock.get("frame_rate_hz")),
        jitter_s=_number(clock.get("jitter_s")),
        n_dropped_frames=None if dropped is None else int(dropped),
        gaps=_gaps(clock.get("gaps")),
        rate_changes=changes if isinstance(changes, bool) else None,
    )


def clock_measures(clock: ClockFacts | None, n_frames: int) -> Iterator[Measure]:
    """Measure gaps, dropped frames, changes of rate and jitter."""
    clock = clock or ClockFacts(None, None, None, None, None)
    if clock.gaps is None:
        yield unknown("gaps", _NO_CLOCK)
    else:
        places = ", ".join(f"{g.seconds:.3g} s after frame {g.after_frame}" for g in clock.gaps[:4])
        yield Measure(
            "gaps",
            float(len(clock.gaps)),
            f"the time stamps have gaps ({places}), and nothing is computed across them"
            if clock.gaps
            else "the time stamps have no gaps",
            "count in seconds rather than frames, and enter the parts as recordings of their own if they are",
        )
    if clock.n_dropped_frames is None:
        yield unknown("dropped_frames", _NO_CLOCK)
    else:
        n_dropped = clock.n_dropped_frames
        yield Measure(
            "dropped_frames",
            n_dropped / max(n_frames + n_dropped, 1),
            f"the time stamps miss {n_dropped} frames",
            "the camera or the disk was too slow, so lower size or rate when recording again",
        )
    if clock.rate_changes is None:
        yield unknown("rate_changes", _NO_CLOCK)
    else:
        yield Measure(
            "rate_changes",
            float(clock.rate_changes),
            "the frame rate changes within the recording"
            if clock.rate_changes
            else "the frame rate stays the same",
            "rhythms above half of the lower rate are not in the slower part, so keep F_max below that",
        )
    if clock.jitter_s is None or clock.frame_rate_hz is None:
        yield unknown("clock_jitter", _NO_CLOCK)
    else:
        yield Measure(
            "clock_jitter",
            clock.jitter_s * clock.frame_rate_hz,
            f"the intervals between frames scatter by {1000 * clock.jitter_s:.3g} ms",
            "fast rhythms are blurred, so record with a camera that keeps its rate, or keep F_max low",
        )


def suspect_frames(project: Project, n_frames: int) -> Measure:
    """Measure the part of the frames that were decoded after lost packets."""
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
        "their picture may be wrong until the next keyframe, so leave these times out, or copy the video "
        "from its source again",
    )


def _number(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and math.isfinite(value) and value >= 0 else None


def _gaps(value: Any) -> tuple[Gap, ...] | None:
    if not isinstance(value, list):
        return None
    gaps = []
    for gap in value:
        after, seconds = (
            (_number(gap.get(key)) for key in ("after_frame", "seconds"))
            if isinstance(gap, dict)
            else (None, None)
        )
        if after is None or seconds is None:
            return None
        gaps.append(Gap(int(after), seconds))
    return tuple(gaps)
