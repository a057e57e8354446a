"""Workers as a job array of a Slurm cluster: the batch script, its submission, its tasks, cancelling them.

Everything goes through Slurm's own commands (`sbatch`, `squeue`, `sacct`, `scancel`), in their
machine-readable output formats. Nothing here refers to the database.
"""

from element_facerhythm.slurm.script import BatchOptions, batch_script
from element_facerhythm.slurm.submit import ArraySize, check_script, submit_script
from element_facerhythm.slurm.tasks import Task, cancel_tasks, list_tasks, past_tasks

__all__ = [
    "ArraySize",
    "BatchOptions",
    "Task",
    "batch_script",
    "cancel_tasks",
    "check_script",
    "list_tasks",
    "past_tasks",
    "submit_script",
]
