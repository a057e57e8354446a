"""Claims, and what becomes of the jobs of workers that died; on every server.

The package is imported inside the tests: DataJoint reads where the database is when it is imported, and the
server of the tests is started after they are collected.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from tests.db.on_server.conftest import WORKER_FACTS, forget_workers

if TYPE_CHECKING:
    from element_facerhythm.fleet.claims import Claims, JobName
    from element_facerhythm.fleet.job_queue import JobQueue
    from element_facerhythm.fleet.worker import WorkerReport

Command = Callable[..., Any]


def work_quickly(queue: JobQueue, on_job: Callable[[Any], None] | None = None) -> WorkerReport:
    """Work on one table until idle, with a lease of a second and no delays."""
    from element_facerhythm.database.worker_options import RetryPolicy, WorkerOptions
    from element_facerhythm.fleet.worker import work

    options = WorkerOptions(
        exit_when_idle=True, poll_s=0.2, lease_s=1.0, policy=RetryPolicy(3, 0.0)
    )
    return work([type(queue.target)], options, on_job=on_job)


@pytest.fixture
def queue(fbe: ModuleType, workflow: ModuleType) -> Iterator[JobQueue]:
    """Queue of RecordingInfo; the claims and attempts of a test are removed afterwards."""
    from element_facerhythm.fleet.job_queue import JobQueue

    fbe.RecordingInfo.populate(suppress_errors=True)  # what other tests have left
    queue = JobQueue(fbe.RecordingInfo)
    yield queue
    forget_workers(workflow)


@pytest.fixture
def dead(queue: JobQueue) -> Claims:
    """A worker that is registered and never gives a heartbeat."""
    from element_facerhythm.fleet.claims import Claims

    claims = Claims(queue.connection, "dead")
    claims.register(WORKER_FACTS)
    return claims


NUMBERS = iter(range(400, 500))


@pytest.fixture
def new_job(
    queue: JobQueue, register: Callable[..., dict[str, Any]], fbe: ModuleType
) -> Iterator[Callable[[], JobName]]:
    """Make a pending job of a recording of its own; the recordings are deleted afterwards."""
    made = []

    def make() -> JobName:
        key = register(next(NUMBERS))
        queue.add_new()
        made.append(queue.job(key))
        return made[-1]

    yield make
    for job in made:
        (queue.jobs & dict(job.key)).delete_quick()
        (fbe.VideoRecording & dict(job.key)).delete()


@pytest.fixture
def job(new_job: Callable[[], JobName]) -> JobName:
    """Give one such job."""
    return new_job()


def reserve(queue: JobQueue, claims: Claims, job: JobName) -> None:
    assert claims.take(job) is not None
    assert queue.jobs.reserve(dict(job.key))


def test_a_job_has_one_owner(queue: JobQueue, dead: Claims, job: JobName) -> None:
    from element_facerhythm.fleet.claims import Claims, Progress

    other = Claims(queue.connection, "other")
    other.register(WORKER_FACTS)
    assert dead.take(job) is not None
    assert dead.take(job) is not None  # its own, where the answer was lost
    assert other.take(job) is None
    assert dead.holds(job) and not other.holds(job)
    assert dead.record_progress(job, Progress("recording_info", 1, 2, "files", 3.0))
    assert not other.record_progress(job, Progress())
    assert not other.end(job, "done")
    assert dead.jobs_of("dead") == [(job, Progress("recording_info", 1, 2, "files"))]
    assert dead.end(job, "given back", reason="x" * 5000)
    history = other.take(job)
    assert history is not None and history.last_attempt == 1
    other.drop(job)


def test_the_job_of_a_dead_worker_is_done_by_another_one(
    queue: JobQueue, dead: Claims, job: JobName, workflow: ModuleType
) -> None:
    reserve(queue, dead, job)
    report = work_quickly(queue)
    assert report.stopped_by == "idle"
    assert queue.is_done(job)
    rows = (workflow.fleet.JobAttempt & {"job_id": job.job_id}).to_dicts(order_by="attempt")
    assert [row["outcome"] for row in rows] == ["lost", "done"]
    assert "process 1 on elsewhere" in rows[0]["reason"]
    assert (workflow.fleet.Worker & {"worker_id": "dead"}).fetch1("state") == "lost"


def test_the_job_of_a_slow_worker_is_left_to_it(
    queue: JobQueue, dead: Claims, job: JobName
) -> None:
    from element_facerhythm.database.connection import open_second
    from element_facerhythm.fleet.claims import Claims

    reserve(queue, dead, job)
    over = threading.Event()

    def live() -> None:
        second = Claims(open_second(queue.connection), "dead")
        while not over.wait(0.2):
            second.beat("working", 0, 0)
        second.connection.close()

    slow = threading.Thread(target=live)
    slow.start()
    try:
        started = time.monotonic()
        assert work_quickly(queue).n_done == 0
        # it left as soon as it saw that the other one lives
        assert time.monotonic() - started < 30
        time.sleep(1.5)
        work_quickly(queue)
        assert dead.holds(job)
    finally:
        over.set()
        slow.join()
        dead.end(job, "given back")


def test_a_job_that_killed_three_workers_is_set_aside_until_somebody_asks(
    queue: JobQueue, dead: Claims, job: JobName, facerhythm: Command
) -> None:
    for _ in range(2):
        reserve(queue, dead, job)
        dead.end(job, "lost", stage="recording_info")
        queue.offer(job)
    reserve(queue, dead, job)
    work_quickly(queue)
    assert not queue.is_done(job)
    row = (queue.jobs & dict(job.key)).fetch1()
    assert row["status"] == "ignore"
    assert "3 workers died on it" in row["error_message"]
    session = ("--session", job.key["session_id"])
    status = json.loads(facerhythm("status", "--json").out)
    assert status["tables"]["RecordingInfo"]["set_aside"] == 1
    assert [row["table"] for row in status["set_aside"]] == ["RecordingInfo"]
    shown = json.loads(facerhythm("jobs", "show", "--status", "aside", *session, "--json").out)
    assert [a["outcome"] for a in shown["jobs"][0]["attempts"]] == ["lost"] * 3
    assert "set aside" in facerhythm("status", "--errors").out
    assert facerhythm("jobs", "retry", "--table", "RecordingInfo").out.startswith("1 jobs")
    work_quickly(queue)
    assert queue.is_done(job)


def test_trouble_is_tried_again_and_then_failed(
    queue: JobQueue, job: JobName, workflow: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import element_facerhythm.video as video

    calls = []

    def fail(path: object, **options: object) -> None:
        calls.append(path)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(video, "probe_video", fail)
        tried: list[str] = []
        report = work_quickly(queue, lambda done: tried.append(done.outcome))
    assert tried == ["retry", "retry", "failed"]
    assert (report.n_done, report.n_failed, len(calls)) == (0, 1, 3)
    row = (queue.jobs & dict(job.key)).fetch1()
    assert row["status"] == "error"
    assert "No space left on device" in row["error_message"]


def test_jobs_are_left_alone_and_ordered(
    queue: JobQueue, job: JobName, new_job: Callable[[], JobName], facerhythm: Command
) -> None:
    second = new_job()
    session = ("--session", second.key["session_id"])
    assert facerhythm("jobs", "priority", "1", "--table", "RecordingInfo", *session).code == 0
    assert [name for _, name in queue.candidates(1)] == [second]
    assert facerhythm("jobs", "ignore", *session, "--reason", "covered").code == 0
    assert [name for _, name in queue.candidates(1)] == [job]
    shown = json.loads(
        facerhythm("jobs", "show", "--table", "RecordingInfo", *session, "--json").out
    )
    assert [(row["status"], row["priority"]) for row in shown["jobs"]] == [("aside", 1)]
    assert shown["jobs"][0]["reason"].endswith(": covered")
    for arguments in (("retry",), ("show", "--table", "Session"), ("show", "--status", "odd")):
        assert facerhythm("jobs", *arguments).code == 2


def is_in_queue(queue: JobQueue, job: JobName) -> bool:
    return bool(queue.jobs & dict(job.key))


def outcomes_of(workflow: ModuleType, job: JobName) -> list[str]:
    rows = (workflow.fleet.JobAttempt & {"job_id": job.job_id}).to_dicts(order_by="attempt")
    return [row["outcome"] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["deleted", "without files", "for later", "held by a dead worker"])
def test_a_job_whose_key_is_gone_ends(
    how: str, queue: JobQueue, dead: Claims, job: JobName, fbe: ModuleType, workflow: ModuleType
) -> None:
    key = dict(job.key)
    if how == "for later":
        queue.offer(job, delay_s=3600)
    elif how == "held by a dead worker":
        reserve(queue, dead, job)
    if how == "without files":
        (fbe.VideoRecording.File & key).delete_quick()
    else:
        (fbe.VideoRecording & key).delete()
    started = time.monotonic()
    told: list[str] = []
    report = work_quickly(queue, lambda tried: told.append(tried.outcome))
    assert time.monotonic() - started < 30
    assert (report.n_done, report.n_failed, report.stopped_by) == (0, 0, "idle")
    if how == "held by a dead worker":  # nobody waits for that; its row goes with its lease
        time.sleep(1.5)
        stop_after(queue, 3.0)
    assert not is_in_queue(queue, job)
    assert told == []  # the queue is tidied before a worker looks for jobs
    assert outcomes_of(workflow, job) == (["gone"] if how == "held by a dead worker" else [])
    assert not workflow.fleet.ActiveJob()


def stop_after(queue: JobQueue, seconds: float) -> WorkerReport:
    """Work on one table, with a lease of a second, until told to stop."""
    from element_facerhythm.database.worker_options import WorkerOptions
    from element_facerhythm.fleet.worker import work

    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    return work([type(queue.target)], WorkerOptions(poll_s=0.2, lease_s=1.0), stop=stop)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["make_fetch", "make_compute", "make_insert"])
def test_a_recording_that_is_deleted_while_its_job_runs_is_forgotten(
    when: str,
    queue: JobQueue,
    job: JobName,
    fbe: ModuleType,
    workflow: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    python: Callable[[str], str],
) -> None:
    method = getattr(fbe.RecordingInfo, when)

    def delete_first(self: Any, *arguments: Any) -> Any:
        python(
            "from element_facerhythm.workflow import facial_behavior_estimation as fbe\n"
            f"(fbe.VideoRecording & {dict(job.key)!r}).delete(prompt=False)"
        )
        return method(self, *arguments)

    monkeypatch.setattr(fbe.RecordingInfo, when, delete_first)
    started = time.monotonic()
    told: list[Any] = []
    report = work_quickly(queue, told.append)
    assert time.monotonic() - started < 30
    assert (report.n_done, report.n_failed, told[0].outcome) == (0, 0, "gone"), told
    assert not is_in_queue(queue, job)
    assert outcomes_of(workflow, job) == ["gone"]


def test_a_job_that_is_met_after_its_recording_was_deleted_is_told_once(
    queue: JobQueue, new_job: Callable[[], JobName], fbe: ModuleType, workflow: ModuleType
) -> None:
    jobs = {job.text: job for job in (new_job(), new_job())}
    told = []

    def delete_the_other(tried: Any) -> None:
        told.append(tried.outcome)
        for job in jobs.values():
            if dict(job.key) != tried.key:
                (fbe.VideoRecording & dict(job.key)).delete()

    started = time.monotonic()
    work_quickly(queue, delete_the_other)
    assert time.monotonic() - started < 30
    assert told == ["done", "gone"]
    assert sorted(outcome for job in jobs.values() for outcome in outcomes_of(workflow, job)) == [
        "done",
        "gone",
    ]
    assert not queue.jobs & [dict(job.key) for job in jobs.values()]


def test_jobs_for_keys_that_never_were_are_removed_together(
    queue: JobQueue, job: JobName, workflow: ModuleType, facerhythm: Command
) -> None:
    statuses = ("pending", "error", "ignore", "reserved")
    rows = [
        {**job.key, "session_id": 30_000 + n, "status": statuses[n % 4], "priority": 0}
        for n in range(2000)
    ]
    queue.jobs.insert(rows)
    status = json.loads(facerhythm("status", "--json").out)
    assert status["errors"] == status["set_aside"] == []  # nobody is shown what is not there
    started = time.monotonic()
    assert work_quickly(queue).n_done == 1
    assert time.monotonic() - started < 30
    left = queue.jobs & "session_id >= 30000"
    assert len(left) == len(left & "status='reserved'") == 500  # somebody may be at these
    queue.connection.query(
        f"UPDATE {queue.jobs.full_table_name} SET reserved_time='2020-01-01' WHERE session_id>=30000"
    )
    queue.tidy()
    assert not left


def test_a_key_that_comes_back_starts_anew(queue: JobQueue, dead: Claims, job: JobName) -> None:
    for outcome in ("retry", "lost", "gone", "retry"):
        assert dead.take(job) is not None
        dead.end(job, outcome)
    history = dead.history(job)
    assert (history.last_attempt, history.n_retries, history.n_lost) == (4, 1, 0)


@pytest.mark.slow
def test_a_worker_that_died_idle_is_lost_and_one_that_wakes_up_is_not(
    queue: JobQueue, dead: Claims, workflow: ModuleType, facerhythm: Command
) -> None:
    from element_facerhythm.fleet.claims import Claims

    gone = Claims(queue.connection, "gone")
    gone.register(WORKER_FACTS)
    gone.beat("stopped", 0, 0)
    time.sleep(1.1)
    states = {row["worker_id"]: row["state"] for row in workers_shown(facerhythm)}
    assert states == {"dead": "silent"}  # no worker is there to say that it is lost
    stop_after(queue, 3.0)
    worker = workflow.fleet.Worker
    assert (worker & {"worker_id": "dead"}).fetch1("state") == "lost"
    assert (worker & {"worker_id": "gone"}).fetch1("state") == "stopped"
    assert workers_shown(facerhythm) == []
    dead.beat("idle", 0, 0)
    assert [row["worker_id"] for row in workers_shown(facerhythm)] == ["dead"]


def test_a_worker_leaves_the_session_its_limits(queue: JobQueue) -> None:
    limit = {
        "mysql": "SELECT @@SESSION.wait_timeout",
        "postgresql": "SELECT current_setting('idle_in_transaction_session_timeout')",
    }[queue.connection.adapter.backend]
    before = queue.connection.query(limit).fetchone()
    stop_after(queue, 0.5)
    assert queue.connection.query(limit).fetchone() == before


def workers_shown(facerhythm: Command) -> list[dict[str, Any]]:
    return json.loads(facerhythm("status", "--json").out)["workers"]


def test_errors_of_a_lost_connection_are_told_from_others(queue: JobQueue) -> None:
    from element_facerhythm.database.connection import open_second
    from element_facerhythm.fleet.reconnect import is_lost

    second = open_second(queue.connection)
    with pytest.raises(Exception, match="nowhere") as wrong:
        second.query("SELECT nowhere")
    assert not is_lost(wrong.value)
    kind = queue.connection.adapter.backend
    number = second.query(
        "SELECT CONNECTION_ID()" if kind == "mysql" else "SELECT pg_backend_pid()"
    ).fetchone()[0]
    queue.connection.query(
        f"KILL {number}" if kind == "mysql" else f"SELECT pg_terminate_backend({number})"
    )
    with pytest.raises(Exception, match=r"(?s).") as lost:
        for _ in range(50):
            second.query("SELECT 1", reconnect=False)
            time.sleep(0.05)
    assert is_lost(lost.value)
