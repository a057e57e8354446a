"""`facerhythm worker`: populate until stopped."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.output import JsonOption, print_json, progress_bars, quiet_stdout
from element_facerhythm.cli.signals import stop_event
from element_facerhythm.database.keys import key_text
from element_facerhythm.database.settings import (
    DEVICE_VARIABLE,
    FIGURES_VARIABLE,
    MOVIES_VARIABLE,
    figures_wanted,
)
from element_facerhythm.database.worker_options import RetryPolicy, WorkerOptions

if TYPE_CHECKING:
    from element_facerhythm.fleet.conclusion import Job

HEALTH_VARIABLE = "FACERHYTHM_HEALTH_FILE"
WORDS = {
    "done": "done", "given back": "requeued", "failed": "FAILED", "gone": "removed from the queue",
}  # fmt: skip

HealthFileOption = Annotated[
    Path | None,
    typer.Option(
        "--health-file",
        envvar=HEALTH_VARIABLE,
        help="File that the worker writes with every heartbeat, for `facerhythm health`.",
    ),
]


def worker(
    max_jobs: Annotated[
        int | None, typer.Option("--max-jobs", help="Stop after so many jobs.", min=1)
    ] = WorkerOptions.max_jobs,
    exit_when_idle: Annotated[
        bool,
        typer.Option(
            "--exit-when-idle", help="Stop when nothing is left to do, in place of waiting."
        ),
    ] = WorkerOptions.exit_when_idle,
    poll: Annotated[
        float, typer.Option(help="Seconds between polls for new jobs.", min=0.1, max=86400)
    ] = WorkerOptions.poll_s,
    device: Annotated[
        str | None, typer.Option(help="Device that computes: auto, cpu, cuda, cuda:1.")
    ] = None,
    lease: Annotated[
        float,
        typer.Option(
            help="Seconds without a heartbeat after which other workers requeue the job.",
            min=1,
            max=1e6,
        ),
    ] = WorkerOptions.lease_s,
    grace: Annotated[
        float,
        typer.Option(help="Seconds that a stop may take; then the process ends.", min=0, max=1e6),
    ] = WorkerOptions.grace_s,
    max_tries: Annotated[
        int,
        typer.Option(help="Tries that may fail, and workers that may die, for one job.", min=1),
    ] = RetryPolicy.max_tries,
    retry_delay: Annotated[
        float,
        typer.Option(
            help="Seconds to the second try; the third waits four times as long.", min=0, max=1e6
        ),
    ] = RetryPolicy.first_delay_s,
    health_file: HealthFileOption = WorkerOptions.health_file,
    no_figures: Annotated[
        bool, typer.Option("--no-figures", help="Draw no figures of what was computed.")
    ] = False,
    no_movies: Annotated[
        bool, typer.Option("--no-movies", help="Write no movie of what was computed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Populate the tables of the configured database until stopped by SIGTERM or Ctrl-C.

    Several workers, on several machines, share the jobs between them; start one for each device. A job that
    is under way when its worker is stopped is requeued; a second signal ends the worker at once, and then,
    as when it is killed, the others requeue its job after the lease. With `--exit-when-idle` or `--max-jobs`
    the exit code is 1 where a job failed.

    Example: `facerhythm worker --exit-when-idle`
    """
    choose(device, no_figures=no_figures, no_movies=no_movies)
    with stop_event() as stop, quiet_stdout(), progress_bars(None) as progress:
        from element_facerhythm.cli.database_access import pipeline_to_fill
        from element_facerhythm.facial_behavior_estimation.report import without_drawing
        from element_facerhythm.fleet.worker import require_machine, work

        tables = pipeline_to_fill(to_populate=True).populated
        if not figures_wanted():
            tables = without_drawing(tables)
        logging.getLogger("datajoint").addFilter(is_not_about_a_job)
        require_machine()
        options = WorkerOptions(
            max_jobs=max_jobs,
            exit_when_idle=exit_when_idle,
            poll_s=poll,
            lease_s=lease,
            grace_s=grace,
            policy=RetryPolicy(max_tries, retry_delay),
            health_file=health_file,
        )
        report = work(tables, options, stop=stop, on_job=report_job, progress=progress)
    if as_json:
        print_json(vars(report))
    else:
        typer.echo(
            f"{report.n_done} jobs done, {report.n_failed} failed; stopped: {report.stopped_by}"
        )
    if report.n_failed and report.stopped_by != "signal":
        raise typer.Exit(1)


def choose(device: str | None, *, no_figures: bool, no_movies: bool) -> None:
    """Set what the options say where everything that computes looks for it: in the environment."""
    wanted = {
        DEVICE_VARIABLE: device,
        FIGURES_VARIABLE: "off" if no_figures else None,
        MOVIES_VARIABLE: "off" if no_movies else None,
    }
    os.environ.update({name: value for name, value in wanted.items() if value is not None})


def is_not_about_a_job(record: logging.LogRecord) -> bool:
    """Leave out what DataJoint logs of failed jobs, which `report_job` prints."""
    return record.module != "autopopulate"


def report_job(job: "Job") -> None:
    """Write one line per job to stderr, where a container's log is read."""
    outcome = WORDS.get(job.outcome, "failed, will be tried again")
    about = f" {key_text(job.key)}: {job.error}" if job.error else ""
    typer.echo(f"{job.table}: {outcome}{about}", err=True)
