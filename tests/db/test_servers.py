"""The tests of `on_server/`, once for each kind of database server."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RUN_TIMEOUT_S = 540


@pytest.mark.database
@pytest.mark.timeout(RUN_TIMEOUT_S + 30)
@pytest.mark.parametrize("kind", ["postgresql", pytest.param("mysql", marks=pytest.mark.mysql)])
def test_tables_on_server(kind: str, summary: list[str], pytestconfig: pytest.Config) -> None:
    configured = kind == "mysql" and os.environ.get("DJ_BACKEND", "mysql") == "mysql"
    environment = {
        name: value
        for name, value in os.environ.items()
        if configured or not name.startswith("DJ_") or name == "DJ_IGNORE_CONFIG_FILE"
    }
    run = subprocess.run(
        [sys.executable, "-m", "pytest", str(HERE / "on_server"), "-q", "-p", "no:cacheprovider"],
        cwd=pytestconfig.rootpath,
        env={**environment, "FACERHYTHM_TEST_DATABASE": kind},
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    counts = re.findall(r"^\d+ passed.*$", run.stdout, re.MULTILINE)
    server = re.findall(r"^tables on .*$", run.stdout, re.MULTILINE)
    assert counts and server, run.stdout
    summary.append(f"{server[-1]}: {counts[-1]}")
