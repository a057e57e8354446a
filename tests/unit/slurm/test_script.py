"""The batch script holds what was asked for, whatever it was, and nothing else."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from element_facerhythm.errors import ClusterError
from element_facerhythm.slurm import ArraySize, BatchOptions, Task, batch_script

ODD = [
    "plain",
    "two words",
    "it's",
    '"quoted"',
    "$HOME",
    "$(touch gone)",
    "`touch gone`",
    "a;b",
    "*",
    "#c",
]


@pytest.fixture
def options(tmp_path: Path) -> BatchOptions:
    return BatchOptions(log_dir=tmp_path / "logs", work_dir=tmp_path)


def run_script(text: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    """Run a script as Slurm does, from a file."""
    path = directory / "script.sh"
    path.write_text(text)
    command = ["bash", str(path)]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def directives(text: str) -> list[str]:
    return re.findall(r"^#SBATCH (.*)$", text, re.MULTILINE)


def test_the_worker_takes_the_place_of_the_shell_and_gets_its_arguments_as_they_are(
    options: BatchOptions, tmp_path: Path
) -> None:
    setup = tmp_path / "lab's $set up.sh"
    setup.write_text("export FROM_SETUP='a b'\n")
    prepared = replace(options, setup=setup, before=('export PID_OF_SHELL="$$"',))
    worker = (
        "import os, sys; print(sys.argv[1:], os.environ['FROM_SETUP'], "
        "int(os.environ['PID_OF_SHELL']) == os.getpid())"
    )
    done = run_script(batch_script(prepared, 3, [sys.executable, "-c", worker, *ODD]), tmp_path)
    assert done.stdout == f"{ODD} a b True\n", done.stderr
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("line", ["false", "no-such-module load cuda", "bash -c 'exit 3'"])
def test_a_set_up_that_fails_starts_no_worker_and_says_so(
    options: BatchOptions, tmp_path: Path, line: str
) -> None:
    script = batch_script(replace(options, before=(line, "true")), 1, ["touch", "started"])
    done = run_script(script, tmp_path)
    assert done.returncode != 0
    assert f"the set-up failed at: {line}" in done.stderr
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("line", ["true\nfalse", "echo 'open", "(", "exit 4"])
def test_a_line_that_is_not_complete_starts_no_worker(
    options: BatchOptions, tmp_path: Path, line: str
) -> None:
    script = batch_script(replace(options, before=(line,)), 1, ["touch", "started"])
    done = run_script(script, tmp_path)
    assert done.returncode != 0
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("line", [" ", "true \\", "cat <<EOF", "# a word"])
def test_a_line_takes_none_after_it_along(options: BatchOptions, tmp_path: Path, line: str) -> None:
    script = batch_script(replace(options, before=(line, "touch next")), 1, ["touch", "started"])
    done = run_script(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "started").exists() and (tmp_path / "next").exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "--signal=B:TERM@120"),
        ({}, "--requeue"),
        ({}, "--open-mode=append"),
        ({"at_once": 2}, "--array=1-5%2"),
        ({"gpus": "1"}, "--gres=gpu:1"),
        ({"gpus": "a100"}, "--gres=gpu:a100:1"),
        ({"gpus": "a100:1"}, "--gres=gpu:a100:1"),
        ({"partition": "gpu,long", "cpus": 8}, "--partition=gpu,long"),
        ({"time_limit": "2-00:00:00", "memory": "16G"}, "--time=2-00:00:00"),
        ({"further": ("--constraint=[a100|h100]",)}, "'--constraint=[a100|h100]'"),
        ({"partition": "gpu --array=1-1000"}, "'--partition=gpu --array=1-1000'"),
        ({"account": "$(id)"}, "'--account=$(id)'"),
        ({"log_dir": Path("/100%")}, "--output=/100%%/%A_%a.log"),
    ],
)
def test_options_become_directives(
    options: BatchOptions, given: dict[str, object], expected: str
) -> None:
    found = directives(batch_script(replace(options, **given), 5, ["worker"]))
    assert expected in found


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"partition": "gpu\n#SBATCH --uid=0"}, "--partition"),
        ({"account": "lab\\"}, "--account"),
        ({"qos": ""}, "--qos"),
        ({"name": "a,b"}, "--name"),
        ({"gpus": "2"}, "--gpus"),
        ({"gpus": "a100:4"}, "--gpus"),
        ({"memory": "16G\t#"}, "--memory"),
        ({"time_limit": ""}, "--time"),
        ({"further": ("--array=1-1000",)}, "--array"),
        ({"further": ("--arr=1-1000",)}, "--arr"),
        ({"further": ("-p", "gpu")}, "--sbatch"),
        ({"further": ("--comment a",)}, "--sbatch"),
        ({"further": ("--comment=a\n#SBATCH --array=1-9",)}, "--sbatch"),
        ({"log_dir": Path("/logs\n")}, "--dir"),
        ({"work_dir": Path("/a\\b")}, "working directory"),
    ],
)
def test_values_that_are_not_one_value_are_refused(
    options: BatchOptions, given: dict[str, object], named: str
) -> None:
    with pytest.raises(ClusterError, match=re.escape(named)):
        replace(options, **given)


@pytest.mark.parametrize(
    ("n_pending", "states", "n_tasks"),
    [
        (0, [], 0),
        (3, [], 3),
        (9, [], 4),
        (9, ["RUNNING", "PENDING"], 2),  # two more are allowed
        (
            2,
            ["RUNNING", "PENDING"],
            1,
        ),  # the one that waits takes one of the jobs, the other is busy
        (1, ["PENDING"], 0),
        (9, ["COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL", "COMPLETING"], 4),
        (9, ["RUNNING"] * 6, 0),
    ],
)
def test_an_array_is_as_large_as_what_nobody_else_will_do(
    n_pending: int, states: list[str], n_tasks: int
) -> None:
    tasks = [Task(f"1_{i}", state, "", "", "", "", "", None) for i, state in enumerate(states)]
    size = ArraySize.beside(tasks, n_pending=n_pending, max_workers=4)
    assert size.n_tasks == n_tasks
    assert n_tasks or size.reason
