"""`facerhythm ingest`: a recording into the database."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from element_facerhythm.cli.ingest_options import (
    BirthDateOption,
    DryRunOption,
    NewSessionOption,
    NewSubjectOption,
    NoPopulateOption,
    NumberOption,
    ProjectOption,
    RoisOption,
    SessionTimeOption,
    SexOption,
    TableOption,
    VideosArgument,
    session_choice,
)
from element_facerhythm.cli.key_options import KeyOption
from element_facerhythm.cli.output import (
    IncompleteOption,
    JsonOption,
    print_registered,
    progress_bars,
    quiet_stdout,
)
from element_facerhythm.cli.parameter_options import (
    Given,
    ParamsetOption,
    ParamsOption,
    PresetOption,
    SetOption,
    parameter_choice,
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


def ingest(
    videos: VideosArgument = None,
    project: ProjectOption = None,
    table: TableOption = None,
    rois: RoisOption = None,
    subject: NewSubjectOption = None,
    session: NewSessionOption = None,
    key: KeyOption = None,
    recording: NumberOption = 0,
    params: ParamsOption = None,
    settings: SetOption = None,
    preset: PresetOption = None,
    paramset: ParamsetOption = None,
    frames: FramesOption = None,
    frame_rate: FrameRateOption = None,
    times: TimesOption = None,
    sex: SexOption = None,
    birth_date: BirthDateOption = None,
    session_datetime: SessionTimeOption = None,
    no_populate: NoPopulateOption = False,
    dry_run: DryRunOption = False,
    incomplete: IncompleteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Register a recording in the configured database and populate what follows from it.

    Give videos and a ROI file to analyse them, with parameters that are fitted to them where none are given,
    or `--project` to take over a directory that face-rhythm or `facerhythm run` wrote. Subject, session,
    recording and task are entered as needed. In a lab's own pipeline `--key` gives the session, and the
    device, by the columns of their keys, and its linking module may name the videos of a recording.

    `--table` registers the recordings of a table, a row each, and leaves populating to workers; what a row
    leaves open is taken from the other options.

    Example: `facerhythm ingest mouse.mp4 --rois rois.json --subject mouse1 --session 1`
    """
    from element_facerhythm.ingest import populate
    from element_facerhythm.pipeline.progress import use_progress

    given = Given(params, settings, preset)
    choice = session_choice(subject, session, key, sex, birth_date, session_datetime)
    if table is not None:
        from element_facerhythm.cli.ingest_table import ingest_table
        from element_facerhythm.ingest.sheet_entry import Defaults

        require_table_alone(videos or [], project, recording)
        defaults = Defaults(
            choice.key,
            choice.facts,
            rois,
            parameter_choice(given, paramset),
            frames or "",
            frame_rate,
            tuple(times) if times else None,
            incomplete,
        )
        ingest_table(table, defaults, dry_run=dry_run, as_json=as_json)
        return
    if dry_run:
        raise typer.BadParameter("--dry-run goes with --table")
    require_one_source(videos or [], project, rois, frames, frame_rate, times, paramset)
    parameter_choice(
        given, paramset
    ).read_file()  # a wrong one is refused before the database is opened
    with quiet_stdout(), progress_bars() as progress, use_progress(progress):
        registered = register(
            choice,
            videos or [],
            project,
            rois,
            given,
            paramset,
            recording,
            frames or "",
            frame_rate,
            times,
            to_populate=not no_populate,
            allow_incomplete=incomplete,
        )
        rows = {} if no_populate else populate(registered.key)
    print_registered(registered, rows, as_json=as_json)


def require_one_source(
    videos: list[Path],
    project: Path | None,
    rois: str | None,
    frames: str | None,
    frame_rate: float | None,
    times: list[str] | None,
    paramset: str | None,
) -> None:
    """Accept videos with a ROI file, a ROI file alone (the linking module knows the videos), or a project."""
    if (bool(videos) or rois is not None) == (project is not None):
        raise typer.BadParameter("give videos with --rois, or --project, and not both")
    if videos and rois is None:
        raise typer.BadParameter("videos need --rois FILE; `facerhythm rois propose` makes one")
    if project is not None and (frames or frame_rate or times):
        raise typer.BadParameter(
            "--frames, --frame-rate and --times go with videos, not with --project"
        )
    if project is not None and paramset is not None:
        raise typer.BadParameter(
            "--paramset goes with videos, not with --project, which has its own"
        )
    if project is not None and rois is not None:
        raise typer.BadParameter("--rois does not go with --project, which has its own")


def require_table_alone(videos: list[Path], project: Path | None, recording: int) -> None:
    """Accept a table and nothing that says a recording beside it."""
    if videos or project is not None or recording:
        raise typer.BadParameter(
            "--table says the recordings: videos, --project and --recording do not go with it"
        )


def linked_videos(choice: "SessionChoice", recording: int) -> list[Path]:
    """Video files that the linking module names for a recording, where none were given."""
    from element_facerhythm.ingest.session import session_key
    from element_facerhythm.linking import active_link

    key = {**session_key(choice), "recording_id": recording}
    return list(active_link().video_files(key))


def register(
    choice: "SessionChoice",
    videos: list[Path],
    project: Path | None,
    rois: str | None,
    given: Given,
    paramset: str | None,
    recording: int,
    frames: str,
    frame_rate_hz: float | None,
    times: list[str] | None,
    *,
    to_populate: bool,
    allow_incomplete: bool = False,
) -> "Registered":
    """Read the files, then register them."""
    from element_facerhythm.cli.database_access import pipeline_to_fill
    from element_facerhythm.errors import PathError
    from element_facerhythm.ingest import register_project, register_videos
    from element_facerhythm.ingest.roi_source import RoiSource
    from element_facerhythm.io.project import Project
    from element_facerhythm.linking import active_link
    from element_facerhythm.parameters.open_reading import read_stated_parameters
    from element_facerhythm.pipeline.results.recorded_parameters import parameters_of_project

    if project is None:
        assert rois is not None  # require_one_source saw to it
        source = RoiSource(rois)
        source.read_file()
        pipeline_to_fill(to_populate=to_populate)
        videos = videos or linked_videos(choice, recording)
        parameters, notes = parameter_choice(given, paramset).load()
        texts = {**choice.facts, **choice.key, "recording_id": recording}
        probing: dict[str, Any] = {
            "frame_rate_hz": frame_rate_hz, "allow_incomplete": allow_incomplete,
        }  # fmt: skip
        regions, more = source.rois(choice, texts, videos, **probing)
        registered = register_videos(
            choice,
            videos,
            regions,
            parameters,
            recording_id=recording,
            frames=frames,
            times=times_of(times, len(videos)),
            **probing,
        )
        registered.notes[:0] = [*notes, *more]
        return registered
    has_links = False
    try:
        opened = Project.open(project)
    except PathError:  # they may lead to another place below a data directory
        has_links = True
    pipeline_to_fill(to_populate=to_populate)
    if has_links:
        opened = Project.open(project, active_link().search_dirs())
    if given.preset:
        raise typer.BadParameter(
            "--preset does not go with --project: results that exist were made with what the project says"
        )
    recorded = parameters_of_project(opened)
    loaded = read_stated_parameters(given.params, given.settings or (), recorded)
    registered = register_project(
        choice,
        opened,
        loaded.parameters,
        recording_id=recording,
        allow_incomplete=allow_incomplete,
    )
    registered.notes[:0] = reading_notes(loaded)
    return registered
