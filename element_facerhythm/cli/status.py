"""`facerhythm status`: progress of the work, per table and per worker."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.output import (
    JsonOption,
    build_table,
    human_seconds,
    print_json,
    quiet_stdout,
)
from element_facerhythm.database.keys import key_text
from element_facerhythm.errors import ParameterError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from element_facerhythm.fleet.report import FleetReport, Problem, RunningJob

COUNTS = ("done", "running", "failed", "set aside", "pending")


def status(
    errors: Annotated[
        bool, typer.Option("--errors", help="Also print why jobs failed or were set aside.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Refresh it until stopped with Ctrl-C.")
    ] = False,
    every: Annotated[
        float, typer.Option(help="Seconds between two refreshes of `--watch`.", min=0.5, max=86400)
    ] = 5.0,
    as_json: JsonOption = False,
) -> None:
    """Report what is done, running, failed, set aside and pending, per table, and what each worker does.

    A job is set aside when its workers keep dying on it. `facerhythm jobs` shows single jobs, and has them
    tried again.

    Example: `facerhythm status --watch`
    """
    if watch and as_json:
        raise ParameterError(
            "--watch refreshes the report; --json prints one answer: give one of them"
        )
    from element_facerhythm.cli.database_access import pipeline_to_read

    with quiet_stdout():
        tables = pipeline_to_read().populated
        from element_facerhythm.fleet.report import report_fleet

        report = report_fleet(tables)
    if as_json:
        print_json(report)
    elif watch:
        follow(tables, report, every, errors)
    else:
        from rich.console import Console

        Console(highlight=False, markup=False).print(rendered(report, errors))


def follow(tables: Any, report: "FleetReport", every_s: float, errors: bool) -> None:
    """Show the report on the whole terminal, and refresh it until interrupted."""
    from rich.console import Console
    from rich.live import Live

    from element_facerhythm.fleet.report import report_fleet

    console = Console(highlight=False, markup=False)
    with Live(rendered(report, errors), console=console, screen=console.is_terminal) as live:
        try:
            while True:
                time.sleep(every_s)
                live.update(rendered(report_fleet(tables), errors))
        except KeyboardInterrupt:
            return


def rendered(report: "FleetReport", errors: bool) -> "RenderableType":
    """Return a report as it is shown."""
    from rich.console import Group

    return Group(*parts_of(report, errors))


def parts_of(report: "FleetReport", errors: bool) -> "Iterator[RenderableType]":
    """Yield the tables and lines of a report, in order."""
    rows = [
        (name, *(getattr(numbers, column.replace(" ", "_")) for column in COUNTS))
        for name, numbers in report.tables.items()
    ]
    yield build_table("", ("table", *COUNTS), rows, right=COUNTS)
    if report.jobs:
        yield ""
        yield build_table(
            "",
            ("running", "key", "stage", "at", "rate", "left", "worker"),
            [progress_of(job) for job in report.jobs],
            right=("at", "rate", "left"),
            whole=("running", "at", "rate", "left", "worker"),
        )
    if report.workers:
        yield ""
        yield build_table(
            "",
            ("worker", "where", "device", "state", "seen", "done", "failed"),
            [
                (
                    worker.worker_id,
                    f"{worker.host}:{worker.pid} {worker.batch_job}".rstrip(),
                    worker.device,
                    worker.state,
                    f"{human_seconds(max(worker.seconds_since_heartbeat, 0))} ago",
                    worker.n_done,
                    worker.n_failed,
                )
                for worker in report.workers
            ],
            right=("done", "failed"),
            whole=("worker", "state", "seen"),
        )
    yield ""
    troubles = [("failed", report.errors), ("set aside", report.set_aside)]
    for word, found in troubles:
        yield from lines_of(word, found, errors)


def progress_of(job: "RunningJob") -> tuple[str, ...]:
    """Return the cells of a job: what it is, where it is, what is left, and who does it."""
    return (
        job.table,
        key_text(job.key),
        job.stage.replace("_", " "),
        "" if job.percent is None else f"{job.percent:.0f} %",
        "" if not job.rate_per_s else f"{job.rate_per_s:,.0f} {job.unit}/s",
        "" if job.seconds_left is None else human_seconds(job.seconds_left),
        job.worker_id,
    )


def lines_of(word: str, found: "list[Problem] | Any", errors: bool) -> Iterator[str]:
    """Yield the failures, or how to print them."""
    if errors:
        for problem in found:
            yield f"{word}: {problem.table} {key_text(problem.key)}: {problem.error}"
    elif found:
        yield f"{len(found)} {word}; `facerhythm status --errors` says why"
