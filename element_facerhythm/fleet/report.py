"""Progress of the work, as `facerhythm status` shows it, in plain values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from element_facerhythm.database.activation import is_activated
from element_facerhythm.fleet.claims import as_key, utc_now
from element_facerhythm.fleet.job_queue import ERROR, IGNORE
from element_facerhythm.fleet.job_table import JobTable
from element_facerhythm.fleet.key_counts import KeyCounts, count_keys, keys_of, queue_name
from element_facerhythm.fleet.tables import ActiveJob, Worker

STOPPED = ("stopped", "lost")


@dataclass(frozen=True)
class RunningJob:
    """A job that a worker is doing; numbers are None where the stage does not report them."""

    table: str
    key: Mapping[str, Any]
    worker_id: str
    attempt: int
    seconds: float
    stage: str
    n_done: int | None
    n_total: int | None
    unit: str
    percent: float | None
    rate_per_s: float | None
    seconds_left: float | None


@dataclass(frozen=True)
class WorkerStatus:
    """A worker that was not stopped; `silent` where its last heartbeat is more than its lease ago."""

    worker_id: str
    host: str
    pid: int
    device: str
    batch_job: str
    state: str
    seconds_since_heartbeat: float
    n_done: int
    n_failed: int


@dataclass(frozen=True)
class Problem:
    """A job that failed, or was set aside, and why."""

    table: str
    key: Mapping[str, Any]
    error: str


@dataclass(frozen=True)
class FleetReport:
    """Everything that `facerhythm status` shows."""

    tables: Mapping[str, KeyCounts]
    jobs: Sequence[RunningJob]
    workers: Sequence[WorkerStatus]
    errors: Sequence[Problem]
    set_aside: Sequence[Problem]


def report_fleet(tables: Sequence[Any]) -> FleetReport:
    """Ask the database how far the work on `tables` is."""
    connection = tables[0].connection
    # before the first worker has run, there is no such schema
    has_workers = is_activated(ActiveJob)
    now = connection.query(f"SELECT {utc_now(connection)}").fetchone()[0]
    orders = {table.__name__: table.primary_key for table in tables}
    return FleetReport(
        tables={table.__name__: count_keys(table) for table in tables},
        jobs=[
            _running_job(row, now, orders.get(row["active_table"], ()))
            for row in (ActiveJob().to_dicts(order_by="claimed_time") if has_workers else ())
        ],
        workers=list(present_workers(now)) if has_workers else [],
        errors=[problem for table in tables for problem in _problems(table, ERROR)],
        set_aside=[problem for table in tables for problem in _problems(table, IGNORE)],
    )


def _running_job(row: Mapping[str, Any], now: datetime, order: Sequence[str]) -> RunningJob:
    """Make what is shown of a row of `ActiveJob`; a JSON column keeps no order of the key."""
    key = as_key(row["active_job_key"])
    return RunningJob(
        table=row["active_table"],
        key={name: key[name] for name in sorted(key, key=[*order, *key].index)},
        seconds=(now - row["claimed_time"]).total_seconds(),
        attempt=row["current_attempt"],
        stage=row["current_stage"],
        **{
            name: row[name]
            for name in (
                "worker_id", "n_done", "n_total", "unit", "percent", "rate_per_s", "seconds_left",
            )
        },
    )  # fmt: skip


def present_workers(now: datetime) -> Iterator[WorkerStatus]:
    """Yield the workers that were neither stopped nor declared lost."""
    present = Worker() - [{"state": state} for state in STOPPED]
    for row in present.to_dicts(order_by="worker_started_time"):
        quiet_s = (now - row["heartbeat_time"]).total_seconds()
        yield WorkerStatus(
            state="silent" if quiet_s > row["lease_s"] else row["state"],
            seconds_since_heartbeat=quiet_s,
            device=row["worker_device"],
            n_done=row["n_jobs_done"],
            n_failed=row["n_jobs_failed"],
            **{name: row[name] for name in ("worker_id", "host", "pid", "batch_job")},
        )


def _problems(table: Any, status: str) -> Iterator[Problem]:
    """Yield key and reason of each job of a status whose key is still there."""
    target = table()
    if queue_name(target) is None:
        return
    queue = JobTable(target)  # `target.jobs` would create the table
    names = queue.primary_key
    jobs = (queue & {"status": status}).restrict(keys_of(target), semantic_check=False)
    for row in jobs.proj("error_message").to_dicts(order_by=names):
        yield Problem(table.__name__, {n: row[n] for n in names}, row["error_message"])
