"""An account that may only look holds nobody up for long, by whatever locks it can take.

MySQL lets every reader lock the rows that it reads, so the page for administrators has an event that ends
such a reader once somebody waits for it. Without the event the same test finds everybody blocked.
"""

import hashlib
import json
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pymysql
import pytest

from tests.db.shared.conftest import ADMINISTRATOR, SERVER, WORK, SharedDatabase

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.mysql, pytest.mark.timeout(900)]

Ingest = Callable[..., dict[str, Any]]
LOCK_WAIT_TIMEOUT = 1205
WAYS = {
    "FOR SHARE": (["START TRANSACTION"], "SELECT 1 FROM {} LOCK IN SHARE MODE"),
    "SERIALIZABLE": (
        ["SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION"],
        "SELECT * FROM {}",
    ),
}


class Reader(threading.Thread):
    """A viewer that locks all that it can read, and does so again whenever it was ended."""

    def __init__(self, database: SharedDatabase, way: str) -> None:
        super().__init__(daemon=True)
        self.database, self.way = database, way
        self.over, self.holds, self.ended = threading.Event(), threading.Event(), threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                with closing(self.database.connect("viewer")) as connection:
                    self._hold(connection)
            except pymysql.err.MySQLError:
                self.ended.set()

    def _hold(self, connection: Any) -> None:
        first, read = WAYS[self.way]
        with connection.cursor() as cursor:
            for statement in first:
                cursor.execute(statement)
            for place in readable(self.database):
                cursor.execute(read.format(place))
            self.holds.set()
            while not self.over.wait(0.1):
                cursor.execute("DO 1")

    def __enter__(self) -> "Reader":
        self.start()
        assert self.holds.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def readable(database: SharedDatabase) -> list[str]:
    """Every table that the viewer may read."""
    if not hasattr(readable, "found"):
        rows = database.query(
            "viewer", "SELECT table_schema, table_name FROM information_schema.tables"
        )
        ours = [row for row in rows if row[0].startswith(database.prefix)]
        readable.found = [f"`{schema}`.`{table}`" for schema, table in ours]
    return readable.found


def beat(database: SharedDatabase) -> None:
    """Write as a worker does."""
    with closing(database.connect("worker")) as connection, connection.cursor() as cursor:
        cursor.execute("SET innodb_lock_wait_timeout = 10")
        cursor.execute(
            f"INSERT INTO `{database.prefix}fleet`.`worker` (worker_id, host, pid, worker_device, "
            "worker_package_version, lease_s, worker_started_time, heartbeat_time, state) "
            "VALUES (UUID_SHORT(), 'h', 1, 'cpu', '0', 60, NOW(3), NOW(3), 'stopped')"
        )


@pytest.mark.parametrize("way", WAYS)
def test_a_viewer_stops_no_worker(
    way: str, database: SharedDatabase, ingest: Ingest, guard: str
) -> None:
    session_id = 1 + list(WAYS).index(way)
    ingest("held", session_id)
    attempts = (
        f"SELECT COUNT(*) FROM `{database.prefix}fleet`.`job_attempt` WHERE outcome <> 'done'"
    )
    before = database.query("viewer", attempts)  # what other tests have left
    with Reader(database, way) as reader:
        worked = database.facerhythm("worker", *WORK, "--json")
        ended = reader.ended.is_set()
    assert worked.returncode == 0, worked.stderr
    assert json.loads(worked.stdout)["n_failed"] == 0
    assert ended  # it had held somebody up
    fbe = f"`{database.prefix}facial_behavior_estimation`"
    count = f"SELECT COUNT(*) FROM {fbe}.`_facial_rhythm` WHERE session_id = {session_id}"
    assert database.query("viewer", f"{count} AND subject = 'held'") == [(1,)]
    assert database.query("viewer", attempts) == before


@pytest.mark.parametrize("way", WAYS)
def test_it_is_the_event_that_ends_readers(way: str, database: SharedDatabase, guard: str) -> None:
    """The writer of this test waits in vain without it."""
    database.query(SERVER, f"ALTER EVENT {guard} DISABLE")
    with Reader(database, way) as reader:
        with pytest.raises(pymysql.err.OperationalError) as blocked:
            beat(database)
        assert blocked.value.args[0] == LOCK_WAIT_TIMEOUT
        assert not reader.ended.is_set()
        database.query(SERVER, f"ALTER EVENT {guard} ENABLE")
        beat(database)
        assert reader.ended.wait(10)


def test_a_connection_that_has_written_is_not_ended(
    database: SharedDatabase, ingest: Ingest, guard: str
) -> None:
    """An analyst who is asked whether to delete holds locks, and may take the time to think."""
    ingest("thinking", 1)
    table = f"`{database.prefix}subject`.`subject`"
    with closing(database.connect("analyst")) as analyst, analyst.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute(f"UPDATE {table} SET subject_description = 'x' WHERE subject = 'thinking'")
        with closing(database.connect("analyst")) as other, other.cursor() as waiting:
            waiting.execute("SET innodb_lock_wait_timeout = 6")
            with pytest.raises(pymysql.err.OperationalError) as blocked:
                waiting.execute(f"UPDATE {table} SET subject_description = 'y'")
            assert blocked.value.args[0] == LOCK_WAIT_TIMEOUT
        cursor.execute("COMMIT")


def test_locks_by_name_are_of_no_use(database: SharedDatabase) -> None:
    """Any account can take any of them; tables are created all the same."""
    names = [
        f"{database.prefix}{schema}"
        for schema in ("facial_behavior_estimation", "keypoint_inference")
    ]
    database.query(
        ADMINISTRATOR, f"DROP TABLE `{database.prefix}keypoint_inference`.`__keypoint_rhythm__pair`"
    )
    with closing(database.connect("viewer")) as viewer, viewer.cursor() as cursor:
        for name in names:
            digest = hashlib.sha256(name.encode()).hexdigest()[:32]
            cursor.execute(f"SELECT GET_LOCK('facerhythm.declare.{digest}', 0)")
            assert cursor.fetchone() == (1,)
        new = database.facerhythm_json(ADMINISTRATOR, "admin", "init")["new"]
    assert new[names[1]] == ["__keypoint_rhythm__pair"]
    with pytest.raises(pymysql.err.OperationalError, match="denied"):
        database.query("viewer", f"SELECT * FROM `{names[1]}`.`~table_creation`")


def test_a_viewer_cannot_take_all_connections(database: SharedDatabase) -> None:
    taken: list[Any] = []
    try:
        with pytest.raises(pymysql.err.OperationalError) as refused:
            for _ in range(30):
                taken.append(database.connect("viewer"))
        assert refused.value.args[0] == 1226
        assert len(taken) == 20
    finally:
        for connection in taken:
            connection.close()
