"""Rhythms of the components of a project: displacement, amplitude, phase and frequency in every frame, bouts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.mean_cycle import band_around
from element_facerhythm.core.rhythm.bouts import (
    Bout,
    BoutSettings,
    bout_thresholds,
    find_bouts,
)
from element_facerhythm.core.rhythm.oscillation import Oscillation, noise_px, oscillation_of
from element_facerhythm.core.rhythm.pattern import rhythm_pattern
from element_facerhythm.core.spectral.samples import SampledPoints
from element_facerhythm.errors import ParameterError
from element_facerhythm.figures.component_panels import ComponentPanels, component_panels
from element_facerhythm.figures.cycles import component_cycle
from element_facerhythm.io.project import Project
from element_facerhythm.video.clock import MOST_BRIDGED, Clock, Stretch

_BLOCK_BYTES = 64 << 20  # of tracks that are read at a time
_BOUT_DEFAULTS = BoutSettings()


@dataclass(frozen=True, eq=False)
class ComponentRhythm:
    """A component as a rhythm in time.

    Attributes
    ----------
    model_key, component_index
        The component.
    frequency_hz
        At which its spectrum is largest.
    band_hz
        Lower and upper edge of the band that displacements are kept to: where the power of its spectrum is
        above half of the largest, or 20 % to either side, whichever is wider.
    pattern
        (P, 2) weights with which displacements along x and y sum to that of the component; see
        `core.rhythm.pattern`.
    videos
        The rhythm in each video that the model is of, by number.
    noise_px
        Scale of the amplitude where there is no rhythm; see `core.rhythm.oscillation.noise_px`.
    """

    model_key: str
    component_index: int
    frequency_hz: float
    band_hz: tuple[float, float]
    pattern: Float64Array
    videos: Mapping[int, Oscillation]
    noise_px: float


@dataclass(frozen=True, eq=False)
class ComponentRhythms:
    """Rhythms of a project.

    Attributes
    ----------
    rhythms
        Of the components, in their order.
    left_out
        Why a component has none, such as a recording of fewer than six of its periods.
    """

    rhythms: tuple[ComponentRhythm, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class RhythmBout:
    """A bout of a component: see `core.rhythm.bouts.Bout`."""

    model_key: str
    component_index: int
    video_index: int
    bout_index: int
    bout: Bout


def component_rhythms(
    project: Project | str | Path, roots: Iterable[str | Path] = ()
) -> ComponentRhythms:
    """Follow every component in time: amplitude, phase and frequency in each frame.

    The tracks are read once, in blocks, besides what the mean cycles need. Nothing is computed across gaps of
    the recording, or frames in which points were held; rhythms are NaN there, and beside them as far as the
    filter reaches.

    Parameters
    ----------
    project
        The project, or its directory.
    roots
        Data directories that files of the project may be links into; see `Project.open`.

    Raises
    ------
    ProjectError
        The project is incomplete or damaged.
    ParameterError
        The decomposition has no points, frequencies or time.
    """
    project = project if isinstance(project, Project) else Project.open(project, roots)
    project.require("PointTracker", "VQT_Analyzer", "TCA")
    found, left_out = [], []
    for model_key in project.models():
        members = []
        for index, panel in enumerate(component_panels(project, model_key)):
            try:
                members.append(_Member.of(project, model_key, index, panel))
            except ParameterError as error:
                named = f"model {model_key}, " if len(project.models()) > 1 else ""
                left_out.append(f"{named}component {index} has no rhythm: {error}")
        found += _in_time(project, members)
    return ComponentRhythms(tuple(found), tuple(left_out))


def rhythm_bouts(
    rhythms: Iterable[ComponentRhythm], settings: BoutSettings = _BOUT_DEFAULTS
) -> tuple[RhythmBout, ...]:
    """Find when each component is strong.

    Parameters
    ----------
    rhythms
        As of `component_rhythms`.
    settings
        When a rhythm counts as a bout.

    Returns
    -------
    By component, video and time; bouts are counted from 0 in each video.
    """
    return tuple(
        RhythmBout(rhythm.model_key, rhythm.component_index, video, index, bout)
        for rhythm in rhythms
        for video, bouts in _bouts_of(rhythm, settings)
        for index, bout in enumerate(bouts)
    )


def _bouts_of(
    rhythm: ComponentRhythm, settings: BoutSettings
) -> Iterator[tuple[int, Iterator[Bout]]]:
    amplitudes = [own.amplitude_px for own in rhythm.videos.values()]
    thresholds = bout_thresholds(amplitudes, rhythm.noise_px, settings)
    if thresholds is not None:
        for video, own in rhythm.videos.items():
            yield video, find_bouts(own, thresholds, rhythm.frequency_hz, settings)


@dataclass(frozen=True, eq=False)
class _Member:
    """A component whose pattern is known, to be followed in time."""

    model_key: str
    component_index: int
    frequency_hz: float
    band_hz: tuple[float, float]
    pattern: Float64Array
    videos: tuple[int, ...]

    @classmethod
    def of(cls, project: Project, model_key: str, index: int, panel: ComponentPanels) -> _Member:
        cycle = component_cycle(project, panel)
        half_power = panel.half_power_hz if np.isfinite(panel.half_power_hz).all() else None
        return cls(
            model_key,
            index,
            cycle.frequency_hz,
            band_around(cycle.frequency_hz, half_power, project.frame_rate_hz),
            rhythm_pattern(cycle.amplitudes_px, panel.maps),
            panel.videos,
        )


def _in_time(project: Project, members: Sequence[_Member]) -> Iterator[ComponentRhythm]:
    """Yield the rhythms of the components of one model."""
    if not members:
        return
    patterns = np.stack([member.pattern.ravel() for member in members], axis=1)
    pieces: dict[int, list[_Piece]] = {
        video: list(_pieces(project, video, patterns)) for video in members[0].videos
    }
    for k, member in enumerate(members):
        videos, samples, analytic, rates = {}, [], [], []
        for video, parts in pieces.items():
            clock = project.clock(video)
            values = np.full(clock.n_frames, complex(np.nan, np.nan), np.complex64)
            for piece in parts:
                made = oscillation_of(piece.samples[:, k], member.band_hz, clock.frame_rate_hz)
                values[piece.first : piece.stop] = piece.at_frames(made)
                samples.append(piece.samples[:, k])
                analytic.append(made)
            rates.append(clock.frame_rate_hz)
            videos[video] = Oscillation(values, clock.times_s)
        yield ComponentRhythm(
            member.model_key,
            member.component_index,
            member.frequency_hz,
            member.band_hz,
            member.pattern,
            videos,
            noise_px(samples, analytic, member.band_hz, float(np.mean(rates))),
        )


@dataclass(frozen=True, eq=False)
class _Piece:
    """Displacements of all components in an uninterrupted piece of a video: (n, R) equally spaced samples."""

    first: int
    stop: int
    knots: Float64Array | None
    samples: Float64Array

    def at_frames(self, analytic: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """(stop - first,) values at the frames; between samples amplitude and phase are interpolated."""
        if self.knots is None:
            return analytic
        places = np.arange(len(analytic))
        known = np.isfinite(analytic)
        if not known.any():
            return np.full(len(self.knots), complex(np.nan, np.nan))
        phase = np.unwrap(np.angle(analytic[known]))
        sizes, phases = (
            np.interp(self.knots, places[known], values, left=np.nan, right=np.nan)
            for values in (np.abs(analytic[known]), phase)
        )
        return np.asarray(sizes * np.exp(1j * phases))


def _pieces(project: Project, video: int, patterns: Float64Array) -> Iterator[_Piece]:
    """Yield what lies between gaps and held frames, with the displacement of every pattern."""
    tracking, clock = project.tracking(video), project.clock(video)
    home = project.point_positions.astype(np.float64).ravel()
    step = max(_BLOCK_BYTES // (8 * len(home)), 1)
    for stretch in _uninterrupted(clock, tracking.held_frames):
        points = SampledPoints(tracking.points, stretch.first, stretch.stop, stretch.knots)
        samples = np.concatenate(
            [
                (points[start : start + step, :].reshape(-1, len(home)) - home) @ patterns
                for start in range(0, stretch.n_samples, step)
            ]
        )
        if np.isfinite(samples).all():
            yield _Piece(stretch.first, stretch.stop, stretch.knots, samples)


def _uninterrupted(clock: Clock, held: NDArray[np.int32] | None) -> Iterator[Stretch]:
    """Yield stretches of a clock, without runs of frames in which points were held."""
    for stretch in clock.stretches:
        for first, stop in _between(stretch.first, stretch.stop, held):
            knots = stretch.knots
            if knots is not None:
                knots = knots[first - stretch.first : stop - stretch.first]
                knots = knots - knots[0]
            yield Stretch(first, stop, knots)


def _between(first: int, stop: int, held: NDArray[np.int32] | None) -> Iterator[tuple[int, int]]:
    """Yield the frames of a stretch that lie between longer runs of held ones."""
    inside = np.zeros(0, np.int64) if held is None else np.unique(held[(held >= first) & (held < stop)])
    for run in np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1):
        if len(run) > MOST_BRIDGED:
            if run[0] > first:
                yield first, int(run[0])
            first = int(run[-1]) + 1
    if first < stop:
        yield first, stop
