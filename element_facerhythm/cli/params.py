"""`facerhythm params`: parameters that fit a video, as a file to read and to change."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.output import JsonOption, print_json, quiet_stdout
from element_facerhythm.cli.parameter_options import (
    ParamsOption,
    SetOption,
    fitted_rows,
    load_parameters,
    reading_notes,
)

if TYPE_CHECKING:
    from element_facerhythm.parameters import FittedValue, OpenParameters

app = typer.Typer(help="Parameters that fit a video.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `suggest` a command of its own."""


@app.command()
def suggest(
    videos: Annotated[list[Path], typer.Argument(help="Videos of one recording, in order.")],
    rois: Annotated[
        Path | None,
        typer.Option("--rois", help="ROI file; without it spacing and rank stay `auto`."),
    ] = None,
    params: ParamsOption = None,
    settings: SetOption = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write (default: stdout).")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the parameters that `run` would take for a video, each with its reason.

    The file gives the same run as no file does; change in it what you know better.

    Example: `facerhythm params suggest mouse.mp4 --rois rois.json -o params.yaml`
    """
    from element_facerhythm.errors import RequestError
    from element_facerhythm.parameters.commented import commented_yaml

    if output is not None and output.exists() and not overwrite:
        raise RequestError(
            f"{output} exists; give --overwrite to replace it, or another name with -o"
        )
    with quiet_stdout():
        loaded = load_parameters(params, settings)
        parameters, fitted, notes = fit(videos, rois, loaded.parameters)
        heading = [
            f"Parameters for {', '.join(video.name for video in videos)}, by `facerhythm params suggest`.",
            "A value that is taken out, or is `auto`, is fitted again where it depends on the camera.",
        ]
        text = commented_yaml(parameters, fitted, heading=heading)
        if output is not None:
            write(output, text)
    notes = (*reading_notes(loaded), *notes)
    if as_json:
        print_json(
            {
                "output": output,
                "parameters": parameters.to_tree(),
                "parameters_fitted": fitted_rows(fitted),
                "notes": notes,
            }
        )
        return
    typer.echo(text.rstrip() if output is None else f"{output}: {len(fitted)} parameters fitted")
    for note in notes:
        typer.echo(f"note: {note}", err=True)


def fit(
    videos: list[Path], rois: Path | None, parameters: "OpenParameters"
) -> "tuple[OpenParameters, tuple[FittedValue, ...], tuple[str, ...]]":
    """Fit what is open to the videos, and check what can be checked of the rest."""
    from element_facerhythm.io.rois_file import read_rois
    from element_facerhythm.pipeline.fit import check_suggested, suggest_parameters
    from element_facerhythm.video import probe_video, require_same_format

    probed = [probe_video(video) for video in videos]
    require_same_format(probed)
    regions = None if rois is None else read_rois(rois)
    suggested, fitted = suggest_parameters(parameters, probed, regions)
    return suggested, fitted, check_suggested(suggested, probed, regions)


def write(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    from element_facerhythm.io.atomic import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
