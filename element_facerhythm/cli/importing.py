"""`facerhythm import`: results of other tools, into the database, and out of it again."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from element_facerhythm.cli.ingest_options import (
    BirthDateOption,
    NewSessionOption,
    NewSubjectOption,
    NoPopulateOption,
    NumberOption,
    SessionTimeOption,
    SexOption,
    session_choice,
)
from element_facerhythm.cli.key_options import (
    KeyOption,
    RecordingOption,
    SessionOption,
    SubjectOption,
    key_of_recording,
    key_texts,
)
from element_facerhythm.cli.linking_option import DatabaseCommand
from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    print_lines,
    print_registered,
    print_table,
    progress_bars,
    quiet_stdout,
)

app = typer.Typer(help="Take in what other tools computed.", no_args_is_help=True)

FilesArgument = Annotated[
    list[Path],
    typer.Argument(help="Predictions: one file for the recording, or one for each of its videos."),
]
SoftwareOption = Annotated[
    str,
    typer.Option(
        "--from",
        help="Who wrote them: Facemap, DeepLabCut, SLEAP, LightningPose, Anipose, NWB, VIA-tracks, movement, "
        "deeperfly.",
    ),
]
TableOption = Annotated[
    str | None, typer.Option("--table", help="Key of the table, in a DeepLabCut .h5 of several.")
]
ScorerOption = Annotated[
    str | None, typer.Option("--scorer", help="Scorer, in a table of several.")
]
ModuleOption = Annotated[
    str | None, typer.Option("--module", help="Processing module, in an NWB file of several.")
]
ContainerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--container",
        help="Container of poses, in an NWB file of several; each given one is an individual.",
    ),
]
VideoOption = Annotated[
    int | None, typer.Option("--video", help="Number of the video, in SLEAP labels of several.")
]
FrameRateOption = Annotated[
    float | None,
    typer.Option(
        "--frame-rate",
        help="Frames per second by which the file counts its times, if not the video's.",
    ),
]
FirstFrameOption = Annotated[
    int,
    typer.Option("--first-frame", help="Number that the file gives to the video's first frame."),
]
FirstTimeOption = Annotated[
    float,
    typer.Option("--first-time", help="Seconds that the file gives to the video's first frame."),
]
RenameOption = Annotated[
    list[str] | None,
    typer.Option("--rename", help="OLD=NEW: another name for a body part or an individual."),
]


@app.command(cls=DatabaseCommand)
def keypoints(
    files: FilesArgument,
    software: SoftwareOption,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    model_name: Annotated[
        str | None, typer.Option(help="Name of the model (default: the software's)")
    ] = None,
    add_body_parts: Annotated[
        bool, typer.Option("--add-body-parts", help="Enter body parts that are new.")
    ] = False,
    no_populate: Annotated[
        bool, typer.Option("--no-populate", help="Register only; a worker does the rest.")
    ] = False,
    table: TableOption = None,
    scorer: ScorerOption = None,
    module: ModuleOption = None,
    container: ContainerOption = None,
    video: VideoOption = None,
    frame_rate: FrameRateOption = None,
    first_frame: FirstFrameOption = 0,
    first_time: FirstTimeOption = 0.0,
    rename: RenameOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in keypoints that another tracker predicted for a recording that is in the database.

    Example: `facerhythm import keypoints mouse.h5 --from DeepLabCut --subject mouse1 --session 1`
    """
    from element_facerhythm.keypoints.reading_options import ReadingOptions

    options = ReadingOptions(
        table=table,
        scorer=scorer,
        module=module,
        container=tuple(container or ()),
        video=video,
        frame_rate_hz=frame_rate,
        first_frame=first_frame,
        first_time_s=first_time,
        rename=renaming(rename or []),
    )
    chosen = key_texts(subject, session, recording, key)
    with quiet_stdout(), progress_bars("importing"):
        from element_facerhythm.cli.database_access import pipeline_to_fill

        pipeline_to_fill(to_populate=not no_populate)
        from element_facerhythm.ingest import Registered
        from element_facerhythm.ingest.keypoints import import_predictions, register_predictions

        register = partial(
            register_predictions if no_populate else import_predictions,
            model_name=model_name or software,
            add_body_parts=add_body_parts,
            options=options,
        )
        done = register(key_of_recording(chosen), files, software)
        registered, rows = (done, {}) if isinstance(done, Registered) else done
    print_registered(registered, rows, as_json=as_json)


@app.command("facemap", cls=DatabaseCommand)
def facemap(
    proc_file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="What facemap saved: a _proc.npy, or its _proc.mat."),
    ],
    videos: Annotated[
        list[Path] | None,
        typer.Option(
            "--video",
            help="Video that it was measured in, once for each, in order; its name may have changed "
            "(default: the recording's own, or those that facemap names, beside the file).",
        ),
    ] = None,
    subject: NewSubjectOption = None,
    session: NewSessionOption = None,
    key: KeyOption = None,
    recording: NumberOption = 0,
    sex: SexOption = None,
    birth_date: BirthDateOption = None,
    session_datetime: SessionTimeOption = None,
    no_populate: NoPopulateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take in what facemap measured: motion energy, motion and movie SVD, pupils, blinks, running.

    The file is read without unpickling, and compared with the videos. Subject, session and recording are
    entered as needed.

    Example: `facerhythm import facemap cam1_proc.npy --subject mouse1 --session 1`
    """
    from element_facerhythm.ingest import populate
    from element_facerhythm.ingest.facemap import register_facemap

    choice = session_choice(subject, session, key, sex, birth_date, session_datetime)
    with quiet_stdout(), progress_bars("importing"):
        from element_facerhythm.cli.database_access import pipeline_to_fill

        pipeline_to_fill(to_populate=not no_populate)
        registered = register_facemap(choice, proc_file, videos or (), recording_id=recording)
        rows = {} if no_populate else populate(registered.key)
    print_registered(registered, rows, as_json=as_json)


@app.command("element-facemap", cls=DatabaseCommand)
def element_facemap(
    schemas: Annotated[
        list[str] | None,
        typer.Option("--from", help="Schema to read; once for each of Element Facemap's two."),
    ] = None,
    schema_prefix: Annotated[
        str | None,
        typer.Option(
            "--schema-prefix", help="Beginning of the schemas' names, in place of --from."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be entered, and enter nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy recordings, files, models and tasks from schemas of Element Facemap on the same server.

    DataJoint 0.14 wrote them, and they are only read. Sessions and cameras must be in the pipeline that is
    used here. The same call again changes nothing.

    Example: `facerhythm import element-facemap --schema-prefix neuro_ --dry-run`
    """
    from dataclasses import asdict

    with quiet_stdout():
        from element_facerhythm.cli.database_access import pipeline_to_change

        pipeline_to_change()  # also for a dry run, which enters the rows and rolls them back
        from element_facerhythm.ingest.element_facemap import import_element_facemap

        done = import_element_facemap(schemas or (), prefix=schema_prefix, dry_run=dry_run)
    if as_json:
        print_json({**asdict(done), "dry_run": dry_run})
        return
    names = sorted({*done.new_rows, *done.rows_there})
    counts = [(name, done.new_rows.get(name, 0), done.rows_there.get(name, 0)) for name in names]
    print_table("", ("table", "would be new" if dry_run else "new", "there"), counts)
    print_lines([("note", note) for note in done.notes])


@app.command("remove-keypoints", cls=DatabaseCommand)
def remove_keypoints(
    model_name: Annotated[
        str, typer.Option("--model-name", help="Name of the model that predicted.")
    ],
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove keypoints that were taken in, with what was computed from them; files stay.

    Example: `facerhythm import remove-keypoints --subject mouse1 --session 1 --model-name DeepLabCut`
    """
    chosen = key_texts(subject, session, recording, key)
    with quiet_stdout():
        from element_facerhythm.cli.database_access import pipeline_to_change

        pipeline_to_change()
        from element_facerhythm.ingest.keypoints import remove_predictions

        removed = remove_predictions({**key_of_recording(chosen), "model_name": model_name})
    if as_json:
        print_json({"removed": removed})
        return
    print_lines([("removed", f"{name} ({count})") for name, count in removed.items() if count])


def renaming(pairs: list[str]) -> dict[str, str]:
    """Turn `--rename` into new names by old ones.

    Raises
    ------
    RequestError
        One is not OLD=NEW, or a name is given twice.
    """
    from element_facerhythm.errors import RequestError

    found: dict[str, str] = {}
    for pair in pairs:
        old, sign, new = pair.rpartition("=")
        if not sign or not old or not new or old in found:
            raise RequestError(
                f"--rename is {pair!r}; expected OLD=NEW, each old name once, such as 'left/eye=left eye'"
            )
        found[old] = new
    return found
