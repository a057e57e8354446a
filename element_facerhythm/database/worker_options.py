"""Options of a worker, with their defaults; read by the command line, too, which starts without DataJoint."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and when, a job is tried.

    Attributes
    ----------
    max_tries
        Tries that may fail, and workers that may die, before a job is left alone.
    first_delay_s
        Time to the second try; each further one is four times as long.
    """

    max_tries: int = 3
    first_delay_s: float = 30.0


@dataclass(frozen=True)
class WorkerOptions:
    """Options of a worker.

    Attributes
    ----------
    max_jobs
        Stop after so many jobs, done or failed.
    exit_when_idle
        Stop when no table has a job left, in place of waiting for one.
    poll_s
        Seconds between polls for new jobs.
    lease_s
        Seconds without a heartbeat after which others requeue this worker's job.
    grace_s
        Seconds that a stop may take; then the job is requeued, and the process ended.
    policy
        How often a job is tried.
    health_file
        Written with every heartbeat.
    """

    max_jobs: int | None = None
    exit_when_idle: bool = False
    poll_s: float = 10.0
    lease_s: float = 60.0
    grace_s: float = 25.0
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    health_file: Path | None = None
