"""Slurm's commands, run with what they need and nothing else."""

import logging
import os
import shutil
import subprocess
from collections.abc import Sequence

from element_facerhythm.errors import ClusterError

logger = logging.getLogger(__name__)

TIMEOUT_S = 120
"""Longer than Slurm's own: a busy controller answers late."""

OPTION_VARIABLES = ("SQUEUE_", "SCANCEL_", "SACCT_")
"""Beginnings of variables that would change what is listed or cancelled, or ask on the terminal."""


def slurm_is_here() -> bool:
    """Return whether Slurm's commands are on the PATH."""
    return shutil.which("sbatch") is not None


def ask_slurm(program: str, arguments: Sequence[str]) -> str:
    """Run one of Slurm's commands, and return what it printed.

    Raises
    ------
    ClusterError
        It is not there, or refused; the message is its own.
    """
    path = shutil.which(program)
    if path is None:
        raise ClusterError(
            f"{program} is not on the PATH: run this on a machine of the cluster where jobs are submitted "
            "(Debian: apt-get install slurm-client); `submit --dry-run` prints the script without Slurm"
        )
    logger.debug("%s %s", program, " ".join(arguments))
    try:
        run = subprocess.run(
            [path, *arguments],
            env=slurm_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(
            f"{program} did not answer in {TIMEOUT_S} s; look at `scontrol ping`"
        ) from error
    said = " ".join(run.stderr.split())
    if run.returncode:
        raise ClusterError(f"Slurm refused: {said or f'{program} ended with {run.returncode}'}")
    if said:
        logger.info("%s: %s", program, said)
    return run.stdout


def slurm_environment() -> dict[str, str]:
    """Environment for Slurm's commands, without variables that change what they list."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(OPTION_VARIABLES)
    }


def user_number() -> str:
    """Return the number of this user, whose jobs are looked at: others' may have the same job name."""
    return str(os.geteuid())
