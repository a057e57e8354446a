"""`facerhythm export`: results for other tools."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.output import JsonOption, print_json, print_lines, quiet_stdout

if TYPE_CHECKING:
    from element_facerhythm.keypoints import Predictions

app = typer.Typer(help="Write results for other tools.", no_args_is_help=True)


@app.command()
def keypoints(
    to: Annotated[
        str, typer.Option("--to", help="Format: dlc, sleap, lightningpose, nwb or netcdf.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")],
    file: Annotated[
        Path | None,
        typer.Argument(help="Keypoints.h5, or facemap's own file; in place of the database."),
    ] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Subject.")] = None,
    session: Annotated[int | None, typer.Option("--session", help="Number of the session.")] = None,
    recording: Annotated[
        int, typer.Option("--recording", help="Number of the recording in its session.")
    ] = 0,
    model: Annotated[
        int | None, typer.Option("--model", help="Number of the model (default: the only one)")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write keypoints for another tool, from the database or from a file.

    Example: `facerhythm export keypoints --to dlc -o mouse.h5 --subject mouse1 --session 1`
    """
    from element_facerhythm.errors import RequestError
    from element_facerhythm.keypoints.formats import write_predictions

    if (file is None) == (subject is None or session is None):
        raise RequestError("give a file of keypoints, or --subject and --session, and not both")
    if output.exists() and not overwrite:
        raise RequestError(
            f"{output} exists; give --overwrite to replace it, or another name with -o"
        )
    with quiet_stdout():
        if file is not None:
            from element_facerhythm.keypoints.product import read_keypoints

            predictions = read_keypoints(file)
        else:
            predictions = stored(
                {"subject": subject, "session_id": session, "recording_id": recording}
                | ({} if model is None else {"model_id": model})
            )
        written = write_predictions(predictions, output, to)
    if as_json:
        print_json({"files": written, "n_frames": predictions.n_frames})
        return
    print_lines([("written", path) for path in written])


def stored(key: Mapping[str, object]) -> "Predictions":
    """Keypoints of the database."""
    from element_facerhythm.cli.database import activated_workflow

    return activated_workflow().keypoint_inference.KeypointInference.fetch_predictions(dict(key))
