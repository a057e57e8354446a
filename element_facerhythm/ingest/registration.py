"""Register a recording with everything above it, and populate what follows from it.

`register_videos` enters a recording that is to be analysed, `register_project` one that was analysed
already, `populate` computes or loads. Registration checks everything first and writes all rows in one
transaction: a request that is wrong leaves no row behind. What is registered already is kept, so
the same call twice changes nothing.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.keys import restriction_of
from element_facerhythm.database.settings import figures_wanted
from element_facerhythm.errors import RequestError
from element_facerhythm.facial_behavior_estimation.report import without_drawing
from element_facerhythm.ingest.entering import (
    enter_at_once,
    enter_recording,
    enter_task,
    modification_time,
    one_transaction,
)
from element_facerhythm.ingest.registered import Registered
from element_facerhythm.ingest.rows import TableRows
from element_facerhythm.ingest.session import enter_device, enter_session
from element_facerhythm.ingest.session_choice import SessionChoice
from element_facerhythm.linking import active_link, relative_to_roots

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.io.project import Project
    from element_facerhythm.parameters import AnyParameters, FittedValue

logger = logging.getLogger(__name__)


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

    What the parameters leave open stays so in their row, and is fitted to the recording when it runs.

    Parameters
    ----------
    choice
        Session and device of the recording, and facts for rows that are new.
    videos
        Its files, in order, below the directories of the linking module.
    rois
        Regions of interest.
    parameters
        Analysis parameters; some may be open.
    recording_id
        Number of the recording in its session.
    frames
        The part to analyse, `A:B`, of the frames of all videos together; empty for all.
    frame_rate_hz
        Rate to take in place of what the videos say; None for their own.
    times
        For each video the file with the times of its frames, or `stamps` for its own; None: as they say.
    allow_incomplete
        Take files that were cut off up to their last whole frame.

    Raises
    ------
    RequestError
        A video, a region, a parameter or a path is wrong, a new row needs more than was given, or the
        database holds something else under the same key; nothing was entered.
    """
    checked = check_videos(
        videos,
        rois,
        parameters,
        frames=frames,
        frame_rate_hz=frame_rate_hz,
        times=times,
        allow_incomplete=allow_incomplete,
    )
    return enter_at_once(lambda: enter_videos(choice, checked, recording_id))


@dataclass(frozen=True)
class CheckedVideos:
    """Videos of a recording with regions and parameters, which can be entered.

    Attributes
    ----------
    files
        Rows of `VideoRecording.File`, without their key.
    recording_time
        When the first began, or its file was written last.
    rois, parameters, frames, frame_rate_hz
        As of `register_videos`.
    notes, parameters_fitted
        As of `Registered`.
    """

    files: tuple[dict[str, Any], ...]
    recording_time: datetime
    rois: "Rois"
    parameters: "AnyParameters"
    frames: str
    frame_rate_hz: float | None
    notes: tuple[str, ...]
    parameters_fitted: "tuple[FittedValue, ...]"

    def with_notes(self, notes: Sequence[str]) -> "CheckedVideos":
        """Return the same with further notes before its own."""
        return replace(self, notes=(*notes, *self.notes))


def check_videos(
    videos: Sequence[Path],
    rois: "Rois",
    parameters: "AnyParameters",
    *,
    frames: str = "",
    frame_rate_hz: float | None = None,
    times: Sequence[str] | None = None,
    allow_incomplete: bool = False,
) -> CheckedVideos:
    """Read the videos of a recording and check what is to be done; nothing is entered.

    Parameters
    ----------
    videos, rois, parameters, frames, frame_rate_hz, times, allow_incomplete
        As of `register_videos`.

    Raises
    ------
    RequestError
        A video, a region, a parameter or a path is wrong.
    """
    from element_facerhythm.facial_behavior_estimation.project_videos import times_path_of
    from element_facerhythm.pipeline import RunRequest, check_request
    from element_facerhythm.pipeline.run.frame_range import frame_range

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
    chosen = [times_path_of(choice) for choice in times or [""] * len(paths)]
    files = tuple(
        {
            "file_id": index,
            "file_path": path,
            "times_path": own,
            "allow_incomplete": allow_incomplete,
        }
        for index, (path, own) in enumerate(zip(paths, chosen, strict=True))
    )
    return CheckedVideos(
        files,
        min(recorded) if recorded else modification_time(videos[0]),
        rois,
        parameters,
        frames,
        frame_rate_hz,
        tuple(checked.notes),
        checked.parameters_fitted,
    )


def enter_videos(
    choice: SessionChoice,
    checked: CheckedVideos,
    recording_id: int | Callable[[Registered], int],
    rows: TableRows | None = None,
) -> Registered:
    """Enter a recording of checked videos, and a task that analyses it; the caller opens the transaction.

    Parameters
    ----------
    choice
        The session.
    checked
        The videos.
    recording_id
        Number of the recording, or what gives it once the session is entered.
    rows
        Where they go; into the tables where it is left out.

    Raises
    ------
    RequestError
        The database holds something else under the same key, or a new row needs more than was given.
    """
    done = Registered(
        notes=list(checked.notes),
        parameters_fitted=checked.parameters_fitted,
        rows=rows or TableRows(),
    )
    enter_session(done, choice, checked.recording_time)
    number = recording_id if isinstance(recording_id, int) else recording_id(done)
    device = enter_device(done, choice)
    enter_recording(done, number, device, list(checked.files), checked.frame_rate_hz)
    enter_task(
        done, checked.rois, checked.parameters, {"task_mode": "trigger", "frames": checked.frames}
    )
    return done


def register_project(
    choice: SessionChoice,
    project: "Project",
    parameters: "AnyParameters | None" = None,
    *,
    recording_id: int = 0,
    allow_incomplete: bool = False,
) -> Registered:
    """Enter the recording of an existing project directory and a task that takes it over (`load`).

    The video files are entered where all that the project names are still there; otherwise the facts of
    the recording are those that the project holds.

    Parameters
    ----------
    choice, recording_id, allow_incomplete
        As of `register_videos`.
    project
        The project, in a directory below those of the linking module.
    parameters
        Those that it was made with; None takes what the project records, with nulls for the rest.

    Raises
    ------
    RequestError
        A product is missing, the project is of other videos, another recording or other parameters, or the
        directory lies outside the configured ones; nothing was entered.
    """
    from element_facerhythm.facial_behavior_estimation.entered_recording import recording_of_rows
    from element_facerhythm.facial_behavior_estimation.project_videos import surviving_videos
    from element_facerhythm.io.layout import PRODUCTS
    from element_facerhythm.parameters import as_open
    from element_facerhythm.pipeline.results.recorded_parameters import (
        executed_parameters,
        parameters_of_project,
        require_parameters,
    )
    from element_facerhythm.pipeline.results.recording_match import require_recording

    project.require(*PRODUCTS)
    if parameters is None:
        parameters = parameters_of_project(project)
    else:
        require_parameters(project, as_open(parameters), executed_parameters(project).parameters)
    files, frames, given_hz = surviving_videos(project, allow_incomplete=allow_incomplete)
    output_dir = relative_to_roots(project.directory.resolve(), active_link().search_dirs())
    done = Registered()
    with one_transaction():
        enter_session(done, choice, modification_time(project.directory / "config.yaml"))
        enter_recording(done, recording_id, enter_device(done, choice), files, given_hz)
        if not files and not fbe.RecordingInfo() & done.key:
            fbe.RecordingInfo.insert_from_project(done.key, project)
            done.new_rows["RecordingInfo"] = 1
        if fbe.RecordingInfo() & done.key:
            require_recording(project, recording_of_rows(done.key, frames))
        task = {"task_mode": "load", "output_dir": output_dir, "frames": frames}
        enter_task(done, project.rois(), parameters, task)
    return done


def require_right_to_populate(tables: Sequence[Any]) -> None:
    """Refuse where the account may not insert into the tables that are to be populated.

    Checked before any work: the database itself would refuse only after the first job was computed.

    Raises
    ------
    RequestError
        The message names the account and the table.
    """
    dj: Any = import_datajoint()
    for table in tables:
        try:
            table().insert(
                table() & "1 = 0", allow_direct_insert=True
            )  # no row, but the right is checked
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
    key = restriction_of(fbe.VideoRecording, key)
    for table in fbe.POPULATED if figures_wanted() else without_drawing(fbe.POPULATED):
        table.populate(key)
    return count_rows(key)


def count_rows(key: Mapping[str, Any]) -> dict[str, int]:
    """Return how many rows of each table of the schema belong to a key."""
    masters = (fbe.VideoRecording, fbe.RecordingInfo, fbe.FaceRhythmROI, fbe.FaceRhythmTask)
    results = [table for table in fbe.POPULATED if table is not fbe.RecordingInfo]
    counts = {table.__name__: len(table() & key) for table in (*masters, *results)}
    for table in results:
        parts = {name: part for name, part in vars(table).items() if hasattr(part, "master")}
        counts |= {f"{table.__name__}.{name}": len(part() & key) for name, part in parts.items()}
    return counts
