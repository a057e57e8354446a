"""The batch script of a job array of workers."""

import shlex
from collections.abc import Sequence

from element_facerhythm.slurm.options import BatchOptions

LOG_NAME = "%A_%a.log"
"""Name of a task's log, in Slurm's letters: array, index."""

ABOUT = (
    "# Workers of facerhythm. Slurm hands on the environment of `facerhythm slurm submit`, which says where",
    "# the database is; this file holds no password.",
)


def batch_script(options: BatchOptions, n_tasks: int, command: Sequence[str]) -> str:
    """Write the batch script.

    The last line replaces the shell by the worker: Slurm then signals the worker itself, which gives its job
    back, and takes its exit code for the task's.

    Parameters
    ----------
    options : BatchOptions
    n_tasks : int
        Tasks of the array, each one worker.
    command : sequence of str
        Program and arguments of the worker; they reach it as they are.

    Returns
    -------
    str
        Text of the script.
    """
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {shlex.quote(option)}" for option in sbatch_options(options, n_tasks)),
        "",
        *ABOUT,
        *_preparation(options),
        f"exec {shlex.join(command)}",
    ]
    return "\n".join(lines) + "\n"


def sbatch_options(options: BatchOptions, n_tasks: int) -> tuple[str, ...]:
    """List the options of sbatch, as they stand on a command line.

    `--signal` goes to the batch shell, which is the worker; without `B:` it would go to job steps, of which
    there are none. A task that is requeued after its node died appends to its log.

    Parameters
    ----------
    options, n_tasks
        As of `batch_script`.
    """
    at_once = "" if options.at_once is None else f"%{options.at_once}"
    given = {
        "job-name": options.name,
        "array": f"1-{n_tasks}{at_once}",
        "nodes": 1,
        "ntasks": 1,
        "partition": options.partition,
        "account": options.account,
        "qos": options.qos,
        "gres": None if options.gpus is None else _one_gpu(options.gpus),
        "cpus-per-task": options.cpus,
        "mem": options.memory,
        "time": options.time_limit,
        "signal": f"B:TERM@{options.grace_s}",
        "export": "ALL",
        "chdir": options.work_dir,
        "output": str(options.log_dir).replace("%", "%%") + f"/{LOG_NAME}",
        "open-mode": "append",
    }
    named = (f"--{name}={value}" for name, value in given.items() if value is not None)
    return (*named, "--requeue", *options.further)


def _one_gpu(gpus: str) -> str:
    """Name one GPU as a generic resource: any (`1`), or of a type, given with its count or without."""
    return "gpu:1" if gpus == "1" else f"gpu:{gpus.removesuffix(':1')}:1"


def _preparation(options: BatchOptions) -> list[str]:
    """Lines that come before the worker: the lab's own set-up, and a message where it fails.

    Each line is evaluated by itself, so that an incomplete one does not extend to the lines after it.
    """
    setup = [] if options.setup is None else [f"source {shlex.quote(str(options.setup))}"]
    lines = [*setup, *(f"eval {shlex.quote(line)}" for line in options.before)]
    if not lines:
        return []
    explain = 'echo "facerhythm: the set-up failed at: $BASH_COMMAND" >&2'
    return ["set -e", f"trap {shlex.quote(explain)} ERR", *lines, "trap - ERR"]
