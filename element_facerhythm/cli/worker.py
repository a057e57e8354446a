"""`facerhythm worker`: populate until stopped."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.output import JsonOption, print_json, progress_bars, quiet_stdout
from element_facerhythm.cli.stopping import stop_event

if TYPE_CHECKING:
    from element_facerhythm.fleet.conclusion import Job

HEALTH_VARIABLE = "FACERHYTHM_HEALTH_FILE"
WORDS = {
    "done": "done", "given back": "given back", "failed": "FAILED", "gone": "removed from the queue",
}  # fmt: skip

HealthFileOption = Annotated[
    Path | None,
    typer.Option(
        "--health-file",
        envvar=HEALTH_VARIABLE,
        help="File that the worker writes with every sign of life, for `facerhythm health`.",
    ),
]


def worker(
    max_jobs: Annotated[
        int | None, typer.Option("--max-jobs", help="Stop after so many jobs.", min=1)
    ] = None,
    exit_when_idle: Annotated[
        bool,
        typer.Option(
            "--exit-when-idle", help="Stop when nothing is left to do, in place of waiting."
        ),
    ] = False,
    poll: Annotated[
        float, typer.Option(help="Seconds between looks for new jobs.", min=0.1)
    ] = 10.0,
    device: Annotated[
        str | None, typer.Option(help="Device that computes: auto, cpu, cuda, cuda:1.")
    ] = None,
    lease: Annotated[
        float,
        typer.Option(
            help="Seconds without a sign of life after which other workers take the job back.",
            min=1,
        ),
    ] = 60.0,
    grace: Annotated[
        float, typer.Option(help="Seconds that a stop may take; then the process ends.", min=0)
    ] = 25.0,
    max_tries: Annotated[
        int,
        typer.Option(help="Tries that may fail, and workers that may die, for one job.", min=1),
    ] = 3,
    retry_delay: Annotated[
        float,
        typer.Option(help="Seconds to the second try; the third waits four times as long.", min=0),
    ] = 30.0,
    health_file: HealthFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Populate the tables of the configured database until stopped by SIGTERM or Ctrl-C.

    Several workers, on several machines, share the jobs between them; start one for each device. A job that
    is under way when its worker is stopped is given back; a second signal ends the worker at once, and then,
    as when it is killed, the others take its job back after the lease. With `--exit-when-idle` or
    `--max-jobs` the exit code is 1 where a job failed.

    Example: `facerhythm worker --exit-when-idle`
    """
    if device is not None:
        os.environ["FACERHYTHM_DEVICE"] = device
    with stop_event() as stop, quiet_stdout(), progress_bars() as progress:
        from element_facerhythm.cli.database import activated_workflow
        from element_facerhythm.fleet.outcomes import RetryPolicy
        from element_facerhythm.worker import WorkerOptions, require_machine, work

        tables = activated_workflow(to_populate=True).POPULATED
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
        report = work(tables, options, stop=stop, on_job=tell, progress=progress)
    if as_json:
        print_json(vars(report))
    else:
        typer.echo(
            f"{report.n_done} jobs done, {report.n_failed} failed; stopped: {report.stopped_by}"
        )
    if report.n_failed and report.stopped_by != "signal":
        raise typer.Exit(1)


def is_not_about_a_job(record: logging.LogRecord) -> bool:
    """Leave out what DataJoint logs of failed jobs: `tell` says it, too."""
    return record.module != "autopopulate"


def tell(job: "Job") -> None:
    """Write one line per job to stderr, where a container's log is read."""
    outcome = WORDS.get(job.outcome, "failed, will be tried again")
    about = f" {job.key}: {job.error}" if job.error else ""
    typer.echo(f"{job.table}: {outcome}{about}", err=True)
