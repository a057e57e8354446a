"""`facerhythm worker`: populate until stopped."""

from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli.output import JsonOption, print_json, progress_bars, quiet_stdout
from element_facerhythm.cli.stopping import stop_event

if TYPE_CHECKING:
    from element_facerhythm.worker import Job


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
    as_json: JsonOption = False,
) -> None:
    """Populate the tables of the configured database until stopped by SIGTERM or Ctrl-C.

    Several workers, on several machines, share the jobs between them. A job that is under way when
    its worker is stopped is given back; a second signal ends the worker at once, and leaves the job
    reserved. With `--exit-when-idle` or `--max-jobs` the exit code is 1 where a job failed.

    Example: `facerhythm worker --exit-when-idle`
    """
    with stop_event() as stop, quiet_stdout(), progress_bars() as progress:
        from element_facerhythm.cli.database import activated_workflow
        from element_facerhythm.worker import work

        report = work(
            activated_workflow().POPULATED,
            stop=stop,
            max_jobs=max_jobs,
            exit_when_idle=exit_when_idle,
            poll_s=poll,
            on_job=tell,
            progress=progress,
        )
    if as_json:
        print_json(vars(report))
    else:
        typer.echo(
            f"{report.n_done} jobs done, {report.n_failed} failed; stopped: {report.stopped_by}"
        )
    if report.n_failed and report.stopped_by != "signal":
        raise typer.Exit(1)


def tell(job: "Job") -> None:
    """Write one line per job to stderr, where a container's log is read."""
    outcome = "done" if job.error is None else f"FAILED {job.key}: {job.error}"
    typer.echo(f"{job.table}: {outcome}", err=True)
