"""Events that people noted, licks or stimuli: a table, and when they were on the clock of a video."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from element_facerhythm.errors import RequestError
from element_facerhythm.files.sheet import SheetRow, read_sheet
from element_facerhythm.video.clock import Clock

MOST_EVENTS = 100_000
_PLACES = ("time_s", "frame")
_COLUMNS = (*_PLACES, "label", "duration_s", "video")


@dataclass(frozen=True)
class Event:
    """A row of the table.

    Attributes
    ----------
    place
        Seconds on the clock of the video, or the number of a frame.
    label, duration_s
        What it is, and how long; an empty text, and 0, where the table does not say.
    video
        Number or name of the tracked sequence; None where the table does not say.
    """

    place: float
    label: str
    duration_s: float
    video: str | None


@dataclass(frozen=True)
class EventTable:
    """Events of a recording.

    Attributes
    ----------
    source
        Name of the file, or of where else they are from.
    in_frames
        Whether `Event.place` is the number of a frame.
    events
        In the order of the source.
    """

    source: str
    in_frames: bool
    events: tuple[Event, ...]


@dataclass(frozen=True, eq=False)
class SequenceEvents:
    """Events of one tracked sequence, times rising.

    Attributes
    ----------
    times_s, durations_s
        (N,) seconds on the clock of the sequence.
    labels
        (N,) number of the name of each.
    names
        The labels that occur, those that occur most first.
    notes
        What is left out.
    """

    times_s: npt.NDArray[np.float64]
    durations_s: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def read_events(path: Path) -> EventTable:
    """Read a table of events.

    Parameters
    ----------
    path
        CSV, as `read_sheet` takes it, with a column `time_s` or `frame`; `label`, `duration_s` and `video`
        may be there, too.

    Raises
    ------
    RequestError
        A column is missing, unknown or there twice, a cell is no number that it can be, or there are too many
        rows. The message names file, line and column.
    TextError
        The file is no such table.
    """
    sheet = read_sheet(path)
    unknown = [name for name in sheet.columns if name not in _COLUMNS]
    given = [name for name in _PLACES if name in sheet.columns]
    if unknown or len(given) != 1:
        raise RequestError(
            f"events {path}: the columns are {', '.join(sheet.columns)}; expected one of time_s and frame, "
            "and, where wanted, label, duration_s and video"
        )
    if len(sheet.rows) > MOST_EVENTS:
        raise RequestError(f"events {path}: {len(sheet.rows)} rows; at most {MOST_EVENTS} are read")
    (column,) = given
    return EventTable(
        path.name, column == "frame", tuple(_event(path, row, column) for row in sheet.rows)
    )


def _event(path: Path, row: SheetRow, column: str) -> Event:
    place = _number(path, row, column)
    if column == "frame" and (place < 0 or place != int(place)):
        raise RequestError(
            f"events {path}, line {row.line}: frame is {place:g}; expected a whole number from 0"
        )
    duration_s = _number(path, row, "duration_s") if "duration_s" in row.cells else 0.0
    if duration_s < 0:
        raise RequestError(
            f"events {path}, line {row.line}: duration_s is {duration_s:g}; expected 0 or more"
        )
    return Event(place, row.cells.get("label", ""), duration_s, row.cells.get("video"))


def _number(path: Path, row: SheetRow, column: str) -> float:
    text = row.cells.get(column)
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        shown = "empty" if text is None else repr(text[:40])
        raise RequestError(
            f"events {path}, line {row.line}: {column} is {shown}; expected a number, with a point for "
            "decimals"
        )
    return number


def events_of_sequence(
    table: EventTable, index: int, clocks: Sequence[Clock], names: Sequence[str]
) -> SequenceEvents:
    """Return the events of one tracked sequence.

    Parameters
    ----------
    table
        What was read.
    index
        Number of the sequence.
    clocks, names
        Of all sequences of the project.
    """
    clock, file = clocks[index], table.source
    unnamed = [event for event in table.events if event.video is None]
    own = [event for event in table.events if event.video in (str(index), names[index])]
    own += unnamed if len(clocks) == 1 else []
    known = {*map(str, range(len(clocks))), *names, None}
    elsewhere = sum(event.video not in known for event in table.events)
    notes = []
    if elsewhere:
        notes.append(f"{elsewhere} events of {file} name a video that the project does not have")
    if unnamed and len(clocks) > 1:
        notes.append(
            f"{len(unnamed)} events of {file} are left out: the project has {len(clocks)} videos, and their "
            "column video is empty"
        )
    places = np.array([event.place for event in own], np.float64)
    first, stop = (0, clock.n_frames) if table.in_frames else (clock.times_s[0], _end_s(clock))
    inside = (places >= first) & (places < stop)
    if not inside.all():
        unit = "frames" if table.in_frames else "s"
        notes.append(
            f"{(~inside).sum()} of {len(own)} events of {file} lie outside of the recording, which is "
            f"{first:g} to {stop:g} {unit}"
        )
    kept = [event for event, is_inside in zip(own, inside, strict=True) if is_inside]
    times_s = clock.times_s[places[inside].astype(int)] if table.in_frames else places[inside]
    order = np.argsort(times_s, kind="stable")
    said = [event.label for event in kept]
    listed = sorted(set(said), key=lambda label: (-said.count(label), label)) if said else []
    numbers = {label: number for number, label in enumerate(listed)}
    return SequenceEvents(
        np.asarray(times_s, np.float64)[order],
        np.array([event.duration_s for event in kept], np.float32)[order],
        np.array([numbers[label] for label in said], np.int32)[order],
        tuple(label or "event" for label in listed),
        tuple(notes),
    )


def _end_s(clock: Clock) -> float:
    return float(clock.times_s[0] + clock.duration_s)
