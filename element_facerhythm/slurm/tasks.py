"""Tasks of these arrays: listing them, of the past too where accounting is kept, and ending them."""

import logging
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass

from element_facerhythm.errors import ClusterError
from element_facerhythm.slurm.client import ask_slurm

logger = logging.getLogger(__name__)

QUEUED = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"})
RUNNING = frozenset({"RUNNING", "CONFIGURING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING"})
SQUEUE_FORMAT = "%i|%T|%M|%l|%P|%N|%r|%o"
SACCT_FORMAT = "JobID,State,Elapsed,Timelimit,Partition,NodeList,ExitCode"
NO_ACCOUNTING = "accounting storage is disabled"
LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class Task:
    """One task of an array, that is one worker.

    `elapsed` and `time_limit` are in Slurm's own form (`days-hours:minutes:seconds`); `reason` says why a
    task waits, or how it ended; `log` is the file that its output goes to, None where that is not known.
    """

    task: str
    state: str
    elapsed: str
    time_limit: str
    partition: str
    node: str
    reason: str
    log: str | None

    @property
    def is_queued(self) -> bool:
        """Whether it waits for a place."""
        return self.state in QUEUED

    @property
    def is_running(self) -> bool:
        """Whether it has a place."""
        return self.state in RUNNING


@dataclass(frozen=True)
class Cancelled:
    """Tasks that never started, that stopped when asked, and that had to be ended."""

    withdrawn: tuple[str, ...]
    stopped: tuple[str, ...]
    ended: tuple[str, ...]


def list_tasks(name: str, arrays: Sequence[str] = ()) -> list[Task]:
    """List this user's tasks of a job name that the controller knows: waiting, running, lately ended.

    Parameters
    ----------
    name : str
        Job name.
    arrays : sequence of str
        Numbers of arrays; all of the name where it is empty.

    Raises
    ------
    ClusterError
        Slurm is not there, or does not answer.
    """
    arguments = ["--array", "--noheader", "--states=all", *_ours(name)]
    answer = ask_slurm("squeue", [*arguments, f"--format={SQUEUE_FORMAT}"])
    return _chosen([_read_squeue(line) for line in answer.splitlines() if line.strip()], arrays)


def past_tasks(name: str, arrays: Sequence[str] = (), *, days: int = 2) -> list[Task]:
    """List tasks of the last days that accounting knows and that were started.

    Empty where the cluster keeps no accounting; where it does not answer, a warning is logged.

    Parameters
    ----------
    name, arrays
        As of `list_tasks`.
    days : int
        How far back.
    """
    if shutil.which("sacct") is None:
        return []
    arguments = ["--allocations", "--noheader", "--parsable2", f"--starttime=now-{days}days"]
    try:
        answer = ask_slurm("sacct", [*arguments, *_ours(name), f"--format={SACCT_FORMAT}"])
    except ClusterError as error:
        if NO_ACCOUNTING not in str(error):
            logger.warning("no tasks of the past: %s", error)
        return []
    tasks = [_read_sacct(line) for line in answer.splitlines() if line.strip()]
    return _chosen([t for t in tasks if "[" not in t.task and not t.is_queued], arrays)


def cancel_tasks(name: str, arrays: Sequence[str] = (), *, grace_s: float = 60.0) -> Cancelled:
    """Withdraw waiting tasks, signal running ones to stop, and end those that have not after `grace_s`.

    `scancel` alone gives a worker as long as the cluster's KillWait, often 30 s, before it is killed. So
    running workers are sent SIGTERM first, and once only: a second one ends a worker at once, and its job
    stays reserved.

    Parameters
    ----------
    name, arrays
        As of `list_tasks`.
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
    while True:
        tasks = [task for task in list_tasks(name, arrays) if task.is_queued or task.is_running]
        if not tasks or time.monotonic() >= deadline:
            break
        # repeated, since a task may start, or be requeued after its node died, meanwhile
        waiting = {task.task for task in tasks if task.is_queued}
        running = {task.task for task in tasks if task.is_running} - signalled
        _scancel(["--state=PENDING"], waiting)
        _scancel(["--signal=TERM", "--batch"], running)
        withdrawn |= waiting
        signalled |= running
        time.sleep(LOOK_EVERY_S)
    left = {task.task for task in tasks}
    if left:
        ask_slurm("scancel", sorted(left))
    return Cancelled(
        tuple(sorted(withdrawn - signalled - left)),
        tuple(sorted(signalled - left)),
        tuple(sorted(left)),
    )


def _scancel(options: Sequence[str], tasks: set[str]) -> None:
    """Run scancel; it refuses tasks that ended meanwhile, so what is left is read from the queue."""
    if not tasks:
        return
    try:
        ask_slurm("scancel", [*options, *sorted(tasks)])
    except ClusterError as error:
        logger.info("scancel: %s", error)


def _ours(name: str) -> tuple[str, str]:
    """Options that leave a job name, and this user: others' jobs may have the same name."""
    return f"--user={os.geteuid()}", f"--name={name}"


def _chosen(tasks: Sequence[Task], arrays: Sequence[str]) -> list[Task]:
    """Tasks of the arrays (of all where none is named), by number of the array, then by index."""
    chosen = [task for task in tasks if not arrays or task.task.partition("_")[0] in arrays]
    return sorted(chosen, key=lambda t: [int(n) for n in t.task.split("_") if n.isdigit()])


def _read_squeue(line: str) -> Task:
    """Read a line of `SQUEUE_FORMAT`; the script comes last, since a path may hold any character."""
    number, state, elapsed, limit, partition, node, reason, script = line.split("|", 7)
    log = f"{script.rpartition('/')[0]}/{number}.log" if script.startswith("/") else None
    why = "" if reason == "None" else reason
    return Task(number, state, elapsed, limit, partition, node, why, log)


def _read_sacct(line: str) -> Task:
    """Read a line of `SACCT_FORMAT`; who cancelled a task follows its state."""
    number, state, elapsed, limit, partition, node, exit_code = line.split("|")
    word, _, rest = state.partition(" ")
    known_node = "" if node == "None assigned" else node
    why = rest or ("" if exit_code == "0:0" else f"exit code {exit_code}")
    return Task(number, word, elapsed, limit, partition, known_node, why, None)
