"""Facts of the session of a recording, for file formats that require them."""

from datetime import UTC, date, datetime
from typing import Any

from element_facerhythm.facial_behavior_estimation.entered_files import entered_files
from element_facerhythm.facial_behavior_estimation.recording import Key, VideoRecording
from element_facerhythm.keypoints.nwb_export import NwbFacts
from element_facerhythm.linking import active_link

_PLACEHOLDER = date(1900, 1, 1)  # entered by `ingest` where no date is given
_SEXES = ("M", "F", "U", "O")


def facts_of_recording(key: Key) -> tuple[NwbFacts, list[str]]:
    """Facts of the session that a recording belongs to, and remarks on them.

    The session's start is its only column of time, the subject the table above the session that has a sex.

    Parameters
    ----------
    key
        Primary key of the recording, or of something computed from it.
    """
    recording = {name: key[name] for name in VideoRecording.primary_key}
    session = active_link().session
    session_key = {name: key[name] for name in session.primary_key}
    start = _only_time((session() & session_key).fetch1())
    notes = []
    if start is not None and start.tzinfo is None:
        notes.append(f"the session's start {start} has no time zone in the database: taken as UTC")
        start = start.replace(tzinfo=UTC)
    of_subject, subject = _subject(session, session_key)
    files = (VideoRecording.File() & recording).to_dicts(order_by="file_id")
    born = subject.get("subject_birth_date")
    sex = subject.get("sex")
    filmed = (VideoRecording() & recording).fetch1()
    device = [filmed[name] for name in active_link().device.primary_key]
    own = [f"{value}" for name, value in session_key.items() if name not in of_subject]
    return (
        NwbFacts(
            session_start_time=start,
            subject_id=" ".join(map(str, of_subject.values())) or None,
            sex=sex if sex in _SEXES else None,
            birth_date=born if isinstance(born, date) and born != _PLACEHOLDER else None,
            session_description=f"session {', '.join(f'{n} {v}' for n, v in session_key.items())}",
            device=None if None in device else " ".join(map(str, device)),
            videos=tuple(row["file_path"] for row in files),
            starting_frames=_starts(recording),
            session_id="-".join(own) or None,
        ),
        notes,
    )


def _starts(recording: Key) -> tuple[int, ...]:
    """Count where each video of a recording begins."""
    lengths = [file.n_frames for file in entered_files(recording)]
    return tuple(sum(lengths[:number]) for number in range(len(lengths)))


def _only_time(row: dict[str, Any]) -> datetime | None:
    times = [value for value in row.values() if isinstance(value, datetime)]
    named = row.get("session_datetime")
    if isinstance(named, datetime):
        return named
    return times[0] if len(times) == 1 else None


def _subject(session: Any, session_key: Key) -> tuple[Key, dict[str, Any]]:
    """Key and row of the subject above a session; empty where there is no such table."""
    for table in session().parents(as_objects=True):
        if "sex" in table.heading.names and set(table.primary_key) <= set(session_key):
            key = {name: session_key[name] for name in table.primary_key}
            return key, dict((table & key).fetch1())
    return {}, {}
