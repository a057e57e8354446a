"""What is asked of Slurm for each worker, checked before anything is written."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from element_facerhythm.errors import ClusterError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")
NAMES = re.compile(rf"{NAME.pattern}(,{NAME.pattern})*")
GPUS = re.compile(r"(?:(?P<type>[A-Za-z][A-Za-z0-9_.-]*)(?::1)?|1)")
MEMORY = re.compile(r"[1-9][0-9]*[KMGT]?")
TIME_LIMIT = re.compile(r"[0-9]+(:[0-9]{1,2}){0,2}|[0-9]+-[0-9]{1,2}(:[0-9]{1,2}){0,2}")
FURTHER = re.compile(r"--(?P<name>[a-z][a-z-]*)(=[A-Za-z0-9_.,:;/@+*&|()\[\]!=%-]+)?")

OURS = frozenset(
    {
        "account", "array", "chdir", "clusters", "cpus-per-task", "error", "export", "export-file", "gpus",
        "gpus-per-node", "gpus-per-task", "gres", "help", "input", "job-name", "mem", "no-requeue", "nodes",
        "ntasks", "open-mode", "output", "parsable", "partition", "qos", "requeue", "signal", "test-only",
        "time", "usage", "version", "wait", "wrap",
    }
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
        Job name: what tells our jobs from others.
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
        Seconds before the time limit at which a worker is told to stop.
    at_once : int, optional
        How many tasks of the array may run at the same time.
    further : tuple of str
        Other options of sbatch, as `--constraint=a100`.
    setup : Path, optional
        File that bash reads before the worker starts.
    before : tuple of str
        Lines of bash that come before the worker, such as `module load cuda`.

    Raises
    ------
    ClusterError
        A value is none that Slurm could take.
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
        check("--name", self.name, NAME, "letters, digits and _ . @ + -")
        check("--partition", self.partition, NAMES, "the name of a partition (sinfo lists them)")
        check("--account", self.account, NAME, "the name of an account")
        check("--qos", self.qos, NAME, "the name of a quality of service")
        check("--gpus", self.gpus, GPUS, "1 or a type such as a100: a worker computes on one GPU")
        check("--memory", self.memory, MEMORY, "a number and K, M, G or T, such as 16G")
        check("--time", self.time_limit, TIME_LIMIT, "such as 90 (minutes), 12:00:00 or 2-00:00:00")
        for option in self.further:
            check_further(option)
        for line in self.before:
            check_line(line)
        for directory in (self.log_dir, self.work_dir):
            check_directory(directory)
        if self.setup is not None and not self.setup.is_file():
            raise ClusterError(f"--setup names {self.setup}, which is no file that can be read")


def check(option: str, value: str | None, form: re.Pattern[str], expected: str) -> None:
    """Refuse a value that is not of the form; None passes."""
    if value is not None and not form.fullmatch(value):
        raise ClusterError(f"{option} is {value!r}; expected {expected}")


def check_line(line: str) -> None:
    """Refuse what is not one complete line of bash: it would change the meaning of the next one."""
    odd = not line.strip() or line.endswith("\\") or not line.replace("\t", " ").isprintable()
    if odd or bash_complains(line):
        raise ClusterError(
            f"--before is {line!r}; expected one complete line of bash. Put several into a file, and name "
            "it with --setup"
        )


def bash_complains(line: str) -> bool:
    """Let bash read a line without running it; where there is no bash, Slurm's nodes will tell."""
    bash = shutil.which("bash")
    if bash is None:
        return False
    read = subprocess.run([bash, "-n"], input=line, capture_output=True, text=True, check=False)
    return bool(read.returncode or read.stderr)


def check_further(option: str) -> None:
    """Refuse what is not one long option of sbatch, and what the script sets itself."""
    found = FURTHER.fullmatch(option)
    if found is None:
        raise ClusterError(
            f"--sbatch is {option!r}; expected one long option of sbatch with its value, such as "
            "--sbatch=--constraint=a100"
        )
    if any(name.startswith(found["name"]) for name in OURS):  # sbatch takes abbreviations
        raise ClusterError(
            f"--sbatch={option} would change what facerhythm sets itself; see `facerhythm slurm submit "
            "--help` for the option that does"
        )


def check_directory(directory: Path) -> None:
    """Refuse a directory whose name Slurm would read as something else."""
    text = str(directory)
    if not directory.is_absolute() or not text.isprintable() or set(text) & set('%"\\'):
        raise ClusterError(
            f'{text!r} cannot be given to Slurm: expected an absolute path without %, " and \\'
        )
