"""How many workers an array gets, and its submission; where Slurm refuses, the script is removed."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp

from element_facerhythm.errors import ClusterError
from element_facerhythm.slurm.client import ask_slurm
from element_facerhythm.slurm.script import BatchOptions, batch_script, sbatch_options
from element_facerhythm.slurm.tasks import Task


@dataclass(frozen=True)
class ArraySize:
    """How many tasks to submit: as many as there are jobs that no other worker will take.

    Parameters
    ----------
    n_pending : int
        Jobs that could start now.
    n_queued, n_running : int
        Workers of earlier arrays that wait for a place, or have one.
    max_workers : int
        At most so many workers at a time, those of earlier arrays counted.
    """

    n_pending: int
    n_queued: int
    n_running: int
    max_workers: int

    @classmethod
    def beside(cls, tasks: Sequence[Task], *, n_pending: int, max_workers: int) -> "ArraySize":
        """Count the workers among the tasks of earlier arrays.

        Parameters
        ----------
        tasks
            As `list_tasks` returns them.
        n_pending, max_workers
            As of the class.
        """
        n_queued = sum(task.is_queued for task in tasks)
        n_running = sum(task.is_running for task in tasks)
        return cls(n_pending, n_queued, n_running, max_workers)

    @property
    def n_tasks(self) -> int:
        """Tasks to submit; a waiting worker will take a job of its own, a running one has one."""
        room = self.max_workers - self.n_queued - self.n_running
        return max(min(room, self.n_pending - self.n_queued), 0)

    @property
    def reason(self) -> str:
        """Why nothing is to be submitted."""
        workers = f"{self.n_running} workers run and {self.n_queued} wait in Slurm's queue"
        if self.n_pending == 0:
            return "no job is pending"
        if self.n_queued + self.n_running >= self.max_workers:
            return f"{workers}, {self.max_workers} are allowed (--max-workers)"
        return f"{workers}: enough for {self.n_pending} pending jobs"


@dataclass(frozen=True)
class Submission:
    """An array that Slurm took: its number, its script, and the pattern of its logs."""

    array: str
    script: Path
    logs: Path


def submit_script(options: BatchOptions, n_tasks: int, command: Sequence[str]) -> Submission:
    """Write the script into `options.log_dir`, for this user alone to read, and submit it.

    The options are given to sbatch once more, since variables such as `SBATCH_PARTITION` go before those in
    the script.

    Parameters
    ----------
    options, n_tasks, command
        As of `batch_script`.

    Raises
    ------
    ClusterError
        The directory cannot be written, or Slurm refused; what was written is removed.
    """
    made = [place for place in (options.log_dir, *options.log_dir.parents) if not place.exists()]
    script: Path | None = None
    try:
        options.log_dir.mkdir(parents=True, exist_ok=True)
        number, name = mkstemp(".sh", f"{options.name}-", options.log_dir)
        script = Path(name)
        with os.fdopen(number, "w") as file:
            file.write(batch_script(options, n_tasks, command))
        answer = ask_slurm("sbatch", ["--parsable", *sbatch_options(options, n_tasks), name])
    except (OSError, ClusterError) as error:
        if script is not None:
            script.unlink(missing_ok=True)
        for place in made:
            with suppress(OSError):  # it was not made, or is not empty
                place.rmdir()
        if isinstance(error, ClusterError):
            raise
        raise ClusterError(f"{options.log_dir} cannot be written: {error}; see --dir") from error
    array = answer.strip().split(";")[0]  # on several clusters: number;cluster
    return Submission(array, script, options.log_dir / f"{array}_*.log")


def check_script(options: BatchOptions, n_tasks: int, command: Sequence[str]) -> None:
    """Have Slurm check what `submit_script` would submit; nothing is written or submitted.

    Parameters
    ----------
    options, n_tasks, command
        As of `batch_script`.

    Raises
    ------
    ClusterError
        Slurm would refuse it.
    """
    asked = ["--test-only", *sbatch_options(options, n_tasks)]
    ask_slurm("sbatch", asked, batch_script(options, n_tasks, command))
