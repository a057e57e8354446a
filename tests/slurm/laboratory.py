"""A lab on the cluster: recordings in schemas of its own, the command line, and SQL to look at the tables."""

import json
import os
import secrets
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.slurm.cluster import Cluster, wait_for

FACERHYTHM = [sys.executable, "-m", "element_facerhythm"]
ROOT = Path(__file__).parents[2]
SCHEMAS = ("fleet", "keypoint_inference", "facial_behavior_estimation", "session", "subject", "lab")
RESULTS = "facial_behavior_estimation`.`_facial_rhythm"
JOBS = "facial_behavior_estimation`.`~~face_rhythm_processing"

MAKE_RECORDINGS = Path(__file__).parent / "make_recordings.py"


class Laboratory:
    """One lab, with its own prefix of schemas and its own job name.

    Parameters
    ----------
    name
        Job name.
    home
        Directory that it works in.
    cluster
        Where its workers run.
    database
        `DJ_*` variables of its server.
    """

    def __init__(self, name: str, home: Path, cluster: Cluster, database: dict[str, str]) -> None:
        self.name = name
        self.home = home
        self.cluster = cluster
        self.database = database
        self.prefix = f"frtest_{secrets.token_hex(4)}_"
        self.raw, self.processed = home / "raw", home / "processed"
        self.raw.mkdir()
        self.processed.mkdir()
        self.environment = {
            **os.environ,
            **database,
            **cluster.environment,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "FACERHYTHM_DB_PREFIX": self.prefix,
            "FACERHYTHM_ROOT_DATA_DIR": str(self.raw),
            "FACERHYTHM_PROCESSED_DATA_DIR": str(self.processed),
        }

    def register(self, n_recordings: int, *, n_restarts: int = 2) -> None:
        """Make recordings and enter them; with many restarts their decomposition takes long."""
        done = subprocess.run(
            [sys.executable, MAKE_RECORDINGS, self.raw, str(n_recordings), str(n_restarts)],
            env=self.environment, cwd=self.home, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def facerhythm(self, *arguments: object, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run the command in the lab's directory."""
        done = subprocess.run(
            [*FACERHYTHM, *map(str, arguments)], env=self.environment, cwd=self.home,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, (
            f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    def json(self, *arguments: object) -> dict[str, Any]:
        """Run the command with `--json`, and read what it printed."""
        return json.loads(self.facerhythm(*arguments, "--json").stdout)

    def submit(self, *options: object) -> dict[str, Any]:
        return self.json("slurm", "submit", "--name", self.name, *options)

    def tasks(self) -> list[dict[str, Any]]:
        return self.json("slurm", "status", "--name", self.name)["tasks"]

    def ended(self, timeout_s: float = 180) -> list[str]:
        """Wait until no task waits or runs; gives the states of all, in the order of the array."""
        squeue = ["squeue", "--noheader", f"--name={self.name}", "--array"]

        def over() -> bool:
            return not self.cluster.ask(*squeue, "--format=%T").split()

        wait_for(f"the tasks of {self.name} end", over, timeout_s, self.logs)
        return self.cluster.ask(*squeue, "--states=all", "--sort=i", "--format=%T").split()

    def logs(self) -> str:
        """Everything that the tasks printed."""
        files = sorted((self.processed / "slurm").glob("*.log"))
        return "\n".join(f"{file.name}: {file.read_text()}" for file in files)

    def query(self, sql: str) -> tuple[tuple[Any, ...], ...]:
        """Ask the server; PREFIX stands for the beginning of the schemas' names."""
        return query_server(self.database, sql.replace("PREFIX", self.prefix))

    def sessions_done(self) -> list[int]:
        """Session numbers of the recordings that have results."""
        rows = self.query(f"SELECT session_id FROM `PREFIX{RESULTS}` ORDER BY session_id")
        return [row[0] for row in rows]

    def jobs(self, status: str) -> list[tuple[str, int]]:
        """Host and process of each job of the long table that has a status."""
        there = self.query(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = "
            "'PREFIXfacial_behavior_estimation' AND table_name = '~~face_rhythm_processing'"
        )
        if not there:
            return []
        rows = self.query(f"SELECT host, pid FROM `PREFIX{JOBS}` WHERE status = '{status}'")
        return [(row[0], row[1]) for row in rows]

    def drop_schemas(self) -> None:
        """Drop the lab's schemas, children first."""
        for schema in SCHEMAS:
            self.query(f"DROP DATABASE IF EXISTS `PREFIX{schema}`")


def query_server(database: dict[str, str], sql: str) -> tuple[tuple[Any, ...], ...]:
    """Ask the server that the `DJ_*` variables lead to."""
    import pymysql

    connection = pymysql.connect(
        host=database["DJ_HOST"], port=int(database["DJ_PORT"]),
        user=database["DJ_USER"], password=database["DJ_PASS"],
    )  # fmt: skip
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def warm_up(directory: Path) -> None:
    """Compute once, so that the kernels are compiled before workers run side by side."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, MAKE_RECORDINGS, directory, "1", "2", "--run"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
