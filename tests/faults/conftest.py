"""The fault matrix: real workers on a real MySQL server, and what is done to them.

It takes minutes and is run on its own: `make faults` runs all of it, FACERHYTHM_FAULTS=short a part that
still strikes every kind of fault. FACERHYTHM_MYSQLD names the program of the server; else one of this machine
is taken. FACERHYTHM_FAULTS_REPORT=docs/reliability.md writes what came of it there.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

EXTENT = os.environ.get("FACERHYTHM_FAULTS")
REPORT = os.environ.get("FACERHYTHM_FAULTS_REPORT") or None

if EXTENT is None:
    collect_ignore_glob = ["test_*"]
elif EXTENT not in ("short", "long"):
    raise pytest.UsageError(f"FACERHYTHM_FAULTS={EXTENT}: expected short or long")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory):
    """A server, directories, an activated workflow, and one recording that was analysed in peace."""
    from tests.faults.lab import open_lab

    with open_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="session")
def matrix(lab) -> Iterator["list"]:
    """What came of every cell, for the tables in the documentation."""
    from tests.faults.points import all_points
    from tests.faults.table import Cell, tried_commit, write_tables

    cells: list[Cell] = []
    commit = tried_commit() if REPORT is not None else ""
    yield cells
    if REPORT is not None and cells:
        version = lab.workflow.dj.conn().query("SELECT version()").fetchone()[0]
        kind = "MariaDB" if "MariaDB" in version else "MySQL"
        write_tables(Path(REPORT).absolute(), cells, f"{kind} {version}", all_points(), commit)
