"""A server that is read-only, locked by others, full of the same, or asked in words it does not know."""

import json
import os
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
SETTINGS = {
    "mysql": {
        "read-only": ("SET GLOBAL {only}=1", "SET GLOBAL {only}=0"),
        "short waits": (
            "SET GLOBAL innodb_lock_wait_timeout=1",
            "SET GLOBAL innodb_lock_wait_timeout=50",
        ),
    },
    "postgresql": {
        "read-only": (
            "ALTER ROLE CURRENT_USER SET default_transaction_read_only=on",
            "ALTER ROLE CURRENT_USER RESET default_transaction_read_only",
        ),
        "short waits": (
            "ALTER ROLE CURRENT_USER SET lock_timeout='1s'",
            "ALTER ROLE CURRENT_USER RESET lock_timeout",
        ),
    },
}


@pytest.fixture
def setting(workflow: ModuleType) -> Callable[[str], Any]:
    """A context in which new sessions of the server have a setting."""
    connection = workflow.dj.conn()
    kind = connection.adapter.backend

    @contextmanager
    def set_for_a_while(name: str) -> Iterator[None]:
        only = "transaction_read_only"
        if kind == "mysql" and "MariaDB" in connection.query("SELECT VERSION()").fetchone()[0]:
            only = "tx_read_only"
        on, off = (statement.format(only=only) for statement in SETTINGS[kind][name])
        connection.query(on)
        try:
            yield
        finally:
            connection.query(off)

    return set_for_a_while


def ingest(video: Path, session: int, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    rois = folder / "rois.json"
    rois.write_text(json.dumps(ROIS))
    options = ["--rois", rois, "--subject", "mouse1", "--session", session, "--no-populate", *more]
    command = [*FACERHYTHM, "ingest", video, *options]
    return subprocess.run(
        list(map(str, command)), env=dict(os.environ), capture_output=True, text=True, check=False
    )


def assert_told(outcome: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert outcome.returncode == code, outcome.stderr
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr and "defect" not in outcome.stderr


def test_a_read_only_server_is_told(
    setting: Callable[[str], Any], workflow: ModuleType, videos: list[Path], tmp_path: Path
) -> None:
    with setting("read-only"):
        outcome = ingest(videos[0], SESSION, tmp_path, "--json")
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
    with setting("short waits"):
        connection.start_transaction()
        try:
            workflow.Session.insert1({**key, "session_datetime": "2026-03-01 10:00:00"})
            outcome = ingest(videos[0], SESSION + 1, tmp_path)
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
