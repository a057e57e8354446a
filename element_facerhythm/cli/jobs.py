"""`facerhythm jobs`: single jobs, and what to do about them."""

import getpass
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import typer

from element_facerhythm.cli.output import JsonOption, print_json, print_table, quiet_stdout
from element_facerhythm.cli.status import key_text
from element_facerhythm.errors import ConfigurationError, ParameterError

app = typer.Typer(
    help="Single jobs: why they failed, try again, leave alone, how urgent.", no_args_is_help=True
)

STATUS_WORDS = {
    "pending": "pending", "running": "reserved", "failed": "error", "aside": "ignore",
}  # fmt: skip
TableOption = Annotated[str | None, typer.Option("--table", help="Jobs of this table only.")]
SubjectOption = Annotated[str | None, typer.Option("--subject", help="Jobs of this subject only.")]
SessionOption = Annotated[int | None, typer.Option("--session", help="Jobs of this session only.")]
RecordingOption = Annotated[
    int | None, typer.Option("--recording", help="Jobs of this recording only.")
]
AllOption = Annotated[
    bool, typer.Option("--all", help="All jobs; needed where nothing else is said.")
]


@app.command()
def show(
    table: TableOption = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    status: Annotated[
        str | None, typer.Option(help=f"Jobs that are {', '.join(STATUS_WORDS)} only.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many jobs per table.", min=1)] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show jobs of the queue with their status, priority, attempts and the reason of the last failure.

    Example: `facerhythm jobs show --status failed --subject mouse1`
    """
    if status is not None and status not in STATUS_WORDS:
        raise ParameterError(
            f"--status {status!r} is not known; expected {', '.join(STATUS_WORDS)}"
        )
    with quiet_stdout():
        wanted = chosen(table, subject, session, recording)
        found = list(rows_of(wanted, STATUS_WORDS.get(str(status)), limit))
    if as_json:
        print_json({"jobs": found})
        return
    print_table(
        "",
        ("table", "key", "status", "priority", "attempts", "reason"),
        [
            (
                row["table"], key_text(row["key"]), row["status"], row["priority"],
                " ".join(attempt["outcome"] for attempt in row["attempts"]), row["reason"],
            )
            for row in found
        ],
        right=("priority",),
        whole=("table", "status"),
    )  # fmt: skip


@app.command()
def retry(
    table: TableOption = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Have jobs that failed or were set aside tried again; earlier attempts count no more.

    Example: `facerhythm jobs retry --table FaceRhythmProcessing --subject mouse1`
    """
    with quiet_stdout():
        wanted = chosen(table, subject, session, recording, everything=everything)

        def offer_anew(queue: Any, job: Any) -> None:
            with queue.connection.transaction:
                claims().reset(job, getpass.getuser())
                queue.offer(job)

        n_jobs = change(wanted, ("error", "ignore"), offer_anew)
    told("tried again", n_jobs, as_json)


@app.command()
def ignore(
    table: TableOption = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    everything: AllOption = False,
    reason: Annotated[str, typer.Option(help="Why, for those who look later.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Leave jobs alone: no worker does those that are pending or failed, until `retry`.

    Example: `facerhythm jobs ignore --subject mouse1 --reason "camera was covered"`
    """
    with quiet_stdout():
        wanted = chosen(table, subject, session, recording, everything=everything)
        text = f"set aside by {getpass.getuser()}" + (f": {reason}" if reason else "")
        n_jobs = change(wanted, ("pending", "error"), lambda queue, job: queue.set_aside(job, text))
    told("left alone", n_jobs, as_json)


@app.command()
def priority(
    value: Annotated[int, typer.Argument(help="Lower is more urgent; 5 is usual.", min=0, max=127)],
    table: TableOption = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Set how urgent pending jobs are; workers take the most urgent first.

    Example: `facerhythm jobs priority 1 --subject mouse1`
    """
    with quiet_stdout():
        wanted = chosen(table, subject, session, recording, everything=everything)
        n_jobs = change(wanted, ("pending",), lambda queue, job: queue.prioritise(job, value))
    told(f"of priority {value}", n_jobs, as_json)


def chosen(
    table: str | None,
    subject: str | None,
    session: int | None,
    recording: int | None,
    *,
    everything: bool | None = None,
) -> list[tuple[Any, Any]]:
    """Find the queues, and the jobs in them, that the options name.

    Raises
    ------
    ParameterError
        Nothing is named where something must be (`everything` is False), or the table is not known.
    """
    from element_facerhythm.cli.database import activated_workflow

    workflow = activated_workflow()
    from element_facerhythm.fleet.queue import JobQueue

    given = {"subject": subject, "session_id": session, "recording_id": recording}
    key = {name: value for name, value in given.items() if value is not None}
    if everything is False and table is None and not key:
        raise ParameterError("say which jobs: --table, --subject, --session, --recording, or --all")
    queues = [JobQueue(populated) for populated in workflow.POPULATED]
    names = [queue.name for queue in queues]
    if table is not None and table not in names:
        raise ParameterError(f"--table {table!r} is not populated; expected {', '.join(names)}")
    found = []
    for queue in queues:
        if table in (None, queue.name):
            queue.provide()
            absent = [name for name in key if name not in queue.jobs.primary_key]
            if absent:
                raise ConfigurationError(
                    f"{queue.name} has no {', '.join(absent)} in its key, which is "
                    f"{', '.join(queue.jobs.primary_key)}: use --table or --all"
                )
            found.append((queue, queue.jobs & key))
    return found


def change(
    wanted: Sequence[tuple[Any, Any]], statuses: Sequence[str], do: Callable[[Any, Any], None]
) -> int:
    """Do something to each chosen job that has one of the statuses; give their number.

    Keys that no worker has entered into the queue yet are entered first.
    """
    n_jobs = 0
    for queue, jobs in wanted:
        queue.add_new()
        restricted = jobs & [{"status": status} for status in statuses]
        for row in restricted.proj().to_dicts():
            do(queue, queue.job(row))
            n_jobs += 1
    return n_jobs


def rows_of(
    wanted: Sequence[tuple[Any, Any]], status: str | None, limit: int
) -> Iterator[dict[str, Any]]:
    """Give what is shown of each job."""
    from element_facerhythm.fleet.tables import JobAttempt

    words = {value: word for word, value in STATUS_WORDS.items()}
    columns = ("worker_id", "started_time", "ended_time", "outcome", "stage", "reason")
    for queue, jobs in wanted:
        restricted = jobs & {"status": status} if status else jobs
        found = restricted.proj("status", "priority", "error_message").to_dicts(
            order_by="priority ASC", limit=limit
        )
        for row in found:
            job = queue.job(row)
            attempts = JobAttempt() & {"table_name": job.table, "job_id": job.job_id}
            yield {
                "table": job.table,
                "key": dict(job.key),
                "status": words[row["status"]],
                "priority": int(row["priority"]),
                "reason": row["error_message"],
                "attempts": attempts.proj(*columns).to_dicts(order_by="attempt"),
            }


def claims() -> Any:
    """Give the claims of nobody, for statements about attempts."""
    from element_facerhythm.fleet.claims import Claims
    from element_facerhythm.fleet.tables import ActiveJob

    return Claims(ActiveJob.connection, "")


def told(what: str, n_jobs: int, as_json: bool) -> None:
    """Tell how many jobs were changed."""
    if as_json:
        print_json({"n_jobs": n_jobs})
    else:
        typer.echo(f"{n_jobs} jobs: {what}")
