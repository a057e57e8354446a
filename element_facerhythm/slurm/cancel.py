"""End tasks of `facerhythm slurm`, so that their workers requeue their jobs."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from element_facerhythm.errors import ClusterError
from element_facerhythm.slurm.client import ask_slurm
from element_facerhythm.slurm.tasks import Task, list_tasks

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class Cancelled:
    """Tasks that never started, that stopped when asked, and that had to be ended."""

    withdrawn: tuple[str, ...]
    stopped: tuple[str, ...]
    ended: tuple[str, ...]


def cancel_tasks(name: str, arrays: Sequence[str] = (), *, grace_s: float = 60.0) -> Cancelled:
    """Withdraw waiting tasks, signal running ones to stop, and end those that have not after `grace_s`.

    `scancel` alone gives a worker as long as the cluster's KillWait, often 30 s, before it is killed. So
    running workers are sent SIGTERM first, and once only: a second one ends a worker at once, and its job
    stays reserved.

    Parameters
    ----------
    name : str
        Job name.
    arrays : sequence of str
        Numbers of arrays; all of the name where it is empty.
    grace_s : float
        Seconds to wait for workers to stop.

    Raises
    ------
    ClusterError
        Slurm is not there, or refused.
    """
    deadline = time.monotonic() + grace_s
    withdrawn: set[str] = set()
    signalled: set[str] = set()
    tasks = _living(name, arrays)
    while tasks and time.monotonic() < deadline:
        # repeated, since a task may start, or be requeued after its node died, meanwhile
        waiting = [task.task for task in tasks if task.is_queued]
        running = [task.task for task in tasks if task.is_running and task.task not in signalled]
        if waiting:
            _scancel(["--state=PENDING", *waiting])
            withdrawn.update(waiting)
        if running:
            _scancel(["--signal=TERM", "--batch", *running])
            signalled.update(running)
        time.sleep(LOOK_EVERY_S)
        tasks = _living(name, arrays)
    left = {task.task for task in tasks}
    if left:
        ask_slurm("scancel", sorted(left))
    return Cancelled(
        tuple(sorted(withdrawn - signalled - left)),
        tuple(sorted(signalled - left)),
        tuple(sorted(left)),
    )


def _scancel(arguments: Sequence[str]) -> None:
    """Run scancel; it refuses tasks that ended meanwhile, so what is left is read from the queue."""
    try:
        ask_slurm("scancel", arguments)
    except ClusterError as error:
        logger.info("scancel: %s", error)


def _living(name: str, arrays: Sequence[str]) -> list[Task]:
    """List tasks that wait or run."""
    return [task for task in list_tasks(name, arrays) if task.is_queued or task.is_running]
