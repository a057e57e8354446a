"""Options of `facerhythm worker`: what a worker does unless it is asked otherwise stands twice, and alike."""

from inspect import signature

from element_facerhythm.cli.worker import worker
from element_facerhythm.fleet.worker import WorkerOptions


def test_options_that_are_left_out_are_those_of_a_worker_in_python() -> None:
    """The command line starts without the worker's imports, and so cannot ask it."""
    own, left_out = WorkerOptions(), {n: p.default for n, p in signature(worker).parameters.items()}
    assert {
        "poll": own.poll_s,
        "lease": own.lease_s,
        "grace": own.grace_s,
        "max_tries": own.policy.max_tries,
        "retry_delay": own.policy.first_delay_s,
        "max_jobs": own.max_jobs,
        "exit_when_idle": own.exit_when_idle,
        "health_file": own.health_file,
    }.items() <= left_out.items()
