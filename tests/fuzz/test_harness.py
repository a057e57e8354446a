"""The harness finds what it is there to find, keeps it, and leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]

EXPECTED = {
    "nothing wrong": "",
    "refuses": "",
    "names a frame": "",
    "writes in its temporary directory": "",
    "exits": "",
    "raises": "traceback",
    "recurses": "traceback",
    "declares memory": "traceback",
    "names no frame": "exit 1 without a frame",
    "says nothing": "no message",
    "says too much": "very long message",
    "says escapes": "control characters in a message",
    "quotes a canary": "quotes a canary",
    "logs a canary": "quotes a canary",
    "quotes the project": "quotes a file of the project",
    "ends": "ended without a result",
    "crashes": "died of SIGSEGV",
    "computes": "too slow",
    "sleeps": "waits for ever",
    "waits for a pipe": "waits for ever",
    "fills the memory": "too much memory",
    "opens a canary": "canary/secret was opened",
    "opens a canary by a child": "canary/secret was opened",
    "makes a file among the canaries": "canary/PWNED was created",
    "starts a program": "a program was started (os.system)",
    "unpickles": "a pickle found posix.getcwd",
    "connects": "an address in the input was connected to",
    "changes its input": "the input was changed",
    "leaves a file at home": "home/x was left behind",
    "leaves a temporary file": "tmp/x was left behind",
    "leaves a file beside its input": "root/rest was left behind",
    "writes elsewhere": "something outside was changed",
}


def python(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository; a process of its own, because a fork loses the threads of other tests."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        words, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )


def test_every_kind_of_finding_is_found_and_nothing_else(tmp_path):
    done = python("-m", "tests.fuzz.offenders", tmp_path)
    assert done.returncode == 0, done.stderr
    found = {name: finding for name, (finding, _) in json.loads(done.stdout).items()}
    assert {n: f[: len(EXPECTED[n])] if EXPECTED[n] else f for n, f in found.items()} == EXPECTED


def test_inputs_are_the_same_for_the_same_seed(tmp_path):
    done = python("-m", "tests.fuzz.two_rounds", tmp_path, 200)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["different"] == []
    assert result["n_distinct"] > 150
    assert len(result["targets"]) > 15


def test_a_finding_is_kept_once_and_shows_itself_again(tmp_path):
    findings = tmp_path / "findings"
    ways = ("--inputs", 8, "--processes", 2, "--findings", findings, "--only", "defect")
    done = python("-m", "tests.fuzz", *ways)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "8 inputs, 1 kinds of findings" in done.stdout
    (kept,) = findings.iterdir()
    record = json.loads((kept / "finding.json").read_text())
    assert record["where"] == "ZeroDivisionError"
    again = python("-m", "tests.fuzz", "--reproduce", kept)
    assert again.returncode == 1
    assert "ZeroDivisionError" in again.stdout
    assert "FINDING: traceback" in again.stdout


def test_nothing_is_found_in_a_hundred_inputs_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    done = python(
        "-m", "tests.fuzz", "--inputs", 100, "--seed", 1, "--findings", tmp_path / "findings"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100 inputs, 0 kinds of findings" in done.stdout
    assert not list(tmp_path.iterdir())
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
