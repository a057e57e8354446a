"""`facerhythm demo`: the main job, end to end."""

from pathlib import Path
from typing import Annotated

import typer

from element_facerhythm.cli.output import JsonOption


def demo(
    directory: Annotated[Path, typer.Option("--dir", help="Where everything is written.")] = Path(
        "facerhythm-demo"
    ),
    video: Annotated[
        Path | None, typer.Option("--video", help="Your own video, in place of a made one.")
    ] = None,
    rois: Annotated[Path | None, typer.Option("--rois", help="ROI file of that video.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the main job from a video to SQL answers, on a video made on the fly or on your own.

    Example: `facerhythm demo --dir facerhythm-demo`
    """
    raise typer.Exit(1)
