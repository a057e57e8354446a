"""The tests of `on_server/`, for each kind of database server, and of `stores/`, with an S3 server too."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RUN_TIMEOUT_S = 800
STORES_TIMEOUT_S = 900


@pytest.mark.database
@pytest.mark.timeout(RUN_TIMEOUT_S + 30)
@pytest.mark.parametrize("kind", ["postgresql", pytest.param("mysql", marks=pytest.mark.mysql)])
def test_tables_on_server(kind: str, summary: list[str], pytestconfig: pytest.Config) -> None:
    run_on_server("on_server", kind, RUN_TIMEOUT_S, summary, pytestconfig)


@pytest.mark.database
@pytest.mark.timeout(STORES_TIMEOUT_S + 30)
def test_products_in_an_object_store(summary: list[str], pytestconfig: pytest.Config) -> None:
    from tests.db.conftest import can_have_mysql

    kind = "mysql" if can_have_mysql() else "postgresql"
    run_on_server("stores", kind, STORES_TIMEOUT_S, summary, pytestconfig)


def run_on_server(
    directory: str, kind: str, timeout_s: int, summary: list[str], config: pytest.Config
) -> None:
    """Run the tests of a directory in a process of their own, with a server of a kind."""
    configured = kind == "mysql" and os.environ.get("DJ_BACKEND", "mysql") == "mysql"
    environment = {
        name: value
        for name, value in os.environ.items()
        if configured or not name.startswith("DJ_") or name == "DJ_IGNORE_CONFIG_FILE"
    }
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            str(HERE / directory),
            "-q",
            "-p",
            "no:cacheprovider",
            "-o",
            "faulthandler_timeout=240",
        ],  # where it hangs, if it does
        cwd=config.rootpath,
        env={**environment, "FACERHYTHM_TEST_DATABASE": kind},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    counts = re.findall(r"^\d+ passed.*$", run.stdout, re.MULTILINE)
    server = re.findall(r"^tables on .*$", run.stdout, re.MULTILINE)
    assert counts and server, run.stdout
    stores = " and an S3 server" if directory == "stores" else ""
    summary.append(f"{server[-1]}{stores}: {counts[-1]}")
