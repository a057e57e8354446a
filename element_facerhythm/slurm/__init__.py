"""Workers as a job array of a Slurm cluster: the batch script, its submission, its tasks, cancelling them.

Everything goes through Slurm's own commands (`sbatch`, `squeue`, `sacct`, `scancel`), in their
machine-readable output formats. Nothing here refers to the database.
"""

from element_facerhythm.slurm.cancel import Cancelled, cancel_tasks
from element_facerhythm.slurm.options import BatchOptions
from element_facerhythm.slurm.script import batch_script
from element_facerhythm.slurm.size import ArraySize
from element_facerhythm.slurm.submit import Submission, check_script, submit_script
from element_facerhythm.slurm.tasks import Task, list_tasks, past_tasks

__all__ = [
    "ArraySize",
    "BatchOptions",
    "Cancelled",
    "Submission",
    "Task",
    "batch_script",
    "cancel_tasks",
    "check_script",
    "list_tasks",
    "past_tasks",
    "submit_script",
]
