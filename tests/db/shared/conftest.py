"""A shared MySQL with an account for each role, made by the SQL that `facerhythm admin grants` prints.

The accounts are made by the administrator of the server; all else is done by the administrator of our
schemas, whose account is made by the SQL of the page for administrators.

Everything is done as people do it: every verb and script is a process of its own, under one account.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

FACERHYTHM = "from element_facerhythm.cli import main; main()"
PAGE = Path(__file__).parents[3] / "docs" / "admin.md"
SERVER = "administrator of the server"
WORK = ("worker", "--exit-when-idle", "--retry-delay", "0")
ADMINISTRATOR = "administrator"
ROLES = ("viewer", "analyst", "worker")
ROIS = {"points": [[[40, 40], [120, 40], [120, 90], [40, 90]]]}
PARAMETERS = {
    "ROIs": {"make_rois": {"point_spacing": 16}},
    "VQT_Analyzer": {
        "params_VQT": {"Q_lowF": 2, "Q_highF": 4, "F_min": 3, "F_max": 25, "n_freq_bins": 8}
    },
    "TCA": {"fit": {"params_method": {"rank": 3, "n_iter_max": 10}}},
}


@dataclass(frozen=True)
class SharedDatabase:
    """A MySQL server, schemas of one prefix, and directories for them."""

    variables: dict[str, str]  # DJ_* of the administrator of the server
    prefix: str
    raw: Path
    results: Path
    accounts: dict[str, tuple[str, str]]  # role -> user, password

    def environment(self, role: str) -> dict[str, str]:
        """Environment of a process under an account."""
        user, password = self.accounts[role]
        ours = {n: v for n, v in os.environ.items() if not n.startswith(("DJ_", "FACERHYTHM_"))}
        return {
            **ours,
            **self.variables,
            "DJ_USER": user,
            "DJ_PASS": password,
            "DJ_IGNORE_CONFIG_FILE": "true",
            "FACERHYTHM_DB_PREFIX": self.prefix,
            "FACERHYTHM_ROOT_DATA_DIR": str(self.raw),
            "FACERHYTHM_PROCESSED_DATA_DIR": str(self.results),
            "FACERHYTHM_DEVICE": "cpu",
        }

    def facerhythm(
        self, role: str, *arguments: object, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run the command under an account."""
        return self.run_python(role, FACERHYTHM, *map(str, arguments), **variables)

    def facerhythm_json(self, role: str, *arguments: object) -> dict[str, Any]:
        """Run a verb that must succeed, and give what it printed."""
        done = self.facerhythm(role, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def python(self, role: str, script: str) -> str:
        """Run a script under an account, every warning an error; gives what it printed."""
        quiet = "import warnings; warnings.simplefilter('error')\n"
        quiet += "warnings.filterwarnings('ignore', message='MariaDB')\n"
        done = self.run_python(role, quiet + script, DJ_LOG_LEVEL="WARNING")
        assert done.returncode == 0, done.stderr
        assert "WARNING" not in done.stderr, done.stderr
        return done.stdout

    def run_python(
        self, role: str, script: str, *arguments: str, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a script under an account, with arguments and further variables."""
        return subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=self.environment(role) | variables,
            capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip

    def connect(self, role: str = ADMINISTRATOR) -> "pymysql.connections.Connection[Any]":
        """Connect without DataJoint."""
        user, password = self.accounts[role]
        return pymysql.connect(
            host=self.variables["DJ_HOST"],
            port=int(self.variables["DJ_PORT"]),
            user=user, password=password, autocommit=True,
        )  # fmt: skip

    def query(self, role: str, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement under an account."""
        with closing(self.connect(role)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


def printed_sql(database: SharedDatabase, role: str, user: str, *options: str) -> list[str]:
    """Statements of `facerhythm admin grants`, as they stand on its output."""
    done = database.facerhythm(
        ADMINISTRATOR,
        "admin",
        "grants",
        "--role",
        role,
        "--user",
        user,
        "--host",
        came_from(database),
        *options,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("-- ")]
    assert all(line.endswith(";") for line in lines)
    return lines


def run_sql(database: SharedDatabase, lines: list[str], password: str) -> None:
    """Do what the page tells the administrators: one makes the account, the other gives it its rights."""
    database.query(SERVER, lines[0].replace("<PASSWORD>", f"'{password}'"))
    for line in lines[1:]:
        database.query(ADMINISTRATOR, line)


def make_administrator(database: SharedDatabase, token: str) -> None:
    """Make the account of the page, for the prefix of the tests."""
    block = next(
        b for b in re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.S) if "_admin" in b
    )
    user, password = f"fr_{token}_admin", secrets.token_urlsafe(12)
    pattern = database.prefix.replace("_", r"\_") + "%"
    said = {
        r"facerhythm\_%": pattern,
        "'facerhythm_admin'@'%'": f"'{user}'@'{came_from(database)}'",
        "'...'": f"'{password}'",
        " REQUIRE SSL": "",  # what TLS does has tests of its own
    }
    for old, new in said.items():
        assert old in block
        block = block.replace(old, new)
    for statement in block.split(";"):
        if statement.strip():
            database.query(SERVER, statement)
    database.accounts[ADMINISTRATOR] = (user, password)


def came_from(database: SharedDatabase) -> str:
    """Host that this machine is to the server; MariaDB's anonymous account would come before '%'."""
    return str(database.query(SERVER, "SELECT USER()")[0][0].rpartition("@")[2])


@pytest.fixture(scope="session")
def empty_database(
    serve: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedDatabase]:
    """A server on which nothing is initialised yet; accounts and schemas are dropped at the end."""
    token = secrets.token_hex(4)
    with serve("mysql") as variables:
        accounts = {SERVER: (variables["DJ_USER"], variables["DJ_PASS"])}
        directories = (tmp_path_factory.mktemp(name) for name in ("raw", "results"))
        database = SharedDatabase(variables, f"frtest_{token}_", *directories, accounts)
        make_administrator(database, token)
        yield database
        drop_everything(database, token)


def drop_everything(database: SharedDatabase, token: str) -> None:
    with closing(database.connect(SERVER)) as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute("SELECT schema_name FROM information_schema.schemata")
        for (schema,) in list(cursor.fetchall()):
            if token in schema:
                cursor.execute(f"DROP DATABASE `{schema}`")
        cursor.execute("SELECT user, host FROM mysql.user")
        for user, host in list(cursor.fetchall()):
            if token in user:  # the guard's account stays: what other processes made runs under it
                cursor.execute(f"DROP USER '{user}'@'{host}'")


@pytest.fixture(scope="session")
def database(empty_database: SharedDatabase) -> SharedDatabase:
    """The initialised database, with an account for each role."""
    token = empty_database.prefix.split("_")[1]
    empty_database.facerhythm_json(ADMINISTRATOR, "admin", "init")
    for role in ROLES:
        user, password = f"fr_{token}_{role}", secrets.token_urlsafe(12)
        run_sql(empty_database, printed_sql(empty_database, role, user), password)
        empty_database.accounts[role] = (user, password)
    return empty_database


def take_out_everything(database: SharedDatabase) -> None:
    """Delete every row and result of the tests so far; subjects, devices and parameter sets stay."""
    database.python(
        "analyst",
        "from element_facerhythm.workflow import POPULATED, Session, dj\n"
        "from element_facerhythm.workflow import keypoint_inference as kpi\n"
        "dj.config.safemode = False\n"
        "Session.delete()\n"
        "kpi.KeypointModel.delete()\n"
        "for table in POPULATED: table.jobs.delete()\n",
    )
    for path in database.results.iterdir():
        shutil.rmtree(path)


@pytest.fixture(scope="module", autouse=True)
def nothing_left_to_the_next_file(empty_database: SharedDatabase) -> Iterator[None]:
    """The files run in any order, several of them on one server."""
    yield
    if "analyst" in empty_database.accounts:
        take_out_everything(empty_database)


@pytest.fixture(scope="session")
def guard(database: SharedDatabase) -> str:
    """What `admin guard` prints, installed by the administrator of the server; gives the event's name."""
    printed = database.facerhythm(ADMINISTRATOR, "admin", "guard").stdout
    statements = database.facerhythm_json(ADMINISTRATOR, "admin", "guard")["statements"]
    assert all(f"{statement}\n//" in printed for statement in statements)
    database.query(
        SERVER, "SET GLOBAL event_scheduler = ON"
    )  # and it stays on: other processes test here, too
    for statement in statements * 2:  # the same again changes nothing
        database.query(SERVER, statement)
    return f"`{database.prefix}fleet`.`end_readers_who_hold_up_others`"


@pytest.fixture(scope="session")
def video(empty_database: SharedDatabase) -> Path:
    """A short video below the root directory, with ROI and parameter files beside it."""
    from element_facerhythm.demo.synthetic import make_scene_video

    path = empty_database.raw / "mouse.mp4"
    make_scene_video(path, n_frames=90, width_px=160, height_px=120, frame_rate_hz=60.0, seed=1)
    (empty_database.raw / "rois.json").write_text(json.dumps(ROIS))
    (empty_database.raw / "params.json").write_text(json.dumps(PARAMETERS))
    return path


@pytest.fixture(scope="session")
def ingest(database: SharedDatabase, video: Path) -> Callable[..., dict[str, Any]]:
    """An analyst registers the video, under a subject and session; gives the task's key."""

    def register(subject: str, session_id: int) -> dict[str, Any]:
        files = (
            video,
            "--rois",
            video.with_name("rois.json"),
            "--params",
            video.with_name("params.json"),
        )
        where = ("--subject", subject, "--session", session_id, "--no-populate")
        return database.facerhythm_json("analyst", "ingest", *files, *where)["key"]

    return register
