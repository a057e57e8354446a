"""Write the batch script and hand it to Slurm; where Slurm refuses, nothing is left behind."""

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from element_facerhythm.errors import ClusterError
from element_facerhythm.slurm.client import ask_slurm
from element_facerhythm.slurm.options import BatchOptions
from element_facerhythm.slurm.script import batch_script, sbatch_options


@dataclass(frozen=True)
class Submission:
    """An array that Slurm took: its number, its size, its script, and the pattern of its logs."""

    array: str
    n_tasks: int
    script: Path
    logs: Path


def submit_script(options: BatchOptions, n_tasks: int, command: Sequence[str]) -> Submission:
    """Write the script into `options.log_dir`, for this user alone to read, and submit it.

    The options are given to sbatch once more, since variables such as `SBATCH_PARTITION` go before those in
    the script.

    Raises
    ------
    ClusterError
        The directory cannot be written, or Slurm refused.
    """
    made = [place for place in (options.log_dir, *options.log_dir.parents) if not place.exists()]
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    script = options.log_dir / f"{options.name}-{stamp}-{secrets.token_hex(2)}.sh"
    try:
        options.log_dir.mkdir(parents=True, exist_ok=True)
        write_private(script, batch_script(options, n_tasks, command))
        asked = ["--parsable", *sbatch_options(options, n_tasks), str(script)]
        answer = ask_slurm("sbatch", asked)
    except OSError as error:
        remove(script, made)
        raise ClusterError(f"{options.log_dir} cannot be written: {error}; see --dir") from error
    except ClusterError:
        remove(script, made)
        raise
    array = answer.strip().split(";")[0]  # on several clusters: number;cluster
    return Submission(array, n_tasks, script, options.log_dir / f"{array}_*.log")


def write_private(path: Path, text: str) -> None:
    """Write a new file that only this user can read or change."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def remove(script: Path, made: Sequence[Path]) -> None:
    """Take away what was written, and the directories made for it that nobody else put something into."""
    script.unlink(missing_ok=True)
    for place in made:
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
