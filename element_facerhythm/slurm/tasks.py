"""Tasks of these arrays: those that the controller knows, and older ones where accounting is kept."""

import logging
import os
import shutil
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
    tasks = [_read_squeue(line) for line in answer.splitlines() if line.strip()]
    return sorted((t for t in tasks if _belongs(t, arrays)), key=_order)


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
    started = (t for t in tasks if "[" not in t.task and not t.is_queued)
    return sorted((t for t in started if _belongs(t, arrays)), key=_order)


def _ours(name: str) -> tuple[str, str]:
    """Options that leave a job name, and this user: others' jobs may have the same name."""
    return f"--user={os.geteuid()}", f"--name={name}"


def _belongs(task: Task, arrays: Sequence[str]) -> bool:
    """Return whether a task is of one of the arrays; of any where none is named."""
    return not arrays or task.task.partition("_")[0] in arrays


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


def _order(task: Task) -> tuple[int, ...]:
    """Order by number of the array, then by index."""
    return tuple(int(part) for part in task.task.split("_") if part.isdigit())
