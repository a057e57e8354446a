"""How far a job is, and how it is ended."""

import threading
from collections import deque

import pytest

from element_facerhythm.fleet.claims import JobName, Progress
from element_facerhythm.fleet.job_progress import ClaimLost, JobProgress, Stopped, recent_rate
from element_facerhythm.pipeline import NullProgress


def test_percent_and_time_left() -> None:
    progress = Progress("point_tracking", 250, 1000, "frames", 50.0)
    assert (progress.percent, progress.seconds_left) == (25.0, 15.0)
    assert Progress("decomposition", 3, None, "iterations", 1.0).percent is None
    assert Progress("rois").seconds_left is None


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    recent: deque[tuple[float, int]] = deque()
    for second in range(100):
        recent_rate(recent, float(second), 10 * second)
    for second in range(100, 200):
        rate = recent_rate(recent, float(second), 1000 + 100 * (second - 100))
    assert rate == pytest.approx(100)
    for i in range(10_000):  # far more reports than are kept
        recent_rate(recent, 200 + i / 1000, 11_000 + i)
    assert len(recent) <= 201


@pytest.mark.parametrize(("event", "error"), [("stop", Stopped), ("lost", ClaimLost)])
def test_a_job_ends_where_it_reports(event: str, error: type[BaseException]) -> None:
    stop = threading.Event()
    progress = JobProgress(stop, NullProgress())
    with pytest.raises(error), progress.stage("rois", 2, "files") as tell:
        tell(1)
        assert progress.now == Progress("rois", 1, 2, "files", None)
        {"stop": stop, "lost": progress.lost}[event].set()
        tell(2)


def test_a_job_has_the_same_name_in_whatever_order_its_key_comes() -> None:
    one = JobName("Table", {"subject": "m1", "session_id": 2})
    other = JobName("Table", {"session_id": 2, "subject": "m1"})
    assert one.job_id == other.job_id
    assert one.job_id != JobName("Table", {"subject": "m1", "session_id": 3}).job_id
