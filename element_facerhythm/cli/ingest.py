"""`facerhythm ingest`: a recording into the database."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.output import (
    IncompleteOption,
    JsonOption,
    print_registered,
    progress_bars,
    quiet_stdout,
)
from element_facerhythm.cli.parameter_options import (
    Given,
    ParamsOption,
    Preset,
    PresetOption,
    SetOption,
    load_parameters,
    reading_notes,
)
from element_facerhythm.cli.recording_options import (
    FrameRateOption,
    FramesOption,
    TimesOption,
    times_of,
)

if TYPE_CHECKING:
    from element_facerhythm.ingest import Registered, SessionChoice


class Sex(StrEnum):
    """Of a subject that is new to the database."""

    M = "M"
    F = "F"
    U = "U"


def ingest(
    subject: Annotated[str, typer.Option("--subject", help="Subject, entered if it is new.")],
    session: Annotated[
        int, typer.Option("--session", help="Number of the session, entered if it is new.")
    ],
    videos: Annotated[
        list[Path] | None, typer.Argument(help="Videos of one recording, in order.")
    ] = None,
    project: Annotated[
        Path | None,
        typer.Option("--project", help="Existing project directory, in place of videos."),
    ] = None,
    rois: Annotated[
        Path | None, typer.Option("--rois", help="ROI file (JSON), or a face-rhythm ROIs.h5.")
    ] = None,
    recording: Annotated[
        int, typer.Option("--recording", help="Number of the recording in its session.")
    ] = 0,
    params: ParamsOption = None,
    settings: SetOption = None,
    preset: PresetOption = None,
    frames: FramesOption = None,
    frame_rate: FrameRateOption = None,
    times: TimesOption = None,
    sex: Annotated[Sex, typer.Option(help="Of a new subject.")] = Sex.U,
    birth_date: Annotated[
        datetime | None,
        typer.Option("--birth-date", formats=["%Y-%m-%d"], help="Of a new subject."),
    ] = None,
    session_datetime: Annotated[
        datetime | None,
        typer.Option("--session-datetime", help="Of a new session (default: the file's time)"),
    ] = None,
    no_populate: Annotated[
        bool, typer.Option("--no-populate", help="Register only; a worker does the rest.")
    ] = False,
    incomplete: IncompleteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Register a recording in the configured database and populate what follows from it.

    Give videos and a ROI file to analyse them, with parameters that are fitted to them where nothing is said,
    or `--project` to take over a directory that face-rhythm or `facerhythm run` wrote. Subject, session,
    recording and task are entered as needed.

    Example: `facerhythm ingest mouse.mp4 --rois rois.json --subject mouse1 --session 1`
    """
    from element_facerhythm.ingest import UNKNOWN_BIRTH_DATE, SessionChoice, populate
    from element_facerhythm.pipeline.progress import reporting_to

    require_one_source(videos or [], project, rois, frames, frame_rate, times)
    given = Given(params, settings, preset)
    load_parameters(*given)  # a wrong one is told before the database is opened
    choice = SessionChoice(
        subject,
        session,
        sex=sex.value,
        birth_date=birth_date.date() if birth_date else UNKNOWN_BIRTH_DATE,
        session_datetime=session_datetime,
    )
    with quiet_stdout(), progress_bars() as progress, reporting_to(progress):
        registered = register(
            choice,
            videos or [],
            project,
            rois,
            given,
            recording,
            frames or "",
            frame_rate,
            times_of(times, len(videos or [])),
            to_populate=not no_populate,
            allow_incomplete=incomplete,
        )
        rows = {} if no_populate else populate(registered.key)
    print_registered(registered, rows, as_json=as_json)


def require_one_source(
    videos: list[Path],
    project: Path | None,
    rois: Path | None,
    frames: str | None,
    frame_rate: float | None,
    times: list[str] | None,
) -> None:
    """Accept videos with a ROI file, or a project directory."""
    if bool(videos) == (project is not None):
        raise typer.BadParameter("give videos with --rois, or --project, and not both")
    if videos and rois is None:
        raise typer.BadParameter("videos need --rois FILE; `facerhythm rois propose` makes one")
    if project is not None and (frames or frame_rate or times):
        raise typer.BadParameter(
            "--frames, --frame-rate and --times go with videos, not with --project"
        )
    if project is not None and rois is not None:
        raise typer.BadParameter("--rois does not go with --project, which has its own")


def register(
    choice: "SessionChoice",
    videos: list[Path],
    project: Path | None,
    rois: Path | None,
    given: Given,
    recording: int,
    frames: str,
    frame_rate_hz: float | None,
    times: tuple[str, ...] | None,
    *,
    to_populate: bool,
    allow_incomplete: bool = False,
) -> "Registered":
    """Read the files, then register them."""
    from element_facerhythm.cli.database import activated_workflow
    from element_facerhythm.errors import PathError
    from element_facerhythm.ingest import register_project, register_videos
    from element_facerhythm.io.project import Project
    from element_facerhythm.io.rois_file import read_rois
    from element_facerhythm.linking import active_link
    from element_facerhythm.pipeline.recorded_parameters import parameters_of_project

    if project is None:
        assert rois is not None  # require_one_source saw to it
        regions, loaded = read_rois(rois), load_parameters(*given)
        activated_workflow(to_populate=to_populate)
        registered = register_videos(
            choice,
            videos,
            regions,
            loaded.parameters,
            recording_id=recording,
            frames=frames,
            frame_rate_hz=frame_rate_hz,
            times=times,
            allow_incomplete=allow_incomplete,
        )
        registered.notes[:0] = reading_notes(loaded)
        return registered
    has_links = False
    try:
        opened = Project.open(project)
    except PathError:  # they may lead to another place below a data directory
        has_links = True
    activated_workflow(to_populate=to_populate)
    if has_links:
        opened = Project.open(project, active_link().search_dirs())
    # results that exist are of what the project recorded, or of the file and the defaults: nothing is fitted
    recorded = None if given.params or given.preset else parameters_of_project(opened)
    loaded = load_parameters(given.params, given.settings, Preset.FACE_RHYTHM, base=recorded)
    registered = register_project(choice, opened, loaded.parameters, recording_id=recording)
    registered.notes[:0] = reading_notes(loaded)
    return registered
