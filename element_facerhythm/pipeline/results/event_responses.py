"""What the components of a project do around events: amplitude, phase and bouts, with p and q."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.core.arrays import Float64Array
from element_facerhythm.core.false_discovery import q_values
from element_facerhythm.core.peri_event import (
    EventTimes,
    PeriEvent,
    PeriEventSettings,
    Samples,
    Values,
    frame_durations,
    peri_event,
)
from element_facerhythm.core.rhythm.bouts import BoutSettings
from element_facerhythm.core.rhythm.oscillation import Oscillation
from element_facerhythm.errors import RequestError
from element_facerhythm.io.events import EventTable, events_of_sequence
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.records import NullProgress, Progress
from element_facerhythm.pipeline.results.component_choice import (
    NamedComponent,
    find_component,
    named_components,
)
from element_facerhythm.pipeline.results.component_rhythms import (
    ComponentBouts,
    Rhythm,
    component_rhythms,
    rhythm_bouts,
)

QUANTITIES = {"amplitude": "px", "phase": "resultant length", "bouts": "bouts per s"}
"""What can be averaged, and in what the estimate is."""
TRIAL_ENDS = ("window", "duration", "next")
"""Where a trial ends: with the window, with the event's `duration_s`, or at the next event."""

RESPONSE_COLUMNS = (
    "label", "model_key", "component_index", "name", "rhythm_hz", "quantity", "unit", "baseline", "estimate",
    "estimate_low", "estimate_high", "p_value", "q_value", "n_events", "n_trials", "n_cut_trials",
)  # fmt: skip
LAG_COLUMNS = (
    "label", "model_key", "component_index", "bin_start_s", "bin_end_s", "mean", "low", "high",
    "phase_rad", "phase_low_rad", "phase_high_rad", "chance_low", "chance_high", "n_trials_in_bin",
)  # fmt: skip
"""Numbers of a response, and of its bins, as files name them."""


@dataclass(frozen=True)
class EventChoice:
    """Which events count, and where their trials end.

    Attributes
    ----------
    label
        Those of this label; None for each label by itself.
    apart_s
        Events that follow another one within less than so many seconds are left out.
    offset_s
        Added to times in seconds: when the clock of the events began, on that of the video.
    trial_end
        One of `TRIAL_ENDS`; the window ends a trial in any case.
    """

    label: str | None = None
    apart_s: float = 0.0
    offset_s: float = 0.0
    trial_end: str = "window"

    def __post_init__(self) -> None:
        if not 0 <= self.apart_s < np.inf or not np.isfinite(self.offset_s):
            raise RequestError("expected finite seconds, and at least 0 between events")
        if self.trial_end not in TRIAL_ENDS:
            raise RequestError(
                f"end of trials {self.trial_end!r}: expected one of {', '.join(TRIAL_ENDS)}"
            )


@dataclass(frozen=True, eq=False)
class EventResponse:
    """A component around the events of one label.

    Attributes
    ----------
    label
        Of the events.
    rhythm, name
        The component, and what people call it.
    quantity
        One of `QUANTITIES`.
    average
        Its average over trials.
    q_value
        Smallest false discovery rate at which it counts, over all components and labels; None where there is
        no p.
    """

    label: str
    rhythm: Rhythm
    name: str
    quantity: str
    average: PeriEvent
    q_value: float | None = None

    @property
    def row(self) -> dict[str, Any]:
        """Its numbers by `RESPONSE_COLUMNS`."""
        own = self.average
        numbers = (
            self.label, self.rhythm.model_key, self.rhythm.component_index, self.name,
            self.rhythm.frequency_hz, self.quantity, QUANTITIES[self.quantity], own.baseline, own.estimate,
            own.estimate_low, own.estimate_high, own.p_value, self.q_value,
            own.n_events, own.n_trials, own.n_cut,
        )  # fmt: skip
        return dict(zip(RESPONSE_COLUMNS, numbers, strict=True))

    @property
    def lag_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the numbers of each bin by `LAG_COLUMNS`."""
        own, nothing = self.average, np.full(len(self.average.mean), np.nan)
        phase = own.phase_rad
        columns = (
            own.edges_s[:-1], own.edges_s[1:], own.mean, own.low, own.high,
            *((nothing,) * 3 if phase is None else (phase.mean, phase.low, phase.high)),
            own.chance_low, own.chance_high, own.n_trials_in_bin,
        )  # fmt: skip
        about = (self.label, self.rhythm.model_key, self.rhythm.component_index)
        for numbers in zip(*(column.tolist() for column in columns), strict=True):
            yield dict(zip(LAG_COLUMNS, (*about, *numbers), strict=True))


@dataclass(frozen=True, eq=False)
class EventResponses:
    """Responses of the components of a project.

    Attributes
    ----------
    responses
        By label and component.
    settings
        They were computed with.
    notes
        What was left out.
    """

    responses: tuple[EventResponse, ...]
    settings: PeriEventSettings
    notes: tuple[str, ...]


def event_responses(
    project: Project | str | Path,
    table: EventTable,
    quantity: str = "amplitude",
    settings: PeriEventSettings | None = None,
    *,
    choice: EventChoice | None = None,
    components: Sequence[str] = (),
    bouts: BoutSettings | None = None,
    progress: Progress | None = None,
) -> EventResponses:
    """Average what components do around events.

    Parameters
    ----------
    project
        The project, or its directory.
    table
        The events.
    quantity
        One of `QUANTITIES`: the amplitude in px; the phase, as circular mean and resultant length; or the
        rate at which bouts begin.
    settings
        Windows, draws and shuffles; the defaults without. Phases take no baseline.
    choice
        Which events count; all of them without.
    components
        Numbers or names of those that are averaged; all of them where there are none.
    bouts
        When a rhythm counts as a bout.
    progress
        Where to report to.

    Raises
    ------
    RequestError
        A name is unknown, or no event lies in the recording.
    ProjectError
        The project is incomplete or damaged.
    """
    if quantity not in QUANTITIES:
        raise RequestError(f"quantity {quantity!r}: expected one of {', '.join(QUANTITIES)}")
    project = project if isinstance(project, Project) else Project.open(project)
    progress = progress or NullProgress()
    settings, choice = settings or PeriEventSettings(), choice or EventChoice()
    if quantity == "phase":
        settings = replace(settings, baseline_s=None)
    named = named_components(project)
    wanted = [find_component(named, text, str(project.directory)) for text in components] or named
    events, notes = _chosen_events(project, table, choice)
    with progress.stage("follow", None, ""):
        followed = component_rhythms(project)
    rhythms = _wanted_rhythms(followed.rhythms, wanted)
    if not rhythms:
        raise RequestError(f"{project.directory}: {'; '.join(followed.left_out)}")
    _check_bin(settings, quantity, rhythms)
    values = _values(rhythms, quantity, bouts or BoutSettings())
    found: list[EventResponse] = []
    for label, by_video in events.items():
        for videos in dict.fromkeys(tuple(rhythm.videos) for rhythm in rhythms):
            of_videos = [rhythm for rhythm in rhythms if tuple(rhythm.videos) == videos]
            if not any(len(by_video[video]) for video in videos):
                notes.append(f"no event {label} in video {', '.join(map(str, videos))}")
                continue
            averages = _averages(
                of_videos, [by_video[v] for v in videos], values, settings, progress
            )
            found += [
                EventResponse(label, rhythm, _name(named, rhythm), quantity, average)
                for rhythm, average in zip(of_videos, averages, strict=True)
            ]
    qs = q_values([one.average.p_value for one in found])
    with_q = (replace(one, q_value=q) for one, q in zip(found, qs, strict=True))
    return EventResponses(tuple(with_q), settings, (*notes, *followed.left_out, *_p_notes(found)))


def _chosen_events(
    project: Project, table: EventTable, choice: EventChoice
) -> tuple[dict[str, list[EventTimes]], list[str]]:
    """Events of each label, in each video, and what was left out."""
    if choice.offset_s:
        if table.in_frames:
            raise RequestError(f"{table.source} has frames; an offset is for times in seconds")
        moved = (replace(e, place=e.place + choice.offset_s) for e in table.events)
        table = replace(table, events=tuple(moved))
    clocks = [project.clock(video) for video in range(len(project.video_keys))]
    of_videos = [
        events_of_sequence(table, video, clocks, project.video_names)
        for video in range(len(clocks))
    ]
    notes = list(dict.fromkeys(note for own in of_videos for note in own.notes))
    labels = list(dict.fromkeys(name for own in of_videos for name in own.names))
    if not labels:
        raise RequestError(
            f"no event of {table.source} lies in the recording: {'; '.join(notes) or 'there is none'}"
        )
    if choice.label is not None:
        if choice.label not in labels:
            raise RequestError(
                f"no event of {table.source} in the recording has the label {choice.label!r}; expected "
                f"{', '.join(labels)}"
            )
        labels = [choice.label]
    found: dict[str, list[EventTimes]] = {}
    for label in labels:
        found[label], n_close = [], 0
        for own in of_videos:
            number = own.names.index(label) if label in own.names else -1
            mine = own.labels == number
            times_s, n_left_out = _apart(own.times_s[mine], choice.apart_s)
            n_close += n_left_out.sum()
            found[label].append(
                EventTimes(times_s, _lengths(times_s, own.durations_s[mine][~n_left_out], choice))
            )
        if n_close:
            notes.append(
                f"{n_close} events {label} are left out: they follow another one within {choice.apart_s:g} s"
            )
    return found, notes


def _apart(times_s: Float64Array, apart_s: float) -> tuple[Float64Array, NDArray[np.bool_]]:
    """Return the times that are far enough from the one before, and which of all are not."""
    close = np.append(np.zeros(1, bool), np.diff(times_s) < apart_s)[: len(times_s)]
    return times_s[~close], close


def _lengths(
    times_s: Float64Array, durations_s: NDArray[np.floating], choice: EventChoice
) -> Float64Array:
    if choice.trial_end == "duration":
        return np.where(durations_s > 0, durations_s, np.inf).astype(np.float64)
    if choice.trial_end == "next" and len(times_s):
        return np.append(np.diff(times_s), np.inf)
    return np.full(len(times_s), np.inf)


def _wanted_rhythms(rhythms: Sequence[Rhythm], wanted: Sequence[NamedComponent]) -> list[Rhythm]:
    keys = {(one.model_key, one.component_index) for one in wanted}
    return [one for one in rhythms if (one.model_key, one.component_index) in keys]


def _name(named: Sequence[NamedComponent], rhythm: Rhythm) -> str:
    key = (rhythm.model_key, rhythm.component_index)
    return next(one.name for one in named if (one.model_key, one.component_index) == key)


def _check_bin(settings: PeriEventSettings, quantity: str, rhythms: Sequence[Rhythm]) -> None:
    """Refuse bins in which the phases of a rhythm cancel."""
    fastest_hz = max(rhythm.frequency_hz for rhythm in rhythms)
    if quantity == "phase" and settings.bin_s is not None and settings.bin_s * fastest_hz > 0.5:
        raise RequestError(
            f"bin {settings.bin_s:g} s: a component of {fastest_hz:.3g} Hz goes through more than half of "
            f"its cycle meanwhile; expected at most {0.5 / fastest_hz:.2g} s"
        )


ByComponent = Mapping[tuple[str, int, int], Values]
"""(T,) of a component in a video, by model, component and number of the video."""


def _values(rhythms: Sequence[Rhythm], quantity: str, settings: BoutSettings) -> ByComponent:
    found = {}
    every_bout = rhythm_bouts(rhythms, settings) if quantity == "bouts" else (None,) * len(rhythms)
    for rhythm, own in zip(rhythms, every_bout, strict=True):
        for video, one in rhythm.videos.items():
            values: Values
            if own is not None:
                values = _onset_rate(one, own, video)
            elif quantity == "phase":
                values = np.exp(1j * one.phase_rad.astype(np.float64))
            else:
                values = one.amplitude_px.astype(np.float64)
            found[rhythm.model_key, rhythm.component_index, video] = values
    return found


def _onset_rate(rhythm: Oscillation, bouts: ComponentBouts, video: int) -> Float64Array:
    """(T,) onsets per second in each frame: a mean over time is the rate; NaN where nothing is known.

    A bout at the beginning of what is known may have begun before: it is no onset.
    """
    known = np.isfinite(rhythm.amplitude_px)
    rate = np.where(known, 0.0, np.nan)
    durations_s = frame_durations(rhythm.times_s)
    for one in bouts.bouts:
        first = one.bout.first_frame
        if one.video_index == video and first > 0 and known[first - 1]:
            rate[first] = 1 / durations_s[first]
    return rate


def _averages(
    rhythms: Sequence[Rhythm],
    events: Sequence[EventTimes],
    values: ByComponent,
    settings: PeriEventSettings,
    progress: Progress,
) -> tuple[PeriEvent, ...]:
    """Averages of components of the same videos."""
    samples = [
        Samples(one.times_s, np.stack([values[r.model_key, r.component_index, v] for r in rhythms]))
        for v, one in rhythms[0].videos.items()
    ]
    with progress.stage("shuffle", settings.n_shuffles, "times") as advance:
        return peri_event(samples, events, settings, advance=advance)


def _p_notes(found: Sequence[EventResponse]) -> Iterator[str]:
    asked = [one for one in found if np.isfinite(one.average.estimate)]
    if len(asked) < len(found):
        yield f"{len(found) - len(asked)} of {len(found)} responses have no trial with known frames"
    if any(one.average.p_value is None for one in asked):
        yield "p is not known: the recording is too short to move events in, or no shuffles were asked for"
