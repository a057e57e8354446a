"""What the queue costs for each job, when thousands wait and the analysis itself takes no time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.filled_database import FilledDatabase

N_JOBS = 20
N_NEW_KEYS = 100
COMPLETED = "2026-04-01T12:00:00+00:00"


def measure_queue(database: FilledDatabase, rounds: int) -> dict[str, float]:
    """Milliseconds of a look for new keys, of entering one, and of a job by each way of working.

    The jobs are real ones of `FaceRhythmProcessing`, with all their statements, in a queue in which about as
    many wait as there are recordings; only the computation is left out. What they wrote is taken back. A job
    `with_a_look` searches for new keys first; `by_one_object` uses the same table object for all jobs, the
    others make one for each, as `Table.populate()` does; `without_the_queue` is `populate(key)` without
    reservation.
    """
    fbe = database.workflow.facial_behavior_estimation
    table = fbe.FaceRhythmProcessing
    queue = table.jobs
    n_jobs = min(N_JOBS, database.n_recordings // 8)
    looks = [_milliseconds(lambda: queue.refresh(delay=-1)) for _ in range(rounds)]
    n_pending = len(queue.pending)
    entering = _enter_keys(database, nullcontext)
    together = _enter_keys(database, lambda: database.connection.transaction)
    one = table()
    with no_computation(database):
        ways = {
            "job_with_a_look_ms": lambda: _one_job(table(), refresh=True),
            "job_without_a_look_ms": lambda: _one_job(table(), refresh=False),
            "job_without_a_look_by_one_object_ms": lambda: _one_job(one, refresh=False),
            "job_without_the_queue_ms": lambda: _direct(one),
        }
        jobs = {name: statistics.median(way() for _ in range(n_jobs)) for name, way in ways.items()}
        worker = _worker(database, n_jobs)
    _take_back(database)
    return {
        "n_pending": float(n_pending),
        "look_for_new_keys_ms": statistics.median(looks),
        "enter_one_key_ms": entering,
        "enter_one_key_in_a_transaction_ms": together,
        **jobs,
        "job_of_a_worker_ms": worker,
        "overhead_of_a_worker_ms": worker - jobs["job_without_the_queue_ms"],
    }


def _milliseconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


def _enter_keys(
    database: FilledDatabase, transaction: Callable[[], AbstractContextManager[Any]]
) -> float:
    """Milliseconds for each key that a look for new keys enters into the queue."""
    fbe = database.workflow.facial_behavior_estimation
    keys = (fbe.FaceRhythmTask() & {"paramset_id": 1}).keys(order_by="KEY", limit=N_NEW_KEYS)
    fbe.FaceRhythmTask.insert([{**key, "paramset_id": 2, "task_mode": "trigger"} for key in keys])
    queue = fbe.FaceRhythmProcessing.jobs
    without = _milliseconds(lambda: queue.refresh({"paramset_id": 0}, delay=-1))
    started = time.perf_counter()
    with transaction():
        queue.refresh(delay=-1)
    added = 1000 * (time.perf_counter() - started) - without
    (queue & {"paramset_id": 2}).delete_quick()
    (fbe.FaceRhythmTask() & {"paramset_id": 2}).delete_quick()
    return added / len(keys)


def _one_job(table: Any, *, refresh: bool) -> float:
    started = time.perf_counter()
    result = table.populate(reserve_jobs=True, max_calls=1, suppress_errors=True, refresh=refresh)
    return _elapsed(started, result)


def _direct(table: Any) -> float:
    (key,) = table.jobs.pending.keys(limit=1)
    started = time.perf_counter()
    elapsed = _elapsed(started, table.populate(key, suppress_errors=True))
    (table.jobs & key).delete_quick()  # else the next one would be offered the same
    return elapsed


def _elapsed(started: float, result: dict[str, Any]) -> float:
    if result["success_count"] != 1:
        raise RuntimeError(f"a job of the benchmark failed: {result}")
    return 1000 * (time.perf_counter() - started)


def _worker(database: FilledDatabase, n_jobs: int) -> float:
    """Milliseconds for each job of a worker, from the end of one to the end of the next; the median."""
    from element_facerhythm.fleet.worker import WorkerOptions, work

    ends: list[float] = []
    report = work(
        database.workflow.POPULATED[:2],
        WorkerOptions(max_jobs=n_jobs + 1, exit_when_idle=True),
        on_job=lambda _job: ends.append(time.perf_counter()),
    )
    if (report.n_done, report.n_failed) != (n_jobs + 1, 0):
        raise RuntimeError(f"jobs of the benchmark failed: {report}")
    return 1000 * statistics.median(later - earlier for earlier, later in pairwise(ends))


@contextmanager
def no_computation(database: FilledDatabase) -> Iterator[None]:
    """Replace the analysis by its outcome: a record of five stages and five products."""
    from element_facerhythm.facial_behavior_estimation import task_run
    from element_facerhythm.linking import active_link
    from element_facerhythm.pipeline.records import (
        PRODUCT_OF_STAGE,
        ProductRecord,
        RunRecord,
        StageRecord,
    )

    directory = Path(active_link().processed_dir()) / "project"
    directory.mkdir(exist_ok=True)
    products = []
    for name in PRODUCT_OF_STAGE.values():
        path = directory / f"{name}.h5"
        path.touch()
        products.append(ProductRecord(name, path, 0, "0" * 64))
    record = RunRecord(
        project_dir=directory,
        stages=tuple(StageRecord(name, 1.0, False, COMPLETED, "cpu") for name in PRODUCT_OF_STAGE),
        products=tuple(products),
        device="cpu",
        versions={"numpy": "2", "scipy": "1"},
        notes=(),
        videos=None,
        layout="element-facerhythm 1",
    )
    with mock.patch.object(task_run, "_trigger", lambda _key, _inputs: record):
        yield


def _take_back(database: FilledDatabase) -> None:
    """Delete what the jobs wrote; the keys go back into the queue.

    Only these tables have such rows; `delete` would search all tables below for them, millions of rows.
    """
    processing = database.workflow.facial_behavior_estimation.FaceRhythmProcessing
    for table in (processing.Stage, processing.Product, processing.Library, processing):
        (table() & {"paramset_id": 1}).delete_quick()
    processing.jobs.refresh(delay=-1)
