"""`facerhythm ingest --table`: many recordings into the database."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from element_facerhythm.cli.output import (
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
)
from element_facerhythm.database.keys import key_text

if TYPE_CHECKING:
    from element_facerhythm.ingest.sheet_entry import Defaults, RowOutcome

EXIT_FAILED = 1
EXIT_WRONG_REQUEST = 2


def ingest_table(path: Path, defaults: "Defaults", *, dry_run: bool, as_json: bool) -> None:
    """Register the recordings of a table, or show what would be registered, and print it.

    Raises
    ------
    RequestError
        The table, or an option for all of its rows, is wrong.
    typer.Exit
        Rows are wrong (2), or could not be entered after others were (1).
    """
    from element_facerhythm.cli.database_access import pipeline_to_fill, pipeline_to_read
    from element_facerhythm.files.sheet import read_sheet
    from element_facerhythm.ingest.roi_source import RoiSource
    from element_facerhythm.ingest.sheet_entry import enter_planned, plan_rows
    from element_facerhythm.pipeline.progress import use_progress

    sheet = read_sheet(path)
    if defaults.rois is not None:
        RoiSource(defaults.rois).read_file()
    defaults.parameters.read_file()
    with quiet_stdout(), progress_bars() as progress, use_progress(progress):
        if dry_run:
            pipeline_to_read()
        else:
            pipeline_to_fill(to_populate=False)
        with progress.stage("checking", len(sheet.rows), "rows") as checked:
            outcomes = plan_rows(sheet, defaults, checked)
        are_right = not any(outcome.error for outcome in outcomes)
        if are_right and not dry_run:
            enter_planned(outcomes)
    if as_json:
        rows = [_as_mapping(outcome) for outcome in outcomes]
        print_json(
            {"table": path, "dry_run": dry_run, "entered": are_right and not dry_run, "rows": rows}
        )
    elif are_right:
        _print_rows(outcomes, dry_run=dry_run)
    wrong = [outcome for outcome in outcomes if outcome.error]
    if wrong:
        entered = "the others were entered" if are_right else "nothing was entered"
        lines = [f"  line {outcome.line}: {outcome.error}" for outcome in wrong]
        summary = f"table {path}: {len(wrong)} of {len(outcomes)} rows are wrong, {entered}"
        typer.echo("\n".join([f"facerhythm: {summary}", *lines]), err=True)
        raise typer.Exit(EXIT_FAILED if are_right else EXIT_WRONG_REQUEST)


def _as_mapping(outcome: "RowOutcome") -> dict[str, Any]:
    done = outcome.registered
    return {
        "line": outcome.line,
        "key": done and done.key,
        "new_rows": done.new_rows if done else {},
        "notes": list(dict.fromkeys(done.notes)) if done else [],
        "error": outcome.error,
    }


def _print_rows(outcomes: "list[RowOutcome]", *, dry_run: bool) -> None:
    rows, notes, n_new = [], [], 0
    for outcome in outcomes:
        done = outcome.registered
        if done is None:
            continue
        key = key_text(done.key)
        new = [f"{name} ({count})" for name, count in done.new_rows.items() if count]
        n_new += bool(new)
        rows.append((outcome.line, key, ", ".join(new) or "nothing"))
        notes += [(f"line {outcome.line}", note) for note in dict.fromkeys(done.notes)]
    heading = "would be entered" if dry_run else "entered"
    print_table("", ("line", "key", heading), rows, right=("line",))
    print_lines(notes)
    there = f"{len(rows) - n_new} are there already"
    if dry_run:
        typer.echo(f"{n_new} rows have something new, {there}; nothing was written")
        return
    typer.echo(f"{n_new} rows had something new, {there}")
    typer.echo("`facerhythm worker --exit-when-idle` populates what was registered")
