"""`facerhythm params`: parameters that fit a video, as a file to read and to change."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.output import JsonOption, print_json, quiet_stdout, require_place
from element_facerhythm.cli.parameter_options import (
    ParamsOption,
    SetOption,
    fitted_rows,
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
    from element_facerhythm.video import VideoMetadata

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
    frames: FramesOption = None,
    frame_rate: FrameRateOption = None,
    times: TimesOption = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write (default: stdout).")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the parameters that `run` would take for a video, each with its reason.

    A run with the file is the same as one without; change the values in it that you know better.

    Example: `facerhythm params suggest mouse.mp4 --rois rois.json -o params.yaml`
    """
    from element_facerhythm.io.rois_file import read_rois
    from element_facerhythm.parameters.commented import commented_yaml
    from element_facerhythm.pipeline.run.fit import check_suggested, suggest_parameters
    from element_facerhythm.pipeline.run.frame_range import frame_range

    require_place(output, overwrite=overwrite)
    with quiet_stdout():
        loaded = load_parameters(params, settings)
        probed = probe(videos, frame_rate, times_of(times, len(videos)))
        regions = None if rois is None else read_rois(rois)
        part = frame_range(frames)
        parameters, fitted = suggest_parameters(loaded.parameters, probed, regions, part)
        notes = check_suggested(parameters, probed, regions, part)
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


def probe(
    videos: list[Path], frame_rate_hz: float | None, times: tuple[str, ...] | None
) -> "list[VideoMetadata]":
    """Read the videos as `run` does."""
    from element_facerhythm.video import probe_video, require_same_format

    chosen = times or (None,) * len(videos)
    probed = [
        probe_video(video, frame_rate_hz=frame_rate_hz, times=own)
        for video, own in zip(videos, chosen, strict=True)
    ]
    require_same_format(probed)
    return probed


def write(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    from element_facerhythm.io.atomic import atomic_path

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
