"""Options that say which frames of a recording are meant, and when they were taken."""

from datetime import datetime
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

TimesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--times",
        metavar="FILE",
        help="File with the time of each frame, once for each video; `stamps` takes the videos' own.",
    ),
]


def times_of(given: list[str] | None, n_videos: int) -> tuple[str, ...] | None:
    """One choice for each video: `stamps`, given once, is for all."""
    if not given:
        return None
    return tuple(given) * n_videos if given == ["stamps"] else tuple(given)


def start_time(text: str | None) -> datetime | None:
    """Turn `--session-start` into a time with its zone.

    Raises
    ------
    RequestError
        It is none.
    """
    from element_facerhythm.errors import RequestError

    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise RequestError(
            f"--session-start is {text!r}; expected a time with its zone, such as 2026-03-01T09:30:00+01:00"
        ) from error
