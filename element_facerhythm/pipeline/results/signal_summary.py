"""Signals of a recording in numbers: what the database rows hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.layout import SIGNALS
from element_facerhythm.io.lazy import LazyArray
from element_facerhythm.io.product_stamps import stage_fingerprint
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_signals import (
    SIGNAL_KINDS,
    SignalKind,
    StoredRegion,
    StoredSignals,
    StoredSvd,
    signals_of_project,
)
from element_facerhythm.pipeline.records import ArrayRef

CLOSED_BELOW = 0.5
OPEN_PERCENTILE = 95.0
"""An eye counts as closed where its opening lies below half of its 95th percentile."""


@dataclass(frozen=True)
class Spread:
    """Numbers of a trace over the frames that have a value; None, all of them, where none has.

    Attributes
    ----------
    mean, sd, median, smallest, largest
        In the unit of the trace.
    n_frames
        Frames with a value.
    """

    mean: float | None
    sd: float | None
    median: float | None
    smallest: float | None
    largest: float | None
    n_frames: int


@dataclass(frozen=True)
class Blinks:
    """Blinks of an eye: runs of frames in which it is closed.

    Attributes
    ----------
    count
        Runs; one that frames without a value interrupt counts as two.
    fraction
        Closed frames / frames with a value; None where no frame has one.
    """

    count: int
    fraction: float | None


@dataclass(frozen=True, eq=False)
class SvdSummary:
    """A decomposition with references to its arrays, and its numbers; see `StoredSvd`."""

    stored: StoredSvd
    projection: ArrayRef | None
    mask: ArrayRef | None


@dataclass(frozen=True, eq=False)
class RegionSummary:
    """One region with references to its arrays, and what its traces say.

    Attributes
    ----------
    stored
        See `StoredRegion`.
    arrays
        References to the arrays by frame.
    trace
        Spread of ``motion`` or of ``area``; of running, of the speed in pixels per frame; of blinks, of
        ``opening``. None where the array is not stored.
    confidence
        Spread of ``confidence``; None likewise.
    blinks
        Of a region of that kind with an opening.
    svd
        By name: ``motion_svd``, ``movie_svd``.
    """

    stored: StoredRegion
    arrays: dict[str, ArrayRef]
    trace: Spread | None
    confidence: Spread | None
    blinks: Blinks | None
    svd: dict[str, SvdSummary]


@dataclass(frozen=True, eq=False)
class SignalSummary:
    """All signals of a recording; see `StoredSignals`."""

    stored: StoredSignals
    regions: tuple[RegionSummary, ...]
    images: dict[str, ArrayRef]
    notes: tuple[str, ...]

    @property
    def n_frames(self) -> int | None:
        """T, of all videos."""
        return self.stored.n_frames


def summarise_signals(project_dir: str | Path, roots: Iterable[str | Path] = ()) -> SignalSummary:
    """Numbers of every region of a project's FacialSignal.h5, with references to its arrays.

    Parameters
    ----------
    project_dir
        The project.
    roots
        Data directories that files of it may be links into; see `Project.open`.

    Raises
    ------
    ProjectError
        The product is missing or damaged, or is of other frames or videos than the tracks beside it.
    """
    project = Project.open(project_dir, roots)
    stored = signals_of_project(project)
    project.require_intact()
    require_same_recording(project, stored)
    regions = tuple(map(_summarise, stored.regions))
    return SignalSummary(
        stored,
        regions,
        {name: _reference(array) for name, array in stored.images.items()},
        (*stored.notes, *_absences(regions)),
    )


def require_same_recording(project: Project, signals: StoredSignals) -> None:
    """Raise `ProjectError` where signals have other frames than the tracks beside them, or other videos.

    Parameters
    ----------
    project
        The project.
    signals
        Its signals.
    """
    if project.holds_signals_alone:
        return
    place, remedy = (
        project.product_path(SIGNALS),
        "Take the signals of this one, or delete the file",
    )
    if signals.n_frames is not None and signals.n_frames != sum(project.n_frames):
        raise ProjectError(
            f"{place} has {signals.n_frames} frames, PointTracker.h5 beside it {sum(project.n_frames)}: they "
            f"are of different recordings. {remedy}"
        )
    measured, tracked = (_videos(project, name) for name in (SIGNALS, "Dataset_videos"))
    if measured is not None and tracked is not None and measured != tracked:
        raise ProjectError(
            f"{place} was made of other videos than Dataset_videos.h5 beside it. {remedy}"
        )


def _videos(project: Project, name: str) -> list[str] | None:
    """Digests of the videos that a product was made of; None where it does not say."""
    inputs = (stage_fingerprint(project.product_path(name)) or {}).get("inputs", {})
    videos = inputs.get("videos") if isinstance(inputs, dict) else None
    if not isinstance(videos, list) or not all(isinstance(video, dict) for video in videos):
        return None
    return [str(video.get("sha256")) for video in videos]


def spread_of(values: NDArray[np.float64]) -> Spread:
    """Numbers of a trace (T,) over its frames that are finite."""
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return Spread(None, None, None, None, None, 0)
    return Spread(
        float(known.mean()),
        float(known.std()),
        float(np.median(known)),
        float(known.min()),
        float(known.max()),
        len(known),
    )


def blinks_of(opening: NDArray[np.float64]) -> Blinks:
    """Blinks in the opening of an eye (T,), NaN where it is not known."""
    known = np.isfinite(opening)
    if not known.any():
        return Blinks(0, None)
    limit = CLOSED_BELOW * np.percentile(opening[known], OPEN_PERCENTILE)
    closed = known & (np.where(known, opening, np.inf) < limit)
    begins = closed & ~np.concatenate([[False], closed[:-1]])
    return Blinks(int(begins.sum()), float(closed.sum() / known.sum()))


def speeds_of(shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Speed (T,) of shifts between frames (T, 2), in pixels per frame."""
    return np.hypot(shifts[:, 0], shifts[:, 1])


TRACES: dict[SignalKind, str] = {
    "motion": "motion", "pupil": "area", "blink": "opening", "running": "running",
}  # fmt: skip
"""The array by frame that says most of a region of each kind."""


def trace_of(region: StoredRegion) -> NDArray[np.float64] | None:
    """Trace (T,) of a region: `TRACES`, of running the speed; None where it is not stored.

    Raises
    ------
    ProjectError
        It holds no numbers.
    """
    array = region.arrays.get(TRACES[region.kind])
    if array is None:
        return None
    values = np.asarray(array, np.float64)
    return speeds_of(values) if region.kind == "running" else values


def _summarise(region: StoredRegion) -> RegionSummary:
    trace = trace_of(region)
    if trace is not None and region.kind == "pupil":
        trace = np.where(trace > 0, trace, np.nan)  # an area of nothing is no pupil
    confidence = region.arrays.get("confidence")
    return RegionSummary(
        region,
        {name: _reference(array) for name, array in region.arrays.items()},
        None if trace is None else spread_of(trace),
        None if confidence is None else spread_of(np.asarray(confidence, np.float64)),
        blinks_of(trace) if region.kind == "blink" and trace is not None else None,
        {
            name: SvdSummary(svd, _or_none(svd.projection), _or_none(svd.mask))
            for name, svd in region.svd.items()
        },
    )


def _reference(array: LazyArray) -> ArrayRef:
    return ArrayRef(SIGNALS, array.dataset, array.shape, str(array.dtype))


def _or_none(array: LazyArray | None) -> ArrayRef | None:
    return None if array is None else _reference(array)


def _absences(regions: Iterable[RegionSummary]) -> Iterable[str]:
    """Note the regions whose trace is not stored, or has no value in any frame."""
    for kind in SIGNAL_KINDS:
        own = [region for region in regions if region.stored.kind == kind]
        absent = [r.stored.name for r in own if r.trace is None]
        empty = [r.stored.name for r in own if r.trace is not None and not r.trace.n_frames]
        if absent:
            yield f"no {TRACES[kind]} is stored of region {', '.join(absent)}"
        if empty:
            yield f"no frame of region {', '.join(empty)} has a value of {TRACES[kind]}"
