"""Dark, held and repeated frames of a project: how many, and which, in words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.tracking.light import dark_frames, frozen_frames
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_tracks import TrackingView

_MOST_SPANS = 4


class FrameKinds(NamedTuple):
    """Frames (N,) of a tracked sequence in which the points were held; that are dark; that repeat."""

    held: NDArray[np.int32]
    dark: NDArray[np.int32]
    frozen: NDArray[np.int32]


def frame_kinds(tracking: TrackingView) -> FrameKinds | None:
    """Sort the frames of a tracked sequence; None where the project does not say."""
    light, held = tracking.frame_light, tracking.held_frames
    if light is None or held is None:
        return None
    return FrameKinds(held, dark_frames(light, held), frozen_frames(light, held))


def light_notes(project: Project) -> tuple[str, ...]:
    """Return which frames are dark or show nothing; `quality` judges those that repeat the one before."""
    notes: list[str] = []
    names = project.video_names
    for index, name in enumerate(names):
        kinds = frame_kinds(project.tracking(index))
        where = f" of {name}" if len(names) > 1 else ""
        notes += [] if kinds is None else _sentences(kinds, where)
    return tuple(notes)


def _sentences(kinds: FrameKinds, where: str) -> list[str]:
    dark_held = np.intersect1d(kinds.dark, kinds.held)
    plain_held = np.setdiff1d(kinds.held, kinds.dark)
    dark_followed = np.setdiff1d(kinds.dark, kinds.held)
    described = [
        (dark_held, "dark; the points were held there"),
        (
            plain_held,
            "without anything to follow (plain, or noise alone); the points were held there",
        ),
        (dark_followed, "dark; the points follow what these show"),
    ]
    return [
        f"{_count(frames)}{where} ({frame_spans(frames)}) {'is' if len(frames) == 1 else 'are'} {what}"
        for frames, what in described
        if len(frames)
    ]


def _count(frames: NDArray[np.int32]) -> str:
    return "1 frame" if len(frames) == 1 else f"{len(frames)} frames"


def frame_spans(frames: NDArray[np.int32]) -> str:
    """Name frames (N,), ascending, by spans: ``120-149, 200``; a few of many."""
    runs = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    names = [f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    rest = len(names) - _MOST_SPANS
    return ", ".join(names[:_MOST_SPANS]) + (f", and {rest} more spans" if rest > 0 else "")
