"""`facerhythm jobs`: single jobs, and what to do about them."""

import getpass
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import typer

from element_facerhythm.cli.key_options import (
    KeyOption,
    KeyTexts,
    RecordingOption,
    SessionOption,
    SubjectOption,
    key_texts,
)
from element_facerhythm.cli.linking_option import DatabaseCommand
from element_facerhythm.cli.output import JsonOption, print_json, print_table, quiet_stdout
from element_facerhythm.database.keys import key_text
from element_facerhythm.errors import ParameterError

app = typer.Typer(
    help="Single jobs: why they failed, try again, leave alone, how urgent.", no_args_is_help=True
)

STATUS_WORDS = {
    "pending": "pending", "running": "reserved", "failed": "error", "aside": "ignore",
}  # fmt: skip
TableOption = Annotated[str | None, typer.Option("--table", help="Jobs of this table only.")]
AllOption = Annotated[
    bool, typer.Option("--all", help="All jobs; needed where nothing else is said.")
]


@app.command(cls=DatabaseCommand)
def show(
    table: TableOption = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
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
        wanted = chosen(table, key_texts(subject, session, recording, key))
        found = list(rows_of(wanted, STATUS_WORDS.get(str(status)), limit))
    if as_json:
        print_json({"jobs": found})
        return
    if not found:
        typer.echo("no such job: `facerhythm status` shows what is done")
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


@app.command(cls=DatabaseCommand)
def retry(
    table: TableOption = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Have jobs that failed or were set aside tried again; earlier attempts no longer count.

    Example: `facerhythm jobs retry --table FaceRhythmProcessing --subject mouse1`
    """
    with quiet_stdout():
        wanted = chosen(table, key_texts(subject, session, recording, key), everything=everything)

        def offer_anew(queue: Any, job: Any) -> None:
            with queue.connection.transaction:
                claims().reset(job, getpass.getuser())
                queue.offer(job)

        n_jobs = change(wanted, ("error", "ignore"), offer_anew)
    report_changed("tried again", n_jobs, as_json)


@app.command(cls=DatabaseCommand)
def ignore(
    table: TableOption = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    everything: AllOption = False,
    reason: Annotated[str, typer.Option(help="Why, as `jobs show` prints it.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Leave jobs alone: no worker does those that are pending or failed, until `retry`.

    Example: `facerhythm jobs ignore --subject mouse1 --reason "camera was covered"`
    """
    with quiet_stdout():
        wanted = chosen(table, key_texts(subject, session, recording, key), everything=everything)
        text = f"set aside by {getpass.getuser()}" + (f": {reason}" if reason else "")
        n_jobs = change(wanted, ("pending", "error"), lambda queue, job: queue.set_aside(job, text))
    report_changed("left alone", n_jobs, as_json)


@app.command(cls=DatabaseCommand)
def priority(
    value: Annotated[int, typer.Argument(help="Lower is more urgent; 5 is usual.", min=0, max=127)],
    table: TableOption = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Set how urgent pending jobs are; workers take the most urgent first.

    Example: `facerhythm jobs priority 1 --subject mouse1`
    """
    with quiet_stdout():
        wanted = chosen(table, key_texts(subject, session, recording, key), everything=everything)
        n_jobs = change(wanted, ("pending",), lambda queue, job: queue.prioritise(job, value))
    report_changed(f"of priority {value}", n_jobs, as_json)


def chosen(
    table: str | None, of: KeyTexts, *, everything: bool | None = None
) -> list[tuple[Any, Any]]:
    """Find the queues that the options name, each with the restriction of its jobs.

    Without `everything`, which states whether all jobs may be meant, the pipeline is opened to read only.

    Raises
    ------
    ParameterError
        Nothing is named where something must be (`everything` is False), or the table is not known.
    """
    from element_facerhythm.cli.database_access import pipeline_to_change, pipeline_to_read

    if everything is False and table is None and not of.texts:
        raise ParameterError(
            "say which jobs: --table, --subject, --session, --recording, --key, or --all"
        )
    pipeline = pipeline_to_read() if everything is None else pipeline_to_change()
    from element_facerhythm.fleet.job_queue import JobQueue

    queues = [JobQueue(populated) for populated in pipeline.populated]
    names = [queue.name for queue in queues]
    if table is not None and table not in names:
        raise ParameterError(f"--table {table!r} is not populated; expected {', '.join(names)}")
    found = []
    for queue in queues:
        if table in (None, queue.name):
            key = of.key(queue.target)
            if everything is not None:
                queue.provide()
            found.append((queue, key))
    return found


def change(
    wanted: Sequence[tuple[Any, Any]], statuses: Sequence[str], do: Callable[[Any, Any], None]
) -> int:
    """Call a function for each chosen job that has one of the statuses; return their number.

    Keys that no worker has entered into the queue yet are entered first.
    """
    n_jobs = 0
    for queue, key in wanted:
        queue.add_new()
        restricted = queue.jobs & key & [{"status": status} for status in statuses]
        for row in restricted.proj().to_dicts():
            do(queue, queue.job(row))
            n_jobs += 1
    return n_jobs


def rows_of(
    wanted: Sequence[tuple[Any, Any]], status: str | None, limit: int
) -> Iterator[dict[str, Any]]:
    """Yield what is shown of each job, and of keys that wait and that no worker has queued yet."""
    from element_facerhythm.database.activation import is_activated
    from element_facerhythm.fleet.job_queue import PENDING
    from element_facerhythm.fleet.tables import JobAttempt

    has_attempts = is_activated(JobAttempt)
    words = {value: word for word, value in STATUS_WORDS.items()}
    columns = (
        "attempt_worker_id", "started_time", "ended_time", "outcome", "last_stage", "reason",
    )  # fmt: skip
    for queue, key in wanted:
        found = []
        if queue.jobs.is_declared:
            restricted = queue.jobs & key & ({"status": status} if status else {})
            found = restricted.proj("status", "priority", "error_message").to_dicts(
                order_by="priority ASC", limit=limit
            )
        if status in (None, PENDING):
            found += queue.not_queued(key, limit - len(found))
        for row in found:
            job = queue.job(row)
            where = {"table_name": job.table, "job_id": job.job_id}
            yield {
                "table": job.table,
                "key": dict(job.key),
                "status": words[row["status"]],
                "priority": int(row["priority"]),
                "reason": row["error_message"],
                "attempts": (JobAttempt() & where).proj(*columns).to_dicts(order_by="attempt")
                if has_attempts
                else [],
            }


def claims() -> Any:
    """Return claims without a worker id, for statements about attempts."""
    from element_facerhythm.fleet.claims import Claims
    from element_facerhythm.fleet.tables import ActiveJob

    return Claims(ActiveJob.connection, "")


def report_changed(what: str, n_jobs: int, as_json: bool) -> None:
    """Print how many jobs were changed."""
    if as_json:
        print_json({"n_jobs": n_jobs})
    else:
        typer.echo(f"{n_jobs} jobs: {what}")
