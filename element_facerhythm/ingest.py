"""Register a recording with everything above it, and populate what follows from it.

`register_videos` enters a recording that is to be analysed, `register_project` one that was analysed
already, `populate` computes or loads. Registration checks everything first and writes all rows in one
transaction: a request that is wrong leaves no row behind. What is registered already is kept, so
the same call twice changes nothing.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.columns import require_length
from element_facerhythm.errors import ConfigurationError, PathError, RequestError
from element_facerhythm.linking import active_link, relative_to_roots

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.io.project import Project
    from element_facerhythm.parameters import AnyParameters, FittedValue

logger = logging.getLogger(__name__)

UNKNOWN_BIRTH_DATE = date(1900, 1, 1)
"""Entered where nobody said when a subject was born: the Elements' table requires a date."""

DEVICE = {"device": "face camera", "modality": "video", "description": "camera of face videos"}


@dataclass(frozen=True)
class SessionChoice:
    """The session that a recording belongs to, and what to enter if it is not in the database yet.

    Attributes
    ----------
    subject, session_id
        Key of the session (`session_with_id` of element-session).
    sex, birth_date
        Of a subject that is new: 'M', 'F' or 'U' (unknown).
    session_datetime
        Of a session that is new; None takes the recording time of the first video, else the time of
        the file.
    """

    subject: str
    session_id: int
    sex: str = "U"
    birth_date: date = UNKNOWN_BIRTH_DATE
    session_datetime: datetime | None = None


@dataclass
class Registered:
    """What a registration gave.

    Attributes
    ----------
    key
        Of the task.
    new_rows
        Rows that were new, by table.
    notes
        Remarks.
    parameters_fitted
        What the run will take where the parameters left it open, and why.
    """

    key: dict[str, Any] = field(default_factory=dict)
    new_rows: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    parameters_fitted: "tuple[FittedValue, ...]" = ()


def register_videos(
    choice: SessionChoice,
    videos: Sequence[Path],
    rois: "Rois",
    parameters: "AnyParameters",
    *,
    recording_id: int = 0,
    frames: str = "",
    frame_rate_hz: float | None = None,
    times: Sequence[str] | None = None,
    allow_incomplete: bool = False,
) -> Registered:
    """Enter a recording of one or more videos and a task that analyses it (`trigger`).

    `frames` is the part to analyse ('A:B'; '' for all), `frame_rate_hz` a rate to take in place of what the
    videos say, and `times` names for each video the file with the times of its frames ('stamps': its own).
    With `allow_incomplete`, files that were cut off are taken up to their last whole frame.
    What the parameters leave open stays so in their row, and is fitted to the recording when it runs.

    Raises
    ------
    RequestError
        A video, a region, a parameter or a path is wrong; nothing was entered.
    """
    from element_facerhythm.pipeline import RunRequest, check_request
    from element_facerhythm.pipeline.frame_range import frame_range

    link = active_link()
    paths = [relative_to_roots(path.resolve(), link.search_dirs()) for path in videos]
    checked = check_request(
        RunRequest(
            tuple(videos),
            rois,
            parameters,
            project_dir=link.processed_dir() / "not-written",
            frames=frame_range(frames),
            frame_rate_hz=frame_rate_hz,
            times=None if times is None else tuple(times),
            allow_incomplete=allow_incomplete,
        )
    )
    recorded = [video.recording_time for video in checked.videos if video.recording_time]
    chosen = [_times_path(choice) for choice in times or [""] * len(paths)]
    files = [
        {
            "file_id": index,
            "file_path": path,
            "times_path": own,
            "allow_incomplete": allow_incomplete,
        }
        for index, (path, own) in enumerate(zip(paths, chosen, strict=True))
    ]
    done = Registered(notes=list(checked.notes), parameters_fitted=checked.parameters_fitted)
    with one_transaction():
        enter_session(done, choice, min(recorded) if recorded else modification_time(videos[0]))
        enter_recording(done, recording_id, files, frame_rate_hz)
        enter_task(done, rois, parameters, {"task_mode": "trigger", "frames": frames})
    return done


def register_project(
    choice: SessionChoice,
    project: "Project",
    parameters: "AnyParameters | None" = None,
    *,
    recording_id: int = 0,
) -> Registered:
    """Enter the recording of an existing project directory and a task that takes it over (`load`).

    The video files are entered where all that the project names are still there; otherwise the facts of
    the recording are those that the project holds. `parameters` of None takes those that a run of ours wrote
    down; of face-rhythm's projects what it recorded, with defaults for what it did not.

    Raises
    ------
    RequestError
        A product is missing, or the directory lies outside the configured ones; nothing was entered.
    """
    from element_facerhythm.io.layout import PRODUCTS
    from element_facerhythm.pipeline.recorded_parameters import parameters_of_project
    from element_facerhythm.workflow import facial_behavior_estimation as fbe

    project.require(*PRODUCTS)
    if parameters is None:
        parameters = parameters_of_project(project)
    files = surviving_videos(project)
    output_dir = relative_to_roots(project.directory.resolve(), active_link().search_dirs())
    done = Registered()
    with one_transaction():
        enter_session(done, choice, modification_time(project.directory / "config.yaml"))
        enter_recording(done, recording_id, files)
        if not files and not fbe.RecordingInfo() & done.key:
            fbe.RecordingInfo.insert_from_project(done.key, project)
            done.new_rows["RecordingInfo"] = 1
        enter_task(
            done, project.rois(), parameters, {"task_mode": "load", "output_dir": output_dir}
        )
    return done


def require_right_to_populate(tables: Sequence[Any]) -> None:
    """Refuse where the account may not insert into tables that are to be populated.

    Asked before any work: the database itself would only say so once the first job was computed.

    Raises
    ------
    RequestError
        The message names the account and the table.
    """
    from element_facerhythm.workflow import dj

    for table in tables:
        try:
            table().insert(
                table() & "1 = 0", allow_direct_insert=True
            )  # nothing, but the right is asked
        except dj.errors.AccessError as error:
            raise RequestError(
                f"the account {dj.config.database.user} may not populate {table.__name__}; register alone "
                "(--no-populate), and a worker does the rest"
            ) from error


def populate(key: Mapping[str, Any]) -> dict[str, int]:
    """Compute or load everything below a task; return how many rows each table now holds for it.

    Raises
    ------
    FaceRhythmError
        What the analysis raised; tables that were done before stay done.
    """
    from element_facerhythm.workflow import facial_behavior_estimation as fbe

    for table in fbe.POPULATED:
        table.populate(dict(key))
    return count_rows(key)


def count_rows(key: Mapping[str, Any]) -> dict[str, int]:
    """Return how many rows of each table of the schema belong to a key."""
    from element_facerhythm.workflow import facial_behavior_estimation as fbe

    masters = (fbe.VideoRecording, fbe.RecordingInfo, fbe.FaceRhythmROI, fbe.FaceRhythmTask)
    results = (fbe.FaceRhythmProcessing, fbe.FacialRhythm)
    counts = {table.__name__: len(table() & key) for table in (*masters, *results)}
    for table in results:
        parts = {name: part for name, part in vars(table).items() if hasattr(part, "master")}
        counts |= {f"{table.__name__}.{name}": len(part() & key) for name, part in parts.items()}
    return counts


# ------------------------------------------------------------------ projects


def surviving_videos(project: "Project") -> list[dict[str, Any]]:
    """Return file rows of the project's videos, if all are where it says, below the directories."""
    paths = [Path(path) for path in project.video_paths]
    if not all(path.is_absolute() and path.is_file() for path in paths):
        return []
    dirs = active_link().search_dirs()
    try:
        relative = [relative_to_roots(path, dirs) for path in paths]
    except PathError as error:
        logger.info("the project's videos are not entered: %s", error)
        return []
    return [{"file_id": index, "file_path": path} for index, path in enumerate(relative)]


def _times_path(given: str) -> str:
    """Choice of a file of times as the row holds it; PathError where it lies outside the directories."""
    from element_facerhythm.video.time_files import FROM_STAMPS

    if given in ("", FROM_STAMPS):
        return given
    return relative_to_roots(Path(given).resolve(), active_link().search_dirs())


# ------------------------------------------------------------------ rows


def enter_session(done: Registered, choice: SessionChoice, recording_time: datetime) -> None:
    """Enter subject, session and device where they are new."""
    from element_facerhythm.workflow import Device, Session, Subject

    require_length(Subject, "subject", choice.subject)
    done.key = {"subject": choice.subject, "session_id": choice.session_id}
    subject = {
        "subject": choice.subject,
        "sex": choice.sex,
        "subject_birth_date": choice.birth_date,
    }
    if enter(done, Subject, subject) and choice.birth_date == UNKNOWN_BIRTH_DATE:
        done.notes.append(
            f"subject {choice.subject} is new: entered with sex {choice.sex} and the placeholder birth "
            f"date {UNKNOWN_BIRTH_DATE}; give --sex and --birth-date, or correct the row"
        )
    given = choice.session_datetime
    time = (given or recording_time).replace(microsecond=0, tzinfo=None)
    if enter(done, Session, {**done.key, "session_datetime": time}) and given is None:
        done.notes.append(
            f"session {choice.session_id} is new: entered with the time of its file, {time}"
        )
    enter(done, Device, DEVICE)


def enter_recording(
    done: Registered,
    recording_id: int,
    files: list[dict[str, Any]],
    frame_rate_hz: float | None = None,
) -> None:
    """Enter the recording and its files; one that holds other files, or another given rate, is refused."""
    from element_facerhythm.workflow import facial_behavior_estimation as fbe

    done.key["recording_id"] = recording_id
    facts = {"device": DEVICE["device"], "frame_rate_hz": frame_rate_hz}
    if not enter(done, fbe.VideoRecording, {**done.key, **facts}):
        stored = (fbe.VideoRecording.File() & done.key).to_dicts(order_by="file_id")
        if [row["file_path"] for row in stored] != [row["file_path"] for row in files]:
            raise RequestError(
                f"recording {recording_id} of session {done.key['session_id']} of "
                f"{done.key['subject']} has other files "
                f"({', '.join(row['file_path'] for row in stored) or 'none'}); "
                "take another number with --recording"
            )
        stored_hz = (fbe.VideoRecording() & done.key).fetch1("frame_rate_hz")
        if frame_rate_hz is not None and frame_rate_hz != stored_hz:
            raise RequestError(
                f"recording {recording_id} of session {done.key['session_id']} of {done.key['subject']} was "
                f"entered with frame rate {stored_hz or 'that of its files'}, and --frame-rate "
                f"{frame_rate_hz:g} was given; take another number with --recording"
            )
        return
    fbe.VideoRecording.File.insert([{**done.key, **row} for row in files])
    done.new_rows["VideoRecording.File"] = len(files)


def enter_task(
    done: Registered, rois: "Rois", parameters: "AnyParameters", task: dict[str, Any]
) -> None:
    """Enter parameters, regions and the task; other regions than those stored get the next number."""
    from element_facerhythm.workflow import facial_behavior_estimation as fbe

    recording = dict(done.key)
    before = len(fbe.FaceRhythmParamSet()), len(fbe.FaceRhythmROI() & recording)
    done.key["paramset_id"] = fbe.FaceRhythmParamSet.insert_new_params(
        None, "entered by ingest", parameters
    )
    done.key["roi_id"] = fbe.FaceRhythmROI.find_roi_id(recording, rois)
    fbe.FaceRhythmROI.insert_rois({**recording, "roi_id": done.key["roi_id"]}, rois)
    done.new_rows["FaceRhythmParamSet"] = len(fbe.FaceRhythmParamSet()) - before[0]
    done.new_rows["FaceRhythmROI"] = len(fbe.FaceRhythmROI() & recording) - before[1]
    if not enter(done, fbe.FaceRhythmTask, {**done.key, **task}):
        stored = (fbe.FaceRhythmTask() & done.key).fetch1()
        if any(stored[name] != value for name, value in task.items()):
            raise ConfigurationError(
                f"task {done.key} is entered already with task_mode {stored['task_mode']!r}, output_dir "
                f"{stored['output_dir']!r} and frames {stored['frames']!r}; take another recording "
                "number, or delete that task"
            )


def enter(done: Registered, table: Any, row: dict[str, Any]) -> bool:
    """Insert a row unless its key is there; return whether it was new."""
    key = {name: row[name] for name in table.primary_key}
    is_new = not (table() & key)
    if is_new:
        table.insert1(row)
    done.new_rows[table.__name__] = int(is_new)
    return is_new


def modification_time(path: Path) -> datetime:
    """Return when a file was last written, in UTC."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


@contextmanager
def one_transaction() -> Iterator[None]:
    """Write all rows or none."""
    from element_facerhythm.workflow import facial_behavior_estimation as fbe

    with fbe.schema.connection.transaction:
        yield
