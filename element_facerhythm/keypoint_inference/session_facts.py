"""Facts of the session of a run of keypoints, for file formats that require them."""

from datetime import UTC, date, datetime
from typing import Any

from element_facerhythm.database.keys import restriction_of
from element_facerhythm.errors import KeypointError
from element_facerhythm.facial_behavior_estimation.entered_files import entered_files
from element_facerhythm.facial_behavior_estimation.recording import Key, VideoRecording
from element_facerhythm.keypoint_inference.inference import KeypointInference
from element_facerhythm.keypoint_inference.model import KeypointModel
from element_facerhythm.keypoints.nwb_export import NwbFacts
from element_facerhythm.linking import active_link

_PLACEHOLDER = date(1900, 1, 1)  # entered by `ingest` where no date is given
_SEXES = ("M", "F", "U", "O")


def facts_of_run(key: Key) -> tuple[NwbFacts, list[str]]:
    """Facts of the session that a run belongs to, and remarks on them.

    The session's start is its only column of time, the subject the table above the session that has a sex.

    Raises
    ------
    KeypointError
        The key leaves no run, or several.
    """
    found = (KeypointInference() & restriction_of(KeypointInference, key)).keys()
    if len(found) != 1:
        raise KeypointError(f"{key} leaves {len(found)} entries of KeypointInference; expected one")
    run = dict(found[0])
    session = active_link().session
    row = (session() & run).fetch1()
    start = _only_time(row)
    notes = []
    if start is not None and start.tzinfo is None:
        notes.append(f"the session's start {start} has no time zone in the database: taken as UTC")
        start = start.replace(tzinfo=UTC)
    whose, subject = _subject(session, run)
    recording = {name: run[name] for name in VideoRecording.primary_key}
    files = (VideoRecording.File() & recording).to_dicts(order_by="file_id")
    born = subject.get("subject_birth_date")
    sex = subject.get("sex")
    filmed = (VideoRecording() & recording).fetch1()
    device = [filmed[name] for name in active_link().device.primary_key]
    session_key = {n: run[n] for n in session.primary_key}
    return (
        NwbFacts(
            session_start_time=start,
            subject_id=whose,
            identifier="_".join(f"{value}" for value in run.values()),
            sex=sex if sex in _SEXES else None,
            birth_date=born if isinstance(born, date) and born != _PLACEHOLDER else None,
            session_description=f"session {', '.join(f'{n} {v}' for n, v in session_key.items())}",
            device=None if None in device else " ".join(map(str, device)),
            videos=tuple(row["file_path"] for row in files),
            starting_frames=_starts(recording),
            scorer=(KeypointModel() & run).fetch1("model_name"),
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


def _subject(session: Any, run: Key) -> tuple[str | None, dict[str, Any]]:
    """Name and row of the subject above a session; none where there is no such table."""
    for table in session().parents(as_objects=True):
        if "sex" in table.heading.names and set(table.primary_key) <= set(run):
            key = {name: run[name] for name in table.primary_key}
            return " ".join(map(str, key.values())), dict((table & key).fetch1())
    return None, {}
