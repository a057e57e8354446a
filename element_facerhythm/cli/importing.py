"""`facerhythm import`: what other tools computed, into the database."""

from pathlib import Path
from typing import Annotated

import typer

from element_facerhythm.cli.output import (
    JsonOption,
    print_registered,
    progress_bars,
    quiet_stdout,
)

app = typer.Typer(help="Take in what other tools computed.", no_args_is_help=True)


@app.command()
def keypoints(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Predictions: one file for the recording, or one for each of its videos."
        ),
    ],
    software: Annotated[
        str,
        typer.Option(
            "--from",
            help="Who wrote them: Facemap, DeepLabCut, SLEAP, LightningPose, Anipose, NWB, VIA-tracks, "
            "movement.",
        ),
    ],
    subject: Annotated[str, typer.Option("--subject", help="Subject of the recording.")],
    session: Annotated[int, typer.Option("--session", help="Number of the session.")],
    recording: Annotated[
        int, typer.Option("--recording", help="Number of the recording in its session.")
    ] = 0,
    model_name: Annotated[
        str | None, typer.Option(help="Name of the model (default: the software's)")
    ] = None,
    add_body_parts: Annotated[
        bool, typer.Option("--add-body-parts", help="Enter body parts that are new.")
    ] = False,
    no_populate: Annotated[
        bool, typer.Option("--no-populate", help="Register only; a worker does the rest.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take in keypoints that another tracker predicted for a recording that is in the database.

    Example: `facerhythm import keypoints mouse.h5 --from DeepLabCut --subject mouse1 --session 1`
    """
    with quiet_stdout(), progress_bars():
        from element_facerhythm.cli.database import activated_workflow

        activated_workflow(to_populate=not no_populate)
        from element_facerhythm.ingest_keypoints import populate_keypoints, register_predictions

        registered = register_predictions(
            {"subject": subject, "session_id": session, "recording_id": recording},
            files,
            software,
            model_name=model_name or software,
            add_body_parts=add_body_parts,
        )
        rows = {} if no_populate else populate_keypoints(registered.key)
    print_registered(registered, rows, as_json=as_json)
