"""Write the batch script and submit it; where Slurm refuses, the script is removed."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp

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

    Parameters
    ----------
    options, n_tasks, command
        As of `batch_script`.

    Raises
    ------
    ClusterError
        The directory cannot be written, or Slurm refused.
    """
    made = [place for place in (options.log_dir, *options.log_dir.parents) if not place.exists()]
    script: Path | None = None
    try:
        options.log_dir.mkdir(parents=True, exist_ok=True)
        number, name = mkstemp(".sh", f"{options.name}-", options.log_dir)
        script = Path(name)
        with os.fdopen(number, "w") as file:
            file.write(batch_script(options, n_tasks, command))
        asked = ["--parsable", *sbatch_options(options, n_tasks), name]
        answer = ask_slurm("sbatch", asked)
    except (OSError, ClusterError) as error:
        _remove(script, made)
        if isinstance(error, ClusterError):
            raise
        raise ClusterError(f"{options.log_dir} cannot be written: {error}; see --dir") from error
    array = answer.strip().split(";")[0]  # on several clusters: number;cluster
    return Submission(array, n_tasks, script, options.log_dir / f"{array}_*.log")


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


def _remove(script: Path | None, made: Sequence[Path]) -> None:
    """Remove what was written, and the directories made for it that hold nothing else."""
    if script is not None:
        script.unlink(missing_ok=True)
    for place in made:
        with suppress(OSError):  # it was not made, or is not empty
            place.rmdir()
