"""Components of a project in time: displacement, amplitude, phase and frequency in every frame, and bouts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.mean_cycle import band_around
from element_facerhythm.core.rhythm.bouts import (
    Bout,
    BoutSettings,
    Thresholds,
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
_LEAST_BAND = (
    0.35  # of the frequency: half the width of the narrowest band; in narrower ones onsets are late
)
_BOUT_DEFAULTS = BoutSettings()


BOUT_COLUMNS = (
    "model_key", "component_index", "video_index", "bout_index", "onset_s", "offset_s", "bout_duration_s",
    "onset_frame", "offset_frame", "n_cycles", "bout_mean_hz", "bout_peak_hz", "bout_mean_px", "bout_peak_px",
    "onset_phase_rad", "is_cut",
)  # fmt: skip
"""Numbers of a bout, as tables and files name them."""


@dataclass(frozen=True, eq=False)
class Rhythm:
    """A component in time.

    Attributes
    ----------
    model_key, component_index
        The component.
    frequency_hz
        At which its spectrum is largest.
    band_hz
        Lower and upper edge of the band that displacements are kept to: where the power of its spectrum is
        above half of the largest, or 35 % to either side, whichever is wider.
    pattern
        (P, 2) weights with which displacements along x and y sum to that of the component; see
        `core.rhythm.pattern`.
    noise_px
        Scale of the amplitude where there is no rhythm; see `core.rhythm.oscillation.noise_px`. NaN where
        nothing is known.
    videos
        Amplitude, phase and frequency in each video that the model is of, by number.
    """

    model_key: str
    component_index: int
    frequency_hz: float
    band_hz: tuple[float, float]
    pattern: Float64Array
    noise_px: float
    videos: Mapping[int, Oscillation]


@dataclass(frozen=True, eq=False)
class Rhythms:
    """Components of a project in time.

    Attributes
    ----------
    rhythms
        In the order of the components.
    left_out
        Why a component is not among them, such as a recording of fewer than six of its periods.
    """

    rhythms: tuple[Rhythm, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class RhythmBout:
    """A bout: in which video, its number there from 0, and what it is like."""

    video_index: int
    bout_index: int
    bout: Bout


@dataclass(frozen=True)
class ComponentBouts:
    """Bouts of a component.

    Attributes
    ----------
    model_key, component_index
        The component.
    thresholds
        That its bouts reach and stay above; None where it has no amplitude in any frame.
    known_s
        Time in which its amplitude is known.
    bouts
        By video and time.
    """

    model_key: str
    component_index: int
    thresholds: Thresholds | None
    known_s: float
    bouts: tuple[RhythmBout, ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Numbers of its bouts, by `BOUT_COLUMNS`."""
        return [dict(zip(BOUT_COLUMNS, self._numbers(one), strict=True)) for one in self.bouts]

    def _numbers(self, one: RhythmBout) -> tuple[Any, ...]:
        bout = one.bout
        return (
            self.model_key, self.component_index, one.video_index, one.bout_index,
            bout.onset_s, bout.offset_s, bout.offset_s - bout.onset_s, bout.first_frame, bout.last_frame,
            bout.n_cycles, bout.mean_frequency_hz, bout.peak_frequency_hz, bout.mean_amplitude_px,
            bout.peak_amplitude_px, bout.onset_phase_rad, bout.is_cut,
        )  # fmt: skip

    @property
    def fraction(self) -> float:
        """Time in bouts, of `known_s`; NaN where that is 0."""
        in_bouts = sum(one.bout.offset_s - one.bout.onset_s for one in self.bouts)
        return in_bouts / self.known_s if self.known_s else float("nan")

    @property
    def per_minute(self) -> float:
        """Bouts in a minute of `known_s`; NaN where that is 0."""
        return 60 * len(self.bouts) / self.known_s if self.known_s else float("nan")


def component_rhythms(project: Project | str | Path, roots: Iterable[str | Path] = ()) -> Rhythms:
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
    """
    project = project if isinstance(project, Project) else Project.open(project, roots)
    project.require("Dataset_videos", "PointTracker", "VQT_Analyzer", "TCA")
    found: list[Rhythm] = []
    left_out: list[str] = []
    keys = tuple(project.models())
    for model_key in keys:
        named = f"model {model_key}: " if len(keys) > 1 else ""
        try:
            panels = component_panels(project, model_key)
        except ParameterError as error:
            left_out.append(f"{named}components have no rhythm: {error}")
            continue
        members = []
        for index, panel in enumerate(panels):
            try:
                members.append(_Member.of(project, model_key, index, panel))
            except ParameterError as error:
                left_out.append(f"{named}component {index} has no rhythm: {error}")
        found += _in_time(project, members)
    return Rhythms(tuple(found), tuple(left_out))


def rhythm_bouts(
    rhythms: Iterable[Rhythm], settings: BoutSettings = _BOUT_DEFAULTS
) -> tuple[ComponentBouts, ...]:
    """Find when each component is strong.

    Parameters
    ----------
    rhythms
        As of `component_rhythms`.
    settings
        When a rhythm counts as a bout.
    """
    return tuple(_bouts_of(rhythm, settings) for rhythm in rhythms)


def _bouts_of(rhythm: Rhythm, settings: BoutSettings) -> ComponentBouts:
    amplitudes = [own.amplitude_px for own in rhythm.videos.values()]
    thresholds = bout_thresholds(amplitudes, rhythm.noise_px, settings)
    found = (
        ()
        if thresholds is None
        else tuple(
            RhythmBout(video, index, bout)
            for video, own in rhythm.videos.items()
            for index, bout in enumerate(find_bouts(own, thresholds, rhythm.frequency_hz, settings))
        )
    )
    known_s = sum(own.known_s for own in rhythm.videos.values())
    return ComponentBouts(rhythm.model_key, rhythm.component_index, thresholds, known_s, found)


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
        middle_hz, (low, high) = cycle.frequency_hz, panel.half_power_hz
        edges = (
            np.fmin(low, (1 - _LEAST_BAND) * middle_hz),
            np.fmax(high, (1 + _LEAST_BAND) * middle_hz),
        )
        return cls(
            model_key,
            index,
            middle_hz,
            band_around(middle_hz, (float(edges[0]), float(edges[1])), project.frame_rate_hz),
            rhythm_pattern(cycle.amplitudes_px, panel.maps),
            panel.videos,
        )


def _in_time(project: Project, members: Sequence[_Member]) -> Iterator[Rhythm]:
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
            videos[video] = Oscillation(
                values, clock.times_s, clock.frame_rate_hz if clock.is_even else None
            )
        yield Rhythm(
            member.model_key,
            member.component_index,
            member.frequency_hz,
            member.band_hz,
            member.pattern,
            noise_px(samples, analytic, member.band_hz, float(np.mean(rates))),
            videos,
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
    inside = (
        np.zeros(0, np.int64) if held is None else np.unique(held[(held >= first) & (held < stop)])
    )
    for run in np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1):
        if len(run) > MOST_BRIDGED:
            if run[0] > first:
                yield first, int(run[0])
            first = int(run[-1]) + 1
    if first < stop:
        yield first, stop
