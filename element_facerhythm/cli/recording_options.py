"""Options that say which frames of a recording are meant, and when they were taken."""

from typing import Annotated

import typer

FramesOption = Annotated[
    str | None,
    typer.Option(
        "--frames",
        metavar="A:B",
        help="Part of the recording: from frame A up to but not including B, counted from 0 over all videos.",
    ),
]

FrameRateOption = Annotated[
    float | None,
    typer.Option(
        "--frame-rate",
        metavar="HZ",
        min=1e-3,
        max=1e6,
        help="Frames per second, in place of what the videos say; needed where they say nothing.",
    ),
]
