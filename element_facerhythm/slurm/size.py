"""How many workers an array gets."""

from collections.abc import Sequence
from dataclasses import dataclass

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
