"""Every fault at every point: the task is done, once, and every file is whole."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.conftest import EXTENT
from tests.faults.lab import LEASE_S, Lab, cuttable
from tests.faults.points import all_points
from tests.faults.table import Cell

POINTS = all_points()
# of every kind one, and those next to the commit
SHORT = [
    "stage:point_tracking", "publish:TCA.h5:before", "publish:VQT_Analyzer.h5:after", "sql:reserve:after",
    "sql:insert_last_part:after", "sql:commit:after",
]  # fmt: skip
SHORT_DATABASE = [
    "stage:decomposition",
    "sql:insert:after",
    "sql:commit:before",
    "sql:complete:before",
]
SHORT_CUT = ["stage:point_tracking", "sql:insert_last_part:before"]
SHORT_FREEZE = ["stage:spectral_analysis", "publish:TCA.h5:before", "sql:commit:before"]


def points(short: list[str]) -> list[str]:
    assert set(short) <= set(POINTS)
    return POINTS if EXTENT == "long" else short


@contextmanager
def cell(matrix: list[Cell], fault: str, point: str, end: str = "done") -> Iterator[None]:
    """Add a row to the table once the block has passed."""
    started = time.monotonic()
    yield
    matrix.append(Cell(fault, point, end, time.monotonic() - started))


@pytest.mark.parametrize("point", points(SHORT))
def test_kill_9_of_the_worker(lab: Lab, matrix: list[Cell], point: str) -> None:
    with cell(matrix, "worker killed", point):
        key = lab.register()
        worker = lab.start_worker(fault=(point, "kill"))
        assert worker.finish() == -signal.SIGKILL, worker.output()
        lab.finish_work()
        lab.check(key)


@pytest.mark.parametrize("point", points(SHORT_DATABASE))
def test_kill_9_of_the_database(lab: Lab, matrix: list[Cell], point: str) -> None:
    with cell(matrix, "database killed and restarted", point):
        key = lab.register()
        worker = lab.start_worker(fault=(point, "pause"))
        worker.wait_reached()
        lab.server.kill()
        worker.go_on()
        time.sleep(1)
        lab.server.start()
        assert worker.finish() == 0, worker.output()
        lab.finish_work()
        lab.check(key)


@pytest.mark.parametrize("point", points(SHORT_CUT))
def test_a_connection_that_is_cut_for_a_second(lab: Lab, matrix: list[Cell], point: str) -> None:
    with cell(matrix, "connection cut for 1 s", point), cuttable(lab) as proxy:
        key = lab.register()
        worker = lab.start_worker(fault=(point, "pause"), port=proxy.port)
        worker.wait_reached()
        proxy.cut()
        worker.go_on()
        time.sleep(1)
        proxy.mend()
        assert worker.finish() == 0, worker.output()
        lab.finish_work()
        lab.check(key)


@pytest.mark.parametrize("point", ["stage:point_tracking", "sql:commit:before"])
@pytest.mark.parametrize("seconds", [60.0] if EXTENT == "long" else [2.5 * LEASE_S])
def test_a_connection_that_is_cut_for_longer_than_the_lease(
    lab: Lab, matrix: list[Cell], point: str, seconds: float
) -> None:
    """Another worker takes the job meanwhile; the first one's result is not inserted a second time."""
    with cell(matrix, f"connection cut for {seconds:.0f} s", point), cuttable(lab) as proxy:
        key = lab.register()
        worker = lab.start_worker(fault=(point, "pause"), port=proxy.port)
        worker.wait_reached()
        proxy.cut()
        worker.go_on()
        mend = threading.Timer(seconds, proxy.mend)
        mend.start()
        lab.finish_work()
        mend.join()
        assert worker.finish() == 0, worker.output()
        lab.finish_work()
        lab.check(key)


@pytest.mark.parametrize("point", ["stage:point_tracking", "publish:TCA.h5:before"])
def test_a_computation_that_is_longer_than_wait_timeout(
    lab: Lab, matrix: list[Cell], point: str
) -> None:
    with cell(matrix, "computation longer than `wait_timeout`", point):
        key = lab.register()
        query = lab.workflow.dj.conn().query
        query("SET GLOBAL wait_timeout = 2")
        try:
            worker = lab.start_worker(fault=(point, "pause"))
            worker.wait_reached()
            time.sleep(5)
            worker.go_on()
            assert worker.finish() == 0, worker.output()
        finally:
            query("SET GLOBAL wait_timeout = 28800")
        attempts = lab.workflow.fleet.JobAttempt & {"table_name": "FaceRhythmProcessing"}
        last = attempts.to_dicts(order_by="started_time DESC", limit=1)[0]
        assert (last["outcome"], last["attempt"]) == ("done", 1)
        lab.check(key)


@pytest.mark.parametrize("point", points(SHORT_FREEZE))
def test_a_worker_that_is_frozen_past_its_lease(lab: Lab, matrix: list[Cell], point: str) -> None:
    with cell(matrix, "worker frozen past its lease, woken", point):
        key = lab.register()
        worker = lab.start_worker(fault=(point, "pause"))
        worker.wait_reached()
        worker.signal(signal.SIGSTOP)
        worker.go_on()
        lab.finish_work()
        done_before = bool(lab.workflow.facial_behavior_estimation.FacialRhythm & key)
        worker.signal(signal.SIGCONT)
        assert worker.finish() == 0, worker.output()
        assert done_before or point.startswith("sql:")
        lab.finish_work()
        lab.check(key)
