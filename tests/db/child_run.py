"""The tests of a directory in a process of their own, with a server of a kind."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TIMEOUT_S = 3600
MYSQL = pytest.param("mysql", marks=pytest.mark.mysql)
ON_EACH_SERVER = pytest.mark.parametrize("kind", ["postgresql", MYSQL])


def run_on_server(directory: str, kind: str, part: str, config: pytest.Config) -> str:
    """Run the tests of a directory in a process of their own, with a server of a kind; return its counts."""
    configured = kind == "mysql" and os.environ.get("DJ_BACKEND", "mysql") == "mysql"
    others = ("PYTEST_XDIST_",) if configured else ("PYTEST_XDIST_", "DJ_")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(others) or name == "DJ_IGNORE_CONFIG_FILE"
    }
    where_it_hangs = ["-o", "faulthandler_timeout=240"]
    options = ["--part", part, "-q", "-p", "no:cacheprovider", "--durations=15", *where_it_hangs]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", str(HERE / directory), *options],
        cwd=config.rootpath,
        env={**environment, "FACERHYTHM_TEST_DATABASE": kind},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    counts = re.findall(r"^\d+ passed.*$", run.stdout, re.MULTILINE)
    server = re.findall(r"^tables on .*$", run.stdout, re.MULTILINE)
    assert counts and server, run.stdout
    return f"{directory}, {server[-1]}: {counts[-1]}"
