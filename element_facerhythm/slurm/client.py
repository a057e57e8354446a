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


def ask_slurm(program: str, arguments: Sequence[str], script: str | None = None) -> str:
    """Run one of Slurm's commands, and return what it printed.

    Parameters
    ----------
    program, arguments
        The command.
    script
        What it reads from its standard input; nothing where it is None.

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
            env={n: v for n, v in os.environ.items() if not n.startswith(OPTION_VARIABLES)},
            input=script or "",
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(
            f"{program} did not answer in {TIMEOUT_S} s; look at `scontrol ping`"
        ) from error
    complaint = " ".join(run.stderr.split())
    if run.returncode:
        raise ClusterError(
            f"Slurm refused: {complaint or f'{program} ended with {run.returncode}'}"
        )
    if complaint:
        logger.info("%s: %s", program, complaint)
    return run.stdout
