"""What becomes of a job that failed."""

import errno

import pytest

from element_facerhythm.database.worker_options import RetryPolicy
from element_facerhythm.errors import (
    ProcessingError,
    ProjectBusyError,
    ProjectLostError,
    VideoError,
)
from element_facerhythm.fleet.claims import History
from element_facerhythm.fleet.retry_policy import in_one_line, judge

POLICY = RetryPolicy(max_tries=3, first_delay_s=30)


def test_a_wrong_request_fails_at_once() -> None:
    assert judge(VideoError("no such video"), History(0, 0, 0), POLICY).outcome == "failed"


def test_trouble_is_tried_again_with_growing_delays_and_then_fails() -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    verdicts = [judge(error, History(n, n, 0), POLICY) for n in range(3)]
    assert [(v.outcome, v.delay_s) for v in verdicts] == [
        ("retry", 30),
        ("retry", 120),
        ("failed", 0),
    ]


def test_a_wrong_request_that_an_unreachable_disk_caused_is_trouble() -> None:
    error = VideoError("cannot be read")
    error.__cause__ = OSError(errno.ESTALE, "Stale file handle")
    assert judge(error, History(0, 0, 0), POLICY).outcome == "retry"


@pytest.mark.parametrize("kind", [ProjectBusyError, ProjectLostError])
def test_another_run_in_the_project_directory_is_no_fault_of_the_job(kind: type[Exception]) -> None:
    for n_retries in range(10):
        verdict = judge(kind("busy"), History(n_retries, n_retries, 0), POLICY)
        assert verdict.outcome == "given back"
        assert verdict.delay_s > 0


def test_reasons_are_one_line() -> None:
    assert (
        in_one_line(ProcessingError("frame 3\n  is damaged"))
        == "ProcessingError: frame 3 is damaged"
    )
    assert in_one_line(MemoryError()) == "MemoryError"
