"""Rows of a recording and of its task, entered where they are new, in one transaction."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm.database.columns import require_length
from element_facerhythm.database.connection import is_collision
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.keys import key_text
from element_facerhythm.errors import ConfigurationError, RequestError
from element_facerhythm.ingest.registered import Registered
from element_facerhythm.ingest.rows import TableRows

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.parameters import AnyParameters

logger = logging.getLogger(__name__)

T = TypeVar("T")
_MOST_TRIES = 5


def enter_recording(
    done: Registered,
    recording_id: int,
    device: Mapping[str, Any],
    files: list[dict[str, Any]],
    frame_rate_hz: float | None = None,
) -> None:
    """Enter the recording and its files; one that holds other files, or another given rate, is refused.

    Parameters
    ----------
    done
        Its key is that of the session, and becomes that of the recording; collects what was new.
    recording_id
        Number of the recording in its session.
    device
        Key of the device, as of `enter_device`; a recording that is there keeps its own, with a note.
    files
        Rows of `VideoRecording.File`, without their key, in order; may be empty.
    frame_rate_hz
        Rate that was given; None for that of the files.

    Raises
    ------
    RequestError
        The recording is there with other files or another given rate, or a path is too long for its column.
    """
    done.key["recording_id"] = recording_id
    row = {**device, **done.key, "given_frame_rate_hz": frame_rate_hz}
    if not _enter(done, fbe.VideoRecording, row):
        stored = done.rows.find(fbe.VideoRecording.File, done.key, "file_path")
        paths = [row["file_path"] for row in sorted(stored, key=lambda row: int(row["file_id"]))]
        if paths != [row["file_path"] for row in files]:
            raise RequestError(
                f"recording {key_text(done.key)} has other files ({', '.join(paths) or 'none'}); take "
                "another number with --recording"
            )
        of_device = [name for name in device if name not in done.key]
        (entered,) = done.rows.find(fbe.VideoRecording, done.key, "given_frame_rate_hz", *of_device)
        there = {name: entered[name] for name in of_device}
        given = {name: device[name] for name in of_device if device[name] is not None}
        if given and given != there:
            done.notes.append(
                f"recording {key_text(done.key)} is entered with device {key_text(there)}, and stays so; "
                f"{key_text(given)} was given"
            )
        stored_hz = entered["given_frame_rate_hz"]
        if frame_rate_hz is not None and frame_rate_hz != stored_hz:
            raise RequestError(
                f"recording {key_text(done.key)} was entered with frame rate "
                f"{stored_hz or 'that of its files'}, and "
                f"--frame-rate {frame_rate_hz:g} was given; take another number with --recording"
            )
        return
    for row in files:
        for column in ("file_path", "times_path"):
            require_length(fbe.VideoRecording.File, column, row.get(column, ""))
    for path in (row["file_path"] for row in files):
        for other in recordings_of_file(done.rows, path):
            done.notes.append(f"{path} is in another recording, too: {other}")
    done.rows.insert(fbe.VideoRecording.File, [{**done.key, **row} for row in files])
    done.new_rows["VideoRecording.File"] = len(files)


def recordings_of_file(rows: TableRows, path: str) -> list[dict[str, Any]]:
    """Keys of the recordings that hold a file.

    Parameters
    ----------
    rows
        Where they are looked for.
    path
        Path of the file relative to a root directory, as `VideoRecording.File` has it.
    """
    found = rows.find(fbe.VideoRecording.File, {"file_path": path}, "file_path")
    # a server may take names for one that differ in case
    return [
        {name: row[name] for name in fbe.VideoRecording.primary_key}
        for row in found
        if row["file_path"] == path
    ]


def enter_task(
    done: Registered, rois: "Rois", parameters: "AnyParameters", task: dict[str, Any]
) -> None:
    """Enter parameters, regions and the task; other regions than those stored get the next number.

    Parameters
    ----------
    done
        Its key is that of the recording, and becomes that of the task; collects what was new.
    rois, parameters
        Regions of the recording, and the parameter set; those that are there already are kept.
    task
        Columns of `FaceRhythmTask` beside its key: `task_mode`, `frames` and, to load, `output_dir`.

    Raises
    ------
    ConfigurationError
        The task is there with other columns.
    """
    from element_facerhythm.io.region_labels import naming_note

    recording = dict(done.key)
    done.key["paramset_id"], is_new_set = done.rows.enter_parameters(parameters)
    done.key["roi_id"], are_new = done.rows.enter_rois(recording, rois)
    done.new_rows["FaceRhythmParamSet"] = int(is_new_set)
    done.new_rows["FaceRhythmROI"] = int(are_new)
    naming = naming_note(rois)
    if are_new:
        done.notes.extend((*rois.notes, *([] if naming is None else [naming])))
    if not _enter(done, fbe.FaceRhythmTask, {**done.key, **task}):
        (stored,) = done.rows.find(
            fbe.FaceRhythmTask, done.key, "task_mode", "output_dir", "frames"
        )
        if any(stored[name] != value for name, value in task.items()):
            raise ConfigurationError(
                f"task {key_text(done.key)} is entered already with task_mode {stored['task_mode']!r}, "
                "output_dir "
                f"{stored['output_dir']!r} and frames {stored['frames']!r}; take another recording "
                "number, or delete that task"
            )


def _enter(done: Registered, table: Any, row: dict[str, Any]) -> bool:
    """Insert a row unless its key is there; return whether it was new."""
    is_new = not done.rows.has(table, {name: row[name] for name in table.primary_key})
    if is_new:
        done.rows.insert(table, [row])
    done.new_rows[table.__name__] = int(is_new)
    return is_new


def modification_time(path: Path) -> datetime:
    """Return when a file was last written, in UTC."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


@contextmanager
def one_transaction() -> Iterator[None]:
    """Write all rows or none."""
    with fbe.schema.connection.transaction:
        yield


def enter_at_once(enter_rows: Callable[[], T]) -> T:
    """Enter in one transaction; once more where another session entered the same rows at the same time.

    Raises
    ------
    Exception
        What `enter_rows` raised; nothing was entered.
    """
    dj: Any = import_datajoint()
    for _ in range(_MOST_TRIES - 1):
        try:
            with one_transaction():
                return enter_rows()
        except Exception as error:
            if not (isinstance(error, dj.errors.DuplicateError) or is_collision(error)):
                raise
            logger.info("entered by another session at the same time; once more: %s", error)
    with one_transaction():
        return enter_rows()
