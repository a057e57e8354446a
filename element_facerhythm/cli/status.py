"""`facerhythm status`: how far the work is, per table."""

from typing import Annotated, Any

import typer

from element_facerhythm.cli.output import JsonOption, print_json, print_table, quiet_stdout

COLUMNS = ("done", "running", "failed", "pending")


def status(
    errors: Annotated[
        bool, typer.Option("--errors", help="Also print the message of each failed job.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell what is done, running, failed and pending, per table.

    Example: `facerhythm status --errors`
    """
    from element_facerhythm.cli.database import activated_workflow

    with quiet_stdout():
        tables = activated_workflow().POPULATED
        counts = {table.__name__: count(table) for table in tables}
        messages = [row for table in tables for row in failures(table)]
    if as_json:
        print_json({"tables": counts, "errors": messages})
        return
    rows = [(name, *(numbers[column] for column in COLUMNS)) for name, numbers in counts.items()]
    print_table("", ("table", *COLUMNS), rows, right=COLUMNS)
    for row in messages if errors else ():
        typer.echo(f"{row['table']} {row['key']}: {row['error']}")
    if messages and not errors:
        typer.echo("facerhythm status --errors prints what failed")


def count(table: Any) -> dict[str, int]:
    """Return how many keys of a table are done, running, failed and pending.

    Pending keys are those of the key source that are neither done nor in the queue as running or failed: a
    queue that no worker has refreshed yet does not know them.
    """
    jobs = table().jobs
    there = jobs.is_declared
    running = len(jobs.reserved) if there else 0
    failed = len(jobs.errors) if there else 0
    remaining, total = table().progress()
    return {
        "done": total - remaining,
        "running": running,
        "failed": failed,
        "pending": max(remaining - running - failed, 0),
    }


def failures(table: Any) -> list[dict[str, Any]]:
    """Return key and message of each failed job."""
    jobs = table().jobs
    if not jobs.is_declared:
        return []
    names = jobs.primary_key
    return [
        {"table": table.__name__, "key": {n: row[n] for n in names}, "error": row["error_message"]}
        for row in jobs.errors.to_dicts()
    ]
