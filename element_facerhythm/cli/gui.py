"""`facerhythm gui`: pages in the browser, to draw regions and look at results."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.key_options import (
    KeyOption,
    KeyTexts,
    RecordingOption,
    SessionOption,
    SubjectOption,
    key_texts,
)
from element_facerhythm.cli.output import quiet_stdout
from element_facerhythm.errors import RequestError

if TYPE_CHECKING:
    from element_facerhythm.cli.gui_recordings import DatabaseRecordings
    from element_facerhythm.cli.gui_regions import DatabaseRegions
    from element_facerhythm.gui.opened import Opened
    from element_facerhythm.io.events import EventTable

MOST_RECORDINGS = 100


def gui(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A video, a project directory, or a directory of both (default: the configured database).",
            metavar="PATH",
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 0,
    host: Annotated[
        str, typer.Option(help="Address to listen to; others than loopback open it to the network.")
    ] = "127.0.0.1",
    root_path: Annotated[
        str, typer.Option("--root-path", help="Path below which a proxy serves it.")
    ] = "",
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, and open no browser.")
    ] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Nothing can be saved or run.")
    ] = False,
    events: Annotated[
        Path | None,
        typer.Option(
            help="CSV of events to show over time: time_s or frame, and label, duration_s, video if wanted.",
            metavar="FILE",
        ),
    ] = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
) -> None:
    """Draw regions of interest and look at results in the browser.

    Prints the address, which holds a token; the pages are for those who have it. Works without internet and
    through an SSH tunnel. With the key of recordings, their videos are opened to draw on, and regions can be
    entered for them in the database.

    Example: `facerhythm gui mouse.mp4`
    """
    from element_facerhythm.gui.opened import Opened, open_path
    from element_facerhythm.gui.serve import Serving, serve

    chosen = key_texts(subject, session, recording, key)
    noted = None if events is None else events_of(events, path)
    recordings = regions = rows = None
    opened = Opened() if path is None else open_path(path)
    opened.events = noted
    if path is None or chosen.texts:
        rows, regions = of_database(chosen, opened, read_only=read_only)
        recordings = rows if path is None else None
    for note in opened.notes:
        typer.echo(note, err=True)
    lines = iter([False])

    def say(line: str) -> None:
        """Print the address on stdout, everything after it on stderr."""
        typer.echo(line, err=next(lines, True))

    base = "/" + root_path.strip("/") if root_path.strip("/") else ""
    serving = Serving(host, port, base, read_only, not no_browser)
    serve(opened, serving, say, recordings, recordings, rows, regions)


def of_database(
    chosen: KeyTexts, opened: "Opened", *, read_only: bool
) -> "tuple[DatabaseRecordings, DatabaseRegions]":
    """Open the configured database, and the videos of the recordings that are chosen.

    Raises
    ------
    RequestError
        No recording is chosen, or the one video that was opened is of none of them.
    """
    from element_facerhythm.cli.gui_recordings import DatabaseRecordings
    from element_facerhythm.cli.gui_regions import DatabaseRegions, files_here

    lock = threading.Lock()
    with quiet_stdout():
        from element_facerhythm.cli.database_access import pipeline_to_change, pipeline_to_read

        # a session that is opened to read refuses to write, also what the account may
        _ = pipeline_to_read() if read_only else pipeline_to_change()
        from element_facerhythm.facial_behavior_estimation import VideoRecording

        of = chosen.key(VideoRecording())
        regions = DatabaseRegions(lock, of)
        if chosen.texts:
            keys = (VideoRecording() & of).proj().to_dicts(order_by="KEY")
            if not keys:
                raise RequestError(
                    "there is no recording of that key; `facerhythm status` lists them"
                )
            given = list(opened.videos.values())
            if given and not any(regions.recordings(video.path) for video in given):
                raise RequestError(
                    f"{given[0].path} is no file of the recordings that are named; give no path, and their "
                    "videos are opened"
                )
            if len(keys) > MOST_RECORDINGS and not given:
                opened.notes.append(
                    f"{len(keys)} recordings are named; the videos of the first {MOST_RECORDINGS} are opened"
                )
            for one in () if given else keys[:MOST_RECORDINGS]:
                for video in files_here(one):
                    opened.add_video(video)
    return DatabaseRecordings(lock), regions


def events_of(file: Path, path: Path | None) -> "EventTable":
    """Read events of the one recording that is opened.

    Raises
    ------
    RequestError
        No path is given, or the file is no table of events.
    """
    from element_facerhythm.io.events import read_events

    if path is None:
        raise RequestError(
            "--events belongs to one recording; give its project, as in "
            "`facerhythm gui PROJECT --events FILE`"
        )
    return read_events(file)
