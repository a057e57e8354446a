"""Faults that have no single point: poison, full disks, replaced videos, wrong clocks, crowds."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import debian
from tests.faults.conftest import EXTENT
from tests.faults.lab import LEASE_S, ROOT, Lab, Process
from tests.faults.table import Cell
from tests.faults.test_matrix import cell

N_SMALL_TASKS, N_WORKERS = 200, 8


def test_a_task_that_crashes_its_process_is_set_aside(lab: Lab, matrix: list[Cell]) -> None:
    with cell(
        matrix, "task that crashes its process", "stage:point_tracking", "set aside, with reason"
    ):
        key = lab.register()
        for _ in range(3):
            worker = lab.start_worker(fault=("stage:point_tracking", "crash"))
            assert worker.finish() == -signal.SIGSEGV, worker.output()
        lab.finish_work()
        reason = lab.check(key, done=False)
        assert "set aside: 3 workers died on it" in reason
        assert "point_tracking" in reason
        fbe = lab.workflow.facial_behavior_estimation
        assert (fbe.FaceRhythmProcessing.jobs & key).fetch1("status") == "ignore"
        jobs = facerhythm(
            lab, "jobs", "show", "--status", "aside", "--session", str(key["session_id"])
        )
        assert [a["outcome"] for a in jobs["jobs"][0]["attempts"]] == ["lost"] * 3
        retried = facerhythm(lab, "jobs", "retry", "--session", str(key["session_id"]))
        assert retried == {"n_jobs": 1}
        lab.finish_work()
        lab.check(key)


def test_a_stop_in_the_middle_gives_the_job_back(lab: Lab, matrix: list[Cell]) -> None:
    with cell(matrix, "SIGTERM", "stage:point_tracking"):
        key = lab.register()
        worker = lab.start_worker(fault=("stage:point_tracking", "pause"))
        worker.wait_reached()
        worker.signal(signal.SIGTERM)
        worker.go_on()
        assert worker.finish(20) == 0, worker.output()
        assert not len(lab.workflow.fleet.ActiveJob())
        assert "requeued" in worker.output()
        lab.finish_work()
        lab.check(key)


def test_a_stop_that_takes_too_long_gives_the_job_back_after_the_grace_time(
    lab: Lab, matrix: list[Cell]
) -> None:
    with cell(matrix, "SIGTERM, and the job does not listen", "stage:point_tracking"):
        key = lab.register()
        worker = lab.start_worker("--grace", "2", fault=("stage:point_tracking", "pause"))
        worker.wait_reached()
        worker.signal(signal.SIGTERM)
        assert worker.finish(20) == 0, worker.output()  # it was never told to go on
        assert not len(lab.workflow.fleet.ActiveJob())
        lab.finish_work()
        lab.check(key)


def test_a_video_that_is_replaced_fails_its_task_alone(lab: Lab, matrix: list[Cell]) -> None:
    from element_facerhythm.demo.synthetic import make_scene_video

    with cell(
        matrix, "video replaced during the run", "stage:point_tracking", "failed, with reason"
    ):
        video, other = lab.video.with_name("replaced.mp4"), lab.video.with_name("other.mp4")
        shutil.copy(lab.video, video)
        make_scene_video(other, n_frames=80, width_px=128, height_px=96, frame_rate_hz=50.0, seed=2)
        key = lab.register(video)
        worker = lab.start_worker(fault=("stage:point_tracking", "pause"))
        worker.wait_reached()
        other.replace(video)
        worker.go_on()
        assert worker.finish() == 1, worker.output()
        assert "replaced.mp4 changed" in lab.check(key, done=False)
        shutil.copy(lab.video, video)
        facerhythm(lab, "jobs", "retry", "--session", str(key["session_id"]))
        lab.finish_work()
        lab.check(key)


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """Mount a file system of a size; needs root."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(path: Path) -> None:
    """Write until nothing fits any more."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC


@pytest.mark.mounting
@pytest.mark.parametrize("stage", ["point_tracking", "spectral_analysis"])
@pytest.mark.parametrize("emptied", [True, False], ids=["emptied in time", "stays full"])
def test_a_disk_that_is_full(
    lab: Lab, matrix: list[Cell], emptied: bool, stage: str, tmp_path: Path
) -> None:
    end = "done" if emptied else "failed, with reason"
    fault = "disk full, emptied in time" if emptied else "disk full for good"
    with cell(matrix, fault, f"stage:{stage}", end), small_disk(tmp_path / "disk", "8m") as disk:
        key = lab.register()
        worker = lab.start_worker(
            "--retry-delay",
            "3" if emptied else "0.2",
            fault=(f"stage:{stage}", "pause"),
            FACERHYTHM_PROCESSED_DATA_DIR=str(disk),
        )
        worker.wait_reached()
        fill(disk / "filler")
        if emptied:
            before = n_retries(lab)
            worker.go_on()
            wait_for_a_retry(lab, worker, before)
            (disk / "filler").unlink()
        worker.go_on()
        code = worker.finish()
        if not emptied:
            assert code == 1, worker.output()
            assert "No space left on device" in lab.check(key, done=False)
            lab.forget(key)
            return
        assert code == 0, worker.output()
        shutil.copytree(disk, lab.directory / "processed", dirs_exist_ok=True)
        lab.check(key)


@pytest.mark.parametrize(
    "back",
    [True, False] if EXTENT == "long" else [True],
    ids=lambda back: "comes back" if back else "stays away",
)
def test_a_store_that_does_not_answer(
    lab: Lab, matrix: list[Cell], back: bool, tmp_path: Path
) -> None:
    """Nothing is computed again: the second try only sends."""
    from tests.db.stores.s3_server import BUCKET, S3Server

    fault = "store away, comes back" if back else "store away for good"
    point = "stage:decomposition"
    s3 = S3Server(tmp_path)
    (tmp_path / "data" / BUCKET).mkdir(parents=True)
    s3.start()
    with cell(matrix, fault, point, "done" if back else "failed, with reason"):
        key = lab.register()
        worker = lab.start_worker(fault=(point, "pause"), DJ_STORES=s3.settings())
        worker.wait_reached()
        s3.stop()
        before = n_retries(lab)
        worker.go_on()
        if not back:
            assert worker.finish(400) == 1, worker.output()
            assert "store" in lab.check(key, done=False)
            lab.forget(key)
            return
        wait_for_a_retry(lab, worker, before, timeout_s=150)
        s3.start()
        assert worker.finish() == 0, worker.output()
        lab.check(key)
        sent = [path for path in (tmp_path / "data").rglob("*.h5") if path.is_file()]
        assert len(sent) == 5
        attempts = lab.workflow.fleet.JobAttempt & {"table_name": "FaceRhythmProcessing"}
        last = attempts.to_dicts(order_by="started_time DESC", limit=1)[0]
        assert (last["ended_time"] - last["started_time"]).total_seconds() < 10
        s3.stop()


def n_retries(lab: Lab) -> int:
    return len(lab.workflow.fleet.JobAttempt & {"outcome": "retry"})


def wait_for_a_retry(lab: Lab, worker: Process, before: int, timeout_s: float = 60) -> None:
    """Wait until a job failed and is to be tried again."""
    deadline = time.monotonic() + timeout_s
    while n_retries(lab) == before:
        assert worker.popen.poll() is None, worker.output()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_with_wrong_clocks(lab: Lab, matrix: list[Cell]) -> None:
    """One clock is a day behind, one an hour ahead; the first worker is killed, the second takes over."""
    faketime = shutil.which("faketime")
    if faketime is None and debian.install("faketime"):
        faketime = shutil.which("faketime")
    assert faketime is not None, "faketime cannot be had on this machine"
    point = "stage:point_tracking"
    with cell(matrix, "clocks a day behind and an hour ahead; worker killed", point):
        key = lab.register()
        steady = dict.fromkeys(
            ("FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"), "1"
        )
        behind, ahead = ([faketime, "-f", shift] for shift in ("-1d", "+1h"))
        worker = lab.start_worker(fault=(point, "pause"), command=behind, **steady)
        worker.wait_reached()
        second = lab.start_worker(command=ahead, **steady)
        time.sleep(3 * LEASE_S)
        active = lab.workflow.fleet.ActiveJob().to_dicts()
        assert len(active) == 1, "the job of a live worker was taken away"
        subprocess.run(["pkill", "-KILL", "-P", str(worker.popen.pid)], check=False)
        worker.signal(signal.SIGKILL)
        worker.finish()
        assert second.finish() == 0, second.output()
        lab.finish_work()
        lab.check(key)


def test_many_workers_at_once_on_many_small_tasks(lab: Lab, matrix: list[Cell]) -> None:
    from benchmarks import small_tasks

    with cell(matrix, f"{N_WORKERS} workers at once", f"{N_SMALL_TASKS} small tasks"):
        prefix = f"{lab.workflow.prefix}crowd_"
        dj = lab.workflow.dj
        small_tasks.schema.activate(f"{prefix}small")
        small_tasks.Task.insert({"task_id": i, "sleep_s": 0.01} for i in range(N_SMALL_TASKS))
        workers = [start_small_worker(prefix, "poll_s=0.2") for _ in range(N_WORKERS)]
        reports = [finish_small_worker(worker) for worker in workers]
        assert sum(report["n_done"] for report in reports) == N_SMALL_TASKS
        assert len(small_tasks.Slept()) == N_SMALL_TASKS
        attempts = dj.conn().query(
            f"SELECT COUNT(*), COUNT(DISTINCT job_id), MIN(outcome), MAX(outcome) "
            f"FROM `{prefix}fleet`.`job_attempt`"
        )
        assert attempts.fetchone() == (N_SMALL_TASKS, N_SMALL_TASKS, "done", "done")
        assert not len(small_tasks.Slept.jobs)
        for name in ("small", "fleet"):
            dj.conn().query(f"DROP DATABASE `{prefix}{name}`")


def start_small_worker(prefix: str, *options: str) -> "subprocess.Popen[str]":
    from benchmarks import small_tasks

    worker = subprocess.Popen(
        [sys.executable, small_tasks.__file__, prefix, *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return worker


def finish_small_worker(worker: "subprocess.Popen[str]") -> dict[str, float]:
    """Let a worker start, and give its report."""
    out, _ = worker.communicate("\n", timeout=200)
    assert worker.returncode == 0
    return json.loads(out.splitlines()[-1])


def facerhythm(lab: Lab, *arguments: str) -> dict:
    """Run the command in a process of its own; give what it printed."""
    run = subprocess.run(
        [sys.executable, "-m", "element_facerhythm", *arguments, "--json"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
