"""`facerhythm slurm submit --dry-run` where there is no Slurm, and no server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FACERHYTHM = [sys.executable, "-m", "element_facerhythm"]


def submit(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DJ_")}
    environment = {**kept, "DJ_IGNORE_CONFIG_FILE": "true", "PATH": "/nowhere", **variables}
    command = [*FACERHYTHM, "slurm", "submit", "--gpus", "a100", "--max-workers", "3", *arguments]
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def test_the_script_is_printed_and_what_is_missing_is_said(tmp_path: Path) -> None:
    location = {"FACERHYTHM_EMBEDDED_DIR": str(tmp_path / "db")}
    plain = submit(tmp_path, "--dry-run", **location)
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.startswith(
        "#!/bin/bash\n#SBATCH --job-name=facerhythm\n#SBATCH --array=1-3\n"
    )
    assert "--gres=gpu:a100:1" in plain.stdout
    for told in ("would submit an array of 3 workers", "squeue is not on the PATH", "DJ_HOST"):
        assert told in plain.stderr
    answer = json.loads(submit(tmp_path, "--dry-run", "--json", **location).stdout)
    assert (answer["submitted"], answer["n_tasks"], answer["n_pending"]) == (False, 3, None)
    assert answer["script"] == plain.stdout
    assert len(answer["notes"]) == 3
    assert list(tmp_path.iterdir()) == []  # no database was started for a look


@pytest.mark.parametrize("option", ["--partition=a\n", "--gpus=2", "--setup=not-there.sh"])
def test_values_that_no_slurm_could_take_are_refused_all_the_same(
    tmp_path: Path, option: str
) -> None:
    outcome = submit(tmp_path, "--dry-run", option)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert option.partition("=")[0] in outcome.stderr


def test_a_server_that_does_not_answer_is_no_matter_of_slurm(tmp_path: Path) -> None:
    nobody = {"DJ_HOST": "127.0.0.1", "DJ_PORT": "9", "DJ_USER": "me", "DJ_PASS": "secret"}
    outcome = submit(tmp_path, "--dry-run", **nobody)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert "127.0.0.1:9" in outcome.stderr


def test_without_a_dry_run_slurm_is_needed(tmp_path: Path) -> None:
    outcome = submit(tmp_path)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert "squeue is not on the PATH" in outcome.stderr
