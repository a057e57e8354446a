"""Options of Slurm for each worker. Slurm checks the values; here each is kept to a single value."""

import re
from dataclasses import dataclass
from pathlib import Path

from element_facerhythm.errors import ClusterError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")
GPUS = re.compile(r"1|[A-Za-z][A-Za-z0-9_.-]*(:1)?")

OWN_OPTIONS = (
    "account", "array", "chdir", "clusters", "cpus-per-task", "error", "export", "export-file", "gpus",
    "gpus-per-node", "gpus-per-task", "gres", "help", "input", "job-name", "mem", "no-requeue", "nodes",
    "ntasks", "open-mode", "output", "parsable", "partition", "qos", "requeue", "signal", "test-only",
    "time", "usage", "version", "wait", "wrap",
)  # fmt: skip
"""Options of sbatch that the script sets itself, or that would make it another script."""


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
        values = {
            "--partition": self.partition,
            "--account": self.account,
            "--qos": self.qos,
            "--memory": self.memory,
            "--time": self.time_limit,
            "--dir": str(self.log_dir),
            "working directory": str(self.work_dir),
        }
        for option, value in values.items():
            if value is not None:
                _require_quotable(option, value)
        for option in self.further:
            _require_further(option)


def _require_quotable(option: str, value: str) -> None:
    """Refuse a value that no quotes hold together in a line of the script."""
    if not value or not value.isprintable() or "\\" in value:
        raise ClusterError(f"{option} is {value!r}; expected text on one line without \\")


def _require_further(option: str) -> None:
    """Refuse what is not one long option of sbatch, and what the script sets itself."""
    _require_quotable("--sbatch", option)
    name = option.removeprefix("--").partition("=")[0]
    if not option.startswith("--") or " " in name:
        raise ClusterError(
            f"--sbatch is {option!r}; expected one long option of sbatch with its value, such as "
            "--sbatch=--constraint=a100"
        )
    if any(own.startswith(name) for own in OWN_OPTIONS):  # sbatch takes abbreviations
        raise ClusterError(
            f"--sbatch={option} would change what facerhythm sets itself; see `facerhythm slurm submit "
            "--help` for the option that does"
        )
