"""`facerhythm slurm`: workers as a job array of a Slurm cluster."""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from element_facerhythm.cli import slurm_options as choose
from element_facerhythm.cli.linking_option import DatabaseCommand
from element_facerhythm.cli.output import JsonOption, print_json, print_table, quiet_stdout
from element_facerhythm.errors import ClusterError, ConfigurationError

if TYPE_CHECKING:
    from element_facerhythm.slurm import ArraySize, BatchOptions, Task

app = typer.Typer(help="Run workers as a job array of a Slurm cluster.", no_args_is_help=True)

COLUMNS = ("task", "state", "elapsed", "time limit", "partition", "node", "reason")
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")

Missing = dict[type[Exception], Exception]
"""What a dry run goes without, by the class of the error that says so."""


@app.command("submit", cls=DatabaseCommand)
def submit(
    partition: choose.Partition = None,
    gpus: choose.Gpus = None,
    max_workers: choose.MaxWorkers = 4,
    at_once: choose.AtOnce = None,
    cpus: choose.Cpus = None,
    memory: choose.Memory = None,
    time: choose.TimeLimit = None,
    grace: choose.Grace = 120,
    account: choose.Account = None,
    qos: choose.Qos = None,
    setup: choose.Setup = None,
    before: choose.Before = None,
    sbatch: choose.Sbatch = None,
    max_jobs: choose.MaxJobs = None,
    lease: choose.Lease = None,
    name: choose.Name = "facerhythm",
    directory: choose.Directory = None,
    dry_run: choose.DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Submit as many workers as there are jobs waiting; each stops when nothing is left.

    The workers have the environment and the working directory of this command. The same command again
    submits no more than what is then missing.

    Example: `facerhythm slurm submit --partition gpu --gpus 1 --time 12:00:00 --max-workers 8`
    """
    from element_facerhythm.slurm import BatchOptions

    options = BatchOptions(
        log_dir=Path.cwd() if directory is None else directory.absolute(),
        work_dir=Path.cwd(),
        name=name,
        partition=partition,
        account=account,
        qos=qos,
        gpus=gpus,
        cpus=cpus,
        memory=memory,
        time_limit=time,
        grace_s=grace,
        at_once=at_once,
        further=tuple(sbatch or ()),
        setup=None if setup is None else setup.absolute(),
        before=tuple(before or ()),
    )
    with quiet_stdout():
        size, missing = measure(name, max_workers, dry_run=dry_run)
        if directory is None:
            options = replace(options, log_dir=default_directory(missing))
    command = worker_command(max_jobs, lease)
    if dry_run:
        show_script(options, size, command, missing, as_json)
    else:
        submit_and_report(options, size, command, as_json)


def measure(name: str, max_workers: int, *, dry_run: bool) -> "tuple[ArraySize, Missing]":
    """Count what is pending, and the workers that are there already.

    A dry run passes over what is missing: without Slurm (ClusterError) it counts no workers, without a server
    (ConfigurationError) a job for each worker.
    """
    from element_facerhythm.slurm import ArraySize, list_tasks

    missing: Missing = {}
    tasks: list[Task] = []
    try:
        tasks = list_tasks(name)
    except ClusterError as error:
        missing[ClusterError] = error
    try:
        require_server()
    except ConfigurationError as error:
        missing[ConfigurationError] = error
    if missing and not dry_run:
        raise next(iter(missing.values()))
    n_pending = max_workers if ConfigurationError in missing else count_pending()
    return ArraySize.beside(tasks, n_pending=n_pending, max_workers=max_workers), missing


def count_pending() -> int:
    """Count the jobs that can start now, and those of silent workers, which are requeued after the lease."""
    from element_facerhythm.cli.database_access import pipeline_to_read

    tables = pipeline_to_read().populated
    from element_facerhythm.fleet.report import report_fleet

    report = report_fleet(tables)
    alive = {worker.worker_id for worker in report.workers if worker.state != "silent"}
    orphans = [job for job in report.jobs if job.worker_id not in alive]
    return sum(counts.pending for counts in report.tables.values()) + len(orphans)


def require_server() -> None:
    """Refuse the embedded database, which listens on this machine only; say so where a host is doubtful."""
    from element_facerhythm.cli.database_access import configured_datajoint
    from element_facerhythm.database.embedded import database_is_configured

    settings = configured_datajoint().config.database
    if not database_is_configured():
        raise ConfigurationError(
            "no database server is configured, and the nodes of a cluster cannot reach the embedded one: "
            "set DJ_HOST, DJ_USER and DJ_PASS, or write a datajoint.json"
        )
    if settings.host in LOCAL_HOSTS:
        typer.echo(
            f"facerhythm: DJ_HOST is {settings.host}, which on another node is that node itself",
            err=True,
        )


def default_directory(missing: Missing) -> Path:
    """Directory for scripts and logs: `slurm/` in that of the results, which the nodes reach as well."""
    if ConfigurationError in missing:  # a dry run starts no embedded database
        from element_facerhythm.linking import environment_processed_dir

        return (environment_processed_dir({}) or Path.cwd()) / "slurm"
    from element_facerhythm.linking import active_link

    return active_link().processed_dir() / "slurm"


def worker_command(max_jobs: int | None, lease: float | None) -> list[str]:
    """Program and arguments of one worker: this Python."""
    options = {"--max-jobs": max_jobs, "--lease": lease}
    given = [f"{name}={value}" for name, value in options.items() if value is not None]
    return [sys.executable, "-m", "element_facerhythm", "worker", "--exit-when-idle", *given]


def show_script(
    options: "BatchOptions", size: "ArraySize", command: list[str], missing: Missing, as_json: bool
) -> None:
    """Print the script that would be submitted, with what stays unchecked; of no array, for one worker."""
    from element_facerhythm.slurm import batch_script, check_script

    n_tasks = max(size.n_tasks, 1)
    script = batch_script(options, n_tasks, command)
    if ClusterError not in missing:
        check_script(options, n_tasks, command)
    counted = ConfigurationError not in missing
    about = (
        f"for {size.n_pending} pending jobs" if counted else "(--max-workers; no job was counted)"
    )
    notes = [f"would submit an array of {size.n_tasks} workers {about}; logs in {options.log_dir}"]
    if not size.n_tasks:
        notes = [f"nothing would be submitted: {size.reason}"]
    notes += [f"not checked, `submit` itself is refused: {error}" for error in missing.values()]
    if as_json:
        answer = {"submitted": False, **sizes(size), "script": script, "notes": notes}
        print_json(answer if counted else {**answer, "n_pending": None})
        return
    typer.echo(script, nl=False)
    for note in notes:
        typer.echo(f"facerhythm: {note}", err=True)


def submit_and_report(
    options: "BatchOptions", size: "ArraySize", command: list[str], as_json: bool
) -> None:
    """Submit the array where one is needed, and print what was done."""
    from element_facerhythm.slurm import submit_script

    done = submit_script(options, size.n_tasks, command) if size.n_tasks else None
    if as_json:
        print_json({"submitted": done is not None, **sizes(size), **(vars(done) if done else {})})
    elif done is None:
        typer.echo(f"nothing was submitted: {size.reason}")
    else:
        typer.echo(f"array {done.array}: {size.n_tasks} workers for {size.n_pending} pending jobs")
        typer.echo(f"script {done.script}\nlogs   {done.logs}")


def sizes(size: "ArraySize") -> dict[str, int]:
    """Numbers of the array, for JSON."""
    return {
        "n_pending": size.n_pending,
        "n_workers_queued": size.n_queued,
        "n_workers_running": size.n_running,
        "n_tasks": size.n_tasks,
    }


@app.command("status")
def status(
    arrays: choose.Arrays = None,
    name: choose.Name = "facerhythm",
    days: Annotated[
        int, typer.Option(help="How far back, where the cluster keeps accounting.", min=1)
    ] = 2,
    as_json: JsonOption = False,
) -> None:
    """Report which workers wait, run and have ended, and where their logs are.

    `facerhythm status` shows what is done and pending in the database.

    Example: `facerhythm slurm status`
    """
    from element_facerhythm.slurm import list_tasks, past_tasks

    now = list_tasks(name, arrays or ())
    known = {task.task for task in now}
    before = [task for task in past_tasks(name, arrays or (), days=days) if task.task not in known]
    tasks = [*before, *now]
    counts = Counter(task.state for task in tasks)
    if as_json:
        print_json({"name": name, "counts": counts, "tasks": tasks})
    elif tasks:
        print_table("", COLUMNS, [row_of(task) for task in tasks])
        typer.echo(", ".join(f"{n} {state.lower()}" for state, n in counts.most_common()))
        for directory in sorted({str(Path(task.log).parent) for task in tasks if task.log}):
            typer.echo(f"logs {directory}/TASK.log")
    else:
        typer.echo(f"Slurm knows no task named {name}")


def row_of(task: "Task") -> tuple[str, ...]:
    """Return the fields of a task as text; a dash where one is empty."""
    return tuple(getattr(task, column.replace(" ", "_")) or "-" for column in COLUMNS)


@app.command("cancel")
def cancel(
    arrays: choose.Arrays = None,
    name: choose.Name = "facerhythm",
    grace: Annotated[
        float,
        typer.Option(help="Seconds that workers have to requeue their jobs.", min=0, max=86400),
    ] = 60,
    as_json: JsonOption = False,
) -> None:
    """Withdraw waiting workers, and stop running ones so that they requeue their jobs.

    Example: `facerhythm slurm cancel 1234`
    """
    from element_facerhythm.slurm import cancel_tasks

    done = cancel_tasks(name, arrays or (), grace_s=grace)
    if as_json:
        print_json(vars(done))
        return
    typer.echo(
        f"{len(done.withdrawn)} withdrawn before they started, {len(done.stopped)} stopped, "
        f"{len(done.ended)} ended by force"
    )
    if done.ended:
        typer.echo(
            f"facerhythm: ended by force after {grace:g} s: {', '.join(done.ended)}; a job that they "
            "still held is requeued once their lease is over",
            err=True,
        )
