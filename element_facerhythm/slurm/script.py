"""The batch script of a job array of workers, and what may be chosen of it. Slurm checks the values."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from element_facerhythm.errors import ClusterError

LOG_NAME = "%A_%a.log"
"""Name of a task's log, in Slurm's letters: array, index."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")
GPUS = re.compile(r"1|[A-Za-z][A-Za-z0-9_.-]*(:1)?")
FURTHER = re.compile(r"--([^= ]+)(=.*)?")

OWN_OPTIONS = (
    "account", "array", "chdir", "clusters", "cpus-per-task", "error", "export", "export-file", "gpus",
    "gpus-per-node", "gpus-per-task", "gres", "help", "input", "job-name", "mem", "no-requeue", "nodes",
    "ntasks", "open-mode", "output", "parsable", "partition", "qos", "requeue", "signal", "test-only",
    "time", "usage", "version", "wait", "wrap",
)  # fmt: skip
"""Options of sbatch that the script sets itself, or that would make it another script."""

ABOUT = (
    "# Workers of facerhythm. Slurm hands on the environment of `facerhythm slurm submit`, which says where",
    "# the database is; this file holds no password.",
)


@dataclass(frozen=True)
class BatchOptions:
    """What each worker of the array gets, and how the array behaves.

    Parameters
    ----------
    log_dir : Path
        Absolute directory of the script and of the logs, on every node the same.
    work_dir : Path
        Absolute directory that the workers start in; DataJoint looks there for `datajoint.json`.
    name : str
        Job name, which distinguishes these tasks from other jobs.
    partition, account, qos : str, optional
        As Slurm names them; the cluster's defaults where they are left out.
    gpus : str, optional
        `1`, or a type such as `a100`: a worker computes on one device. None asks for no GPU.
    cpus : int, optional
        Processor cores for each worker.
    memory : str, optional
        Memory for each worker, as `16G`.
    time_limit : str, optional
        As Slurm writes it: minutes, `hours:minutes:seconds`, `days-hours`.
    grace_s : int
        Seconds before the time limit at which a worker is asked to stop.
    at_once : int, optional
        How many tasks of the array may run at the same time.
    further : tuple of str
        Other options of sbatch, as `--constraint=a100`.
    setup : Path, optional
        File that bash reads before the worker starts.
    before : tuple of str
        Commands of bash that come before the worker, such as `module load cuda`.

    Raises
    ------
    ClusterError
        A value is not one value in a script, or changes what facerhythm sets itself.
    """

    log_dir: Path
    work_dir: Path
    name: str = "facerhythm"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    gpus: str | None = None
    cpus: int | None = None
    memory: str | None = None
    time_limit: str | None = None
    grace_s: int = 120
    at_once: int | None = None
    further: tuple[str, ...] = ()
    setup: Path | None = None
    before: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):  # squeue takes several, and it begins the name of a file
            raise ClusterError(f"--name is {self.name!r}; expected letters, digits and _ . @ + -")
        if self.gpus is not None and not GPUS.fullmatch(self.gpus):
            raise ClusterError(
                f"--gpus is {self.gpus!r}; expected 1 or a type such as a100: a worker computes on one GPU"
            )
        values = [
            ("--partition", self.partition),
            ("--account", self.account),
            ("--qos", self.qos),
            ("--memory", self.memory),
            ("--time", self.time_limit),
            ("--dir", str(self.log_dir)),
            ("working directory", str(self.work_dir)),
            *(("--sbatch", option) for option in self.further),
        ]
        for option, value in values:  # no quotes hold others together in a line of the script
            if value is not None and (not value or not value.isprintable() or "\\" in value):
                raise ClusterError(f"{option} is {value!r}; expected text on one line without \\")
        for option in self.further:
            _require_further(option)


def _require_further(option: str) -> None:
    """Refuse what is not one long option of sbatch, and what the script sets itself."""
    form = FURTHER.fullmatch(option)
    if form is None:
        raise ClusterError(
            f"--sbatch is {option!r}; expected one long option of sbatch with its value, such as "
            "--sbatch=--constraint=a100"
        )
    if any(own.startswith(form[1]) for own in OWN_OPTIONS):  # sbatch takes abbreviations
        raise ClusterError(
            f"--sbatch={option} would change what facerhythm sets itself; see `facerhythm slurm submit "
            "--help` for the option that does"
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
    gpus = None if options.gpus is None else options.gpus.removesuffix(":1")
    given = {
        "job-name": options.name,
        "array": f"1-{n_tasks}" + ("" if options.at_once is None else f"%{options.at_once}"),
        "nodes": 1,
        "ntasks": 1,
        "partition": options.partition,
        "account": options.account,
        "qos": options.qos,
        "gres": gpus and ("gpu:1" if gpus == "1" else f"gpu:{gpus}:1"),
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
