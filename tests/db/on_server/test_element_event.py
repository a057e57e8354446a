"""Events of element-event's tables, declared as that element declares them, without its upstream tables."""

from types import ModuleType

import pytest

from element_facerhythm.errors import RequestError
from element_facerhythm.linking.element_event import events_of_session


def test_events_of_a_session_are_read_with_their_types_and_durations(workflow: ModuleType) -> None:
    dj = workflow.dj
    schema = dj.Schema(f"{workflow.prefix}events")
    try:

        @schema
        class Event(dj.Manual):
            definition = """
            subject : varchar(8)
            session_id : int32
            event_type : varchar(32)
            event_start_time : decimal(10, 4)
            ---
            event_end_time = null : decimal(10, 4)
            """

        names = ("subject", "session_id", "event_type", "event_start_time", "event_end_time")
        rows = [
            ("m1", 1, "lick", "12.5", None),
            ("m1", 1, "tone", "3.25", "3.75"),
            ("m1", 1, "lick", "1.125", None),
            ("m2", 1, "lick", "7", None),
        ]
        Event.insert(dict(zip(names, row, strict=True)) for row in rows)
        key = {"subject": "m1", "session_id": 1, "recording_id": 0}
        found = events_of_session(Event, key, offset_s=0.5)
        assert [(e.place, e.label, e.duration_s) for e in found.events] == [
            (1.625, "lick", 0.0), (3.75, "tone", 0.5), (13.0, "lick", 0.0),
        ]  # fmt: skip
        assert not found.in_frames and "event" in found.source
        assert len(events_of_session(Event, key, ["tone"]).events) == 1
        with pytest.raises(RequestError, match="no events of"):
            events_of_session(Event, {"subject": "m3"})
        with pytest.raises(RequestError, match="no column event_type"):
            events_of_session(workflow.session.Session, key)
    finally:
        schema.drop(prompt=False)
