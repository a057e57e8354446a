"""Workers that start together on a server where nothing is yet, as `--scale worker=8` makes them."""

import os
import secrets
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

N_PROCESSES = 8
START_AS_A_WORKER = """
import sys
from element_facerhythm import workflow
from element_facerhythm.fleet.queue import JobQueue
print("ready", flush=True)
sys.stdin.readline()
for table in workflow.POPULATED:
    JobQueue(table).provide()
    (table.key_source - table.proj()).keys()  # joins, which need the lineages of all parents
tables = [cls for schema in workflow.SCHEMAS for cls, _ in schema.declare_list]
print([cls.__name__ for cls in tables if None in {cls.heading[n].lineage for n in cls.primary_key}])
"""
DROP = """
from element_facerhythm import workflow
workflow.dj.config.safemode = False
for schema in reversed(workflow.SCHEMAS):
    schema.drop(prompt=False)
"""


def test_workers_that_start_together_create_everything_once(
    server: dict[str, str], tmp_path: Path
) -> None:
    environment = {
        **os.environ, **server,
        "FACERHYTHM_DB_PREFIX": f"frfirst_{secrets.token_hex(4)}_",
        "FACERHYTHM_ROOT_DATA_DIR": str(tmp_path),
    }  # fmt: skip

    with ExitStack() as stack:
        together = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", START_AS_A_WORKER], env=environment, cwd=tmp_path,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                )
            )
            for _ in range(N_PROCESSES)
        ]  # fmt: skip
        answers = [process.communicate("\n", timeout=200) for process in together]
    subprocess.run([sys.executable, "-c", DROP], env=environment, check=True, capture_output=True)
    for process, (out, err) in zip(together, answers, strict=True):
        assert process.returncode == 0, err
        assert out.splitlines() == ["ready", "[]"]
        assert "ineage" not in err
