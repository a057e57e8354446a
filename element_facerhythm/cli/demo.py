"""`facerhythm demo`: the main job, end to end."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from element_facerhythm.cli.output import JsonOption, print_json, progress_bars, quiet_stdout


def demo(
    directory: Annotated[Path, typer.Option("--dir", help="Where everything is written.")] = Path(
        "facerhythm-demo"
    ),
    video: Annotated[
        Path | None, typer.Option("--video", help="Your own video, in place of a made one.")
    ] = None,
    rois: Annotated[
        Path | None,
        typer.Option("--rois", help="ROI file of that video (default: one is proposed)"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Run the main job from a video to SQL answers, on a video made on the fly or on your own.

    The database is the configured one, else an embedded PostgreSQL that is started by itself. Run
    again with the same directory, it reuses what is there.

    Example: `facerhythm demo --dir facerhythm-demo`
    """
    from element_facerhythm.cli.database_access import (
        connect_if_configured,
        explained_connection,
        hold_back_job_table_remarks,
    )
    from element_facerhythm.demo import run_demo
    from element_facerhythm.pipeline.progress import use_progress

    lines: list[str] = []
    hold_back_job_table_remarks()
    with (
        quiet_stdout(),
        explained_connection(),
        progress_bars() as progress,
        use_progress(progress),
    ):
        connect_if_configured()
        report = run_demo(
            directory, video=video, rois=rois, device=device, progress=progress, echo=lines.append
        )
    if as_json:
        print_json(asdict(report))
    else:
        typer.echo("\n".join(lines))
