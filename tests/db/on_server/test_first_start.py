"""Workers that start together on a server where nothing is yet, as `--scale worker=8` makes them."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

START_AS_A_WORKER = """
import sys
from element_facerhythm import workflow
from element_facerhythm.fleet.job_queue import JobQueue
print("ready", flush=True)
sys.stdin.readline()
for table in workflow.POPULATED:
    JobQueue(table).provide()
    (table.key_source - table.proj()).keys()  # joins, which need the lineages of all parents
tables = [cls for schema in workflow.SCHEMAS for cls, _ in schema.declare_list]
print([cls.__name__ for cls in tables if None in {cls.heading[n].lineage for n in cls.primary_key}])
"""
DIE_WHILE_CREATING = """
import itertools, os, signal
from element_facerhythm.database.datajoint import import_datajoint
lineage = import_datajoint().lineage
calls, write = itertools.count(), lineage.insert_lineages

def write_or_die(*args):
    if next(calls) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    write(*args)

lineage.insert_lineages = write_or_die
import element_facerhythm.workflow
"""
DROP = """
from element_facerhythm import workflow
workflow.dj.config.safemode = False
for schema in reversed(workflow.SCHEMAS):
    schema.drop(prompt=False)
"""


@pytest.fixture
def environment(server: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables of a process with a prefix that nobody used; its schemas are dropped at the end."""
    variables = {
        **os.environ, **server,
        "FACERHYTHM_DB_PREFIX": f"frfirst_{secrets.token_hex(4)}_",
        "FACERHYTHM_ROOT_DATA_DIR": str(tmp_path),
    }  # fmt: skip
    yield variables
    subprocess.run([sys.executable, "-c", DROP], env=variables, check=True, capture_output=True)


def test_workers_that_start_together_create_everything_once(environment: dict[str, str]) -> None:
    start_together(8, environment)


def test_a_process_that_dies_while_it_creates_tables_holds_nobody_up(
    environment: dict[str, str],
) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", DIE_WHILE_CREATING],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()
    start_together(2, environment)


def start_together(n_processes: int, environment: dict[str, str]) -> None:
    """Start workers, and look at what each of them has of the tables."""
    with ExitStack() as stack:
        together = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", START_AS_A_WORKER], env=environment,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                )
            )
            for _ in range(n_processes)
        ]  # fmt: skip
        answers = [process.communicate("\n", timeout=200) for process in together]
    for process, (out, err) in zip(together, answers, strict=True):
        assert process.returncode == 0, err
        assert out.splitlines() == ["ready", "[]"], err
        assert "ineage" not in err
