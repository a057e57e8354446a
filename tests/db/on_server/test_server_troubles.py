"""A server that is read-only, locked by others, full of the same, or asked in words it does not know."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Command = Callable[..., Any]

FACERHYTHM = [sys.executable, "-m", "element_facerhythm"]
SESSION = 960
ROIS = {"points": [[[40, 40], [120, 40], [120, 90], [40, 90]]]}
ACCOUNT = "troubled"
HOSTS = ("localhost", "%%")  # MariaDB's anonymous account for localhost would come before %
RIGHTS = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES, CREATE VIEW, TRIGGER"
)
SETTINGS = {
    # other tests use the same MySQL meanwhile: what each new session is told to do heeds one account alone
    "mysql": {
        "read-only": "SET SESSION {only} = IF(CURRENT_USER() LIKE '{account}@%', 1, 0)",
        "short waits": "SET SESSION innodb_lock_wait_timeout = IF(CURRENT_USER() LIKE '{account}@%', 1, 50)",
    },
    "postgresql": {
        "read-only": "default_transaction_read_only='on'",
        "short waits": "lock_timeout='1s'",
    },
}


@pytest.fixture
def setting(workflow: ModuleType) -> Callable[[str], Any]:
    """A context in which new sessions of an account have a setting; gives the variables of the account."""
    connection = workflow.dj.conn()
    kind = connection.adapter.backend

    @contextmanager
    def of_mysql(statement: str) -> Iterator[dict[str, str]]:
        version = connection.query("SELECT VERSION()").fetchone()[0]
        only = "tx_read_only" if "MariaDB" in version else "transaction_read_only"
        password = secrets.token_hex(8)
        for host in HOSTS:
            connection.query(f"CREATE USER '{ACCOUNT}'@'{host}' IDENTIFIED BY '{password}'")
            connection.query(f"GRANT {RIGHTS} ON *.* TO '{ACCOUNT}'@'{host}'")
        told = statement.format(only=only, account=ACCOUNT).replace("'", "''").replace("%", "%%")
        connection.query(f"SET GLOBAL init_connect = '{told}'")
        try:
            yield {"DJ_USER": ACCOUNT, "DJ_PASS": password}
        finally:
            connection.query("SET GLOBAL init_connect = ''")
            for host in HOSTS:
                connection.query(f"DROP USER '{ACCOUNT}'@'{host}'")

    @contextmanager
    def of_postgresql(statement: str) -> Iterator[dict[str, str]]:
        connection.query(f"ALTER ROLE CURRENT_USER SET {statement}")
        try:
            yield {}
        finally:
            connection.query(f"ALTER ROLE CURRENT_USER RESET {statement.partition('=')[0]}")

    return lambda name: (of_mysql if kind == "mysql" else of_postgresql)(SETTINGS[kind][name])


def ingest(
    video: Path, session: int, folder: Path, account: dict[str, str], *more: str
) -> subprocess.CompletedProcess[str]:
    rois = folder / "rois.json"
    rois.write_text(json.dumps(ROIS))
    options = ["--rois", rois, "--subject", "mouse1", "--session", session, "--no-populate", *more]
    command = [*FACERHYTHM, "ingest", video, *options]
    return subprocess.run(
        list(map(str, command)), env={**os.environ, **account}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def assert_told(outcome: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert outcome.returncode == code, outcome.stderr
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr and "defect" not in outcome.stderr


def test_a_read_only_server_is_told(
    setting: Callable[[str], Any], workflow: ModuleType, videos: list[Path], tmp_path: Path
) -> None:
    with setting("read-only") as account:
        outcome = ingest(videos[0], SESSION, tmp_path, account, "--json")
    assert_told(outcome, 1, "the database is read-only")
    assert json.loads(outcome.stdout)["error"]["exit_code"] == 1
    assert not workflow.Session & {"session_id": SESSION}


def test_what_another_session_has_locked_is_told(
    setting: Callable[[str], Any],
    workflow: ModuleType,
    processed: dict[str, Any],
    videos: list[Path],
    tmp_path: Path,
) -> None:
    connection = workflow.dj.conn()
    key = {"subject": "mouse1", "session_id": SESSION + 1}
    with setting("short waits") as account:
        connection.start_transaction()
        try:
            workflow.Session.insert1({**key, "session_datetime": "2026-03-01 10:00:00"})
            outcome = ingest(videos[0], SESSION + 1, tmp_path, account)
        finally:
            connection.cancel_transaction()
    assert_told(outcome, 1, "has locked")
    assert not workflow.Session & key


@pytest.mark.parametrize(
    "where",
    ["", " ", "nonsense = 1", "subject = ", "subject = 'a' AND (", "recording_id = 'one'", "%s", "1/0 = 1",
     "length(subject, 1, 2) = 1", "subject IN (SELECT nothing FROM nowhere)", "session_id = 'm%d' AND"],
)  # fmt: skip
def test_a_condition_that_the_server_does_not_understand_is_a_wrong_request(
    facerhythm: Command, processed: dict[str, Any], where: str
) -> None:
    outcome = facerhythm("qc", "--where", where)
    assert "Traceback" not in outcome.err and "defect" not in outcome.err
    if outcome.code not in (0, 3):  # MySQL takes 'one' for 0, and 1/0 for nothing
        assert outcome.code == 2 and "is no condition on recordings" in outcome.err
    else:
        assert where in ("recording_id = 'one'", "1/0 = 1")


def test_a_condition_with_a_percent_sign_is_understood(
    facerhythm: Command, processed: dict[str, Any]
) -> None:
    assert facerhythm("qc", "--where", "subject LIKE 'nobody%'").code == 0
    refused = facerhythm("verify", "--where", "nonsense = 1", "--json")
    assert json.loads(refused.out)["error"]["type"] == "RequestError"
