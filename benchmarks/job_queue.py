"""The queue: what it costs a task when 10,000 are waiting, and how much N workers do together.

``python -m benchmarks.job_queue [--workers 1 4 8] [--quick]``. The tasks sleep, so that the queue is all
there is to see. Runs on the configured database server (``DJ_HOST`` ...), under schemas of its own that it
drops. Without one it uses an embedded PostgreSQL of its own. Workers are processes; a rate is taken from the
database, from the first claim of a job to the end of the last one.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common import REPOSITORY_DIR, write_result
from benchmarks.scale_database import configured_database

PROGRAM = Path(__file__).with_name("small_tasks.py")
N_PENDING, N_TIMED, N_PLAIN = 10_000, 300, 20
SLEEP_S, TASKS_PER_WORKER = 1.0, 60


def main() -> None:
    """Measure, print, write the result."""
    options = _options()
    quick = options.quick
    workers = [1, 2] if quick else options.workers
    with configured_database(), own_tables() as tables:
        result = {
            "server": server_version(),
            "overhead": measure_overhead(
                tables, *((200, 20, 5) if quick else (N_PENDING, N_TIMED, N_PLAIN))
            ),
            "throughput": measure_throughput(
                tables, workers, *((0.1, 5) if quick else (SLEEP_S, TASKS_PER_WORKER))
            ),
        }
    report(result)
    print(write_result("job_queue", result))


def measure_overhead(
    tables: tuple[str, Any], n_pending: int, n_timed: int, n_plain: int
) -> dict[str, Any]:
    """Time what a task takes that does nothing, while `n_pending` are waiting."""
    from element_facerhythm.fleet.job_queue import JobQueue

    prefix, small = tables
    fill(small, n_pending, 0.0)
    started = time.monotonic()
    JobQueue(small.Slept).add_new()
    enter_s = time.monotonic() - started
    ours = run_workers(prefix, 1, f"max_jobs={n_timed}", "poll_s=0.2")
    started = time.monotonic()
    for _ in range(n_plain):
        small.Slept.populate(reserve_jobs=True, max_calls=1)
    plain_s = time.monotonic() - started
    return {
        "n_pending": n_pending,
        "n_tasks": n_timed,
        "ms_per_task": 1000 * ours[0]["seconds"] / n_timed,
        "enter_ms_per_task": 1000 * enter_s / n_pending,
        "datajoint_ms_per_task": 1000 * plain_s / n_plain,
    }


def measure_throughput(
    tables: tuple[str, Any], workers: list[int], sleep_s: float, tasks_per_worker: int
) -> list[dict[str, float]]:
    """Let N workers do N times as many tasks, for each N."""
    prefix, small = tables
    rows: list[dict[str, float]] = []
    for n_workers in workers:
        fill(small, n_workers * tasks_per_worker, sleep_s)
        run_workers(prefix, n_workers, "poll_s=0.2")
        per_hour = 3600 * n_workers * tasks_per_worker / seconds_of_work()
        alone = rows[0]["tasks_per_hour"] / workers[0] if rows else per_hour / n_workers
        rows.append(
            {
                "n_workers": n_workers,
                "sleep_s": sleep_s,
                "tasks_per_hour": per_hour,
                "of_n_times_one": per_hour / (n_workers * alone),
            }
        )
    return rows


def fill(small: Any, n_tasks: int, sleep_s: float) -> None:
    """Empty the tables, and enter tasks."""
    from element_facerhythm.fleet import JobAttempt

    small.Slept().jobs.delete_quick()
    for table in (small.Slept, small.Task, JobAttempt):
        table().delete_quick()
    rows = [{"task_id": i, "sleep_s": sleep_s} for i in range(n_tasks)]
    small.Task.insert(rows, chunk_size=1000)


def seconds_of_work() -> float:
    """Time from the first claim to the end of the last job, by the server."""
    from element_facerhythm.fleet import JobAttempt

    rows = JobAttempt().to_dicts()
    first, last = min(r["started_time"] for r in rows), max(r["ended_time"] for r in rows)
    return float((last - first).total_seconds())


def run_workers(prefix: str, n_workers: int, *options: str) -> list[dict[str, float]]:
    """Start workers, let them begin together, and give their reports."""
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), prefix, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY_DIR)},
        )
        for _ in range(n_workers)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        while process.stdout.readline() not in ("ready\n", ""):
            pass
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in processes]
    return [json.loads(str(output).splitlines()[-1]) for output in outputs]


@contextmanager
def own_tables() -> Iterator[tuple[str, Any]]:
    """Have tables under a prefix of their own; they are dropped afterwards."""
    from benchmarks import small_tasks
    from element_facerhythm import fleet
    from element_facerhythm.fleet.job_queue import JobQueue

    prefix = f"queue{secrets.token_hex(3)}_"
    small_tasks.activate(prefix)
    JobQueue(small_tasks.Slept).provide()
    try:
        yield prefix, small_tasks
    finally:
        for schema in (small_tasks.schema, fleet.schema):
            schema.drop(prompt=False)


def server_version() -> str:
    """Kind and version of the server."""
    from element_facerhythm.database.datajoint import import_datajoint

    dj = import_datajoint()
    version = dj.conn().query("SELECT version()").fetchone()[0].split(" on ")[0]
    return f"{dj.config.database.backend} {version}"


def report(result: dict[str, Any]) -> None:
    """Print what was measured."""
    overhead = result["overhead"]
    print(
        f"{result['server']}: {overhead['ms_per_task']:.1f} ms a task at {overhead['n_pending']:,} pending "
        f"(DataJoint's populate, one call each: {overhead['datajoint_ms_per_task']:.1f} ms); entering a task "
        f"{overhead['enter_ms_per_task']:.2f} ms"
    )
    for row in result["throughput"]:
        print(
            f"{row['n_workers']} workers: {row['tasks_per_hour']:,.0f} tasks/hour of {row['sleep_s']} s, "
            f"{row['of_n_times_one']:.3f} of N times one"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--quick", action="store_true", help="next to nothing, once")
    return parser.parse_args()


if __name__ == "__main__":
    main()
