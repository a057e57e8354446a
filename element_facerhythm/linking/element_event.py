"""Events of element-event's tables, where a lab has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from element_facerhythm.errors import RequestError
from element_facerhythm.io.events import MOST_EVENTS, Event, EventTable

_COLUMNS = ("event_type", "event_start_time")


def events_of_session(
    table: Any, key: Mapping[str, Any], event_types: Sequence[str] = (), *, offset_s: float = 0.0
) -> EventTable:
    """Read the events of one behaviour recording of element-event.

    Parameters
    ----------
    table
        Its table `Event`, or any with the columns `event_type`, `event_start_time` in seconds, and
        `event_end_time` where wanted.
    key
        Of the session.
    event_types
        Those that are read; all of them where there are none.
    offset_s
        When the behaviour recording began, in seconds on the clock of the video: element-event's times count
        from its beginning.

    Raises
    ------
    RequestError
        The table lacks a column, the session has no such event, or too many.
    """
    query = table()
    name, columns = query.full_table_name, query.heading.names
    missing = [column for column in _COLUMNS if column not in columns]
    if missing:
        raise RequestError(
            f"{name} has no column {missing[0]}; expected a table of element-event's events"
        )
    query &= {column: value for column, value in key.items() if column in columns}
    if event_types:
        query &= [{"event_type": one} for one in event_types]
    rows = query.to_dicts(order_by="event_start_time", limit=MOST_EVENTS + 1)
    if not rows or len(rows) > MOST_EVENTS:
        found = "no events" if not rows else f"more than {MOST_EVENTS} events"
        raise RequestError(f"{name} has {found} of {dict(key)}")
    return EventTable(name, False, tuple(_event(row, offset_s) for row in rows))


def _event(row: Mapping[str, Any], offset_s: float) -> Event:
    start_s, end = float(row["event_start_time"]), row.get("event_end_time")
    duration_s = 0.0 if end is None else max(float(end) - start_s, 0.0)
    return Event(start_s + offset_s, str(row["event_type"]), duration_s, None)
