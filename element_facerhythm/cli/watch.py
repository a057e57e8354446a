"""`facerhythm watch`: recordings into the database as they appear."""

import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from element_facerhythm.cli.key_options import KeyOption, key_texts
from element_facerhythm.cli.output import IncompleteOption, plain, quiet_stdout
from element_facerhythm.cli.parameter_options import (
    Given,
    ParamsetOption,
    ParamsOption,
    PresetOption,
    SetOption,
    parameter_choice,
)
from element_facerhythm.cli.recording_options import FrameRateOption
from element_facerhythm.cli.signals import stop_event
from element_facerhythm.database.keys import key_text

if TYPE_CHECKING:
    from element_facerhythm.ingest.watch import Event, Watcher

logger = logging.getLogger(__name__)

EXIT_FAILED = 1
_IDLE_S = 600.0


def watch(
    directory: Annotated[Path, typer.Argument(help="Directory below which recordings appear.")],
    pattern: Annotated[
        str,
        typer.Option(
            "--pattern",
            help="Paths below it: {column} and {column:FORMAT}, *, ** as in {subject}/{session_date}/*.mp4",
        ),
    ],
    rois: Annotated[
        str,
        typer.Option(
            "--rois",
            help="ROI file; by fields, as rois/{subject}.json; or `last`: of the subject's last recording.",
        ),
    ],
    key: KeyOption = None,
    params: ParamsOption = None,
    settings: SetOption = None,
    preset: PresetOption = None,
    paramset: ParamsetOption = None,
    frame_rate: FrameRateOption = None,
    settled: Annotated[
        float,
        typer.Option("--settled", help="Seconds for which files must not have changed.", min=0),
    ] = 120.0,
    together: Annotated[
        bool, typer.Option("--together", help="The files of a directory are one recording.")
    ] = False,
    every: Annotated[
        float, typer.Option("--every", help="Seconds between two polls.", min=0.1)
    ] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="Poll once, for cron.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Poll once, and show what would be entered.")
    ] = False,
    incomplete: IncompleteOption = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON on stdout for each recording.")
    ] = False,
) -> None:
    """Register recordings that appear below a directory, once their files are complete.

    Each is registered with its session and a task that analyses it; workers populate. One line on stdout
    reports each. Files that still grow are left for the next poll, and what is entered is left alone.
    Runs until SIGTERM or Ctrl-C; with `--once` the exit code is 1 where a file could not be entered.

    Example: `facerhythm watch /data --pattern '{subject}/{session_date}/*.mp4' --rois 'rois/{subject}.json'`
    """
    with stop_event() as stop, quiet_stdout() as out:
        from element_facerhythm.cli.database_access import pipeline_to_fill, pipeline_to_read
        from element_facerhythm.errors import PathError
        from element_facerhythm.files.path_pattern import PathPattern
        from element_facerhythm.ingest.roi_source import RoiSource
        from element_facerhythm.ingest.rows import PlannedRows, TableRows
        from element_facerhythm.ingest.watch import Watcher, WatchOptions

        PathPattern(pattern)  # a wrong one is refused before the database is opened
        choice = parameter_choice(Given(params, settings, preset), paramset)
        choice.read_file()
        source = RoiSource(rois)
        source.read_file()
        if not directory.is_dir():
            raise PathError(f"{directory} is not a directory")
        options = WatchOptions(
            directory,
            pattern,
            source,
            parameters=choice,
            key=key_texts(key=key).texts,
            unchanged_s=settled,
            together=together,
            frame_rate_hz=frame_rate,
            allow_incomplete=incomplete,
        )
        if dry_run:
            pipeline_to_read()
        else:
            pipeline_to_fill(to_populate=False)
        report = _reporter(out, directory, as_json=as_json, dry_run=dry_run)
        watcher = Watcher(options, report, PlannedRows() if dry_run else TableRows())
        if not (once or dry_run):
            _watch(watcher, stop, every)
            return
        result = watcher.poll(stop.is_set)
    if result.n_failed:
        raise typer.Exit(EXIT_FAILED)


def _watch(watcher: "Watcher", stop: threading.Event, every_s: float) -> None:
    """Poll until stopped, also after the database was unavailable."""
    from element_facerhythm.database.connection import connect
    from element_facerhythm.fleet.reconnect import ReconnectingConnection, is_lost

    with ReconnectingConnection(connect(), max(_IDLE_S, 2 * every_s)) as connection:
        while connection.wait(stop.is_set, stop.wait):
            try:
                watcher.poll(stop.is_set)
            except Exception as error:
                if not is_lost(error):
                    raise
                logger.warning("the connection to the database was lost during a poll: %s", error)
                continue
            if stop.wait(every_s):
                break


def _reporter(
    out: TextIO, directory: Path, *, as_json: bool, dry_run: bool
) -> "Callable[[Event], None]":
    """Return a function that writes one line for each event: entries on stdout, the rest on stderr."""
    root = directory.resolve()

    def report(event: "Event") -> None:
        time = datetime.now(UTC).isoformat(timespec="seconds")
        files = [str(path.relative_to(root)) for path in event.files]
        done = event.registered
        if as_json and event.kind != "waiting":
            about: dict[str, Any] = {
                "time": time,
                "event": event.kind,
                "dry_run": dry_run,
                "files": files,
                "key": done and done.key,
                "new_rows": done.new_rows if done else {},
                "notes": list(dict.fromkeys(done.notes)) if done else [],
                "error": event.message or None,
            }
            typer.echo(json.dumps(plain(about), allow_nan=False), file=out)
        elif done is None:
            where = ", ".join(name for name in files if name not in event.message)
            message = f"{where}: {event.message}" if where else event.message
            typer.echo(f"{time} {event.kind}: {message}", err=True)
        else:
            key = key_text(done.key)
            word = "would enter" if dry_run else "entered"
            typer.echo(f"{time} {word} {key}: {', '.join(files)}", file=out)
            for note in dict.fromkeys(done.notes):
                typer.echo(f"{time} note on {', '.join(files)}: {note}", err=True)

    return report
