"""Each role can do its work and nothing else, on a server that enforces the SQL that was printed."""

import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pymysql
import pytest

from benchmarks.sql_page import page_queries
from tests.db.shared.conftest import (
    ADMINISTRATOR,
    ROLES,
    SERVER,
    WORK,
    SharedDatabase,
    came_from,
    printed_sql,
)

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.mysql, pytest.mark.timeout(600)]

Ingest = Callable[..., dict[str, Any]]

N_LOCK_TABLES = 6
"""One in each schema, for processes that create tables; in no count of `admin init`."""
DENIED = {1044, 1045, 1095, 1135, 1142, 1143, 1227, 1370, 1419, 4162}
"""Error numbers of MySQL and MariaDB that say: not with these rights."""
READ = {"SELECT"}
ALL = {"SELECT", "INSERT", "UPDATE", "UPDATE of the key", "DELETE"}
POLICY: list[tuple[str, dict[str, set[str]]]] = [
    (r".*\.~~.*", {"analyst": ALL, "worker": ALL}),
    (r".*\.~(lineage|schema_version)", {}),
    (r".*\.~table_creation", {role: set() for role in ROLES}),
    (r".*\.#(body_part|rhythm_bout_param_set)", {"analyst": {"SELECT", "INSERT"}}),
    (r".*_fleet\.job_attempt", {"analyst": {"SELECT", "INSERT"}, "worker": ALL}),
    (r".*_fleet\..*", {"worker": ALL}),
    (
        r".*\._recording_info(__file|__gap)?",
        {"analyst": {"SELECT", "INSERT", "DELETE"}, "worker": {"SELECT", "INSERT"}},
    ),
    (r".*\._.*", {"analyst": {"SELECT", "DELETE"}, "worker": {"SELECT", "INSERT"}}),
    (r".*_(estimation|inference)\..*", {"analyst": ALL - {"UPDATE", "UPDATE of the key"}}),
    (r".*(lab|subject|session)\..*", {"analyst": ALL - {"UPDATE of the key"}}),
]  # fmt: skip
"""What is meant, by names of tables: the first pattern that fits counts, a role without a set only reads."""


def tables(database: SharedDatabase) -> list[tuple[str, str]]:
    return [
        (schema, table)
        for schema, table in database.query(
            ADMINISTRATOR, "SELECT table_schema, table_name FROM information_schema.tables"
        )
        if schema.startswith(database.prefix) and not schema.endswith("other")
    ]


def is_denied(cursor: Any, statement: str) -> bool:
    """Run a statement that changes nothing where it is allowed."""
    try:
        cursor.execute(statement)
    except pymysql.err.MySQLError as error:
        assert error.args[0] in DENIED, f"{statement}: {error}"
        return True
    return False


def probes(cursor: Any, place: str) -> dict[str, str]:
    """Statements that ask for a right on a table and touch no row; columns as the administrator sees them."""
    cursor.execute(f"SHOW COLUMNS FROM {place}")
    columns = [(row[0], row[3] == "PRI") for row in cursor.fetchall()]
    listed = ", ".join(f"`{name}`" for name, _ in columns)
    key = next(name for name, is_key in columns if is_key)
    value = next((name for name, is_key in columns if not is_key), None)
    return {
        "SELECT": f"SELECT {listed} FROM {place} WHERE 1 = 0",
        "INSERT": f"INSERT INTO {place} ({listed}) SELECT {listed} FROM {place} WHERE 1 = 0",
        "UPDATE of the key": f"UPDATE {place} SET `{key}` = `{key}` WHERE 1 = 0",
        "DELETE": f"DELETE FROM {place} WHERE 1 = 0",
    } | ({"UPDATE": f"UPDATE {place} SET `{value}` = `{value}` WHERE 1 = 0"} if value else {})


def test_rights_on_every_table_are_those_that_are_meant(database: SharedDatabase) -> None:
    found = tables(database)
    assert len(found) == 124 + N_LOCK_TABLES
    with closing(database.connect()) as administrator, administrator.cursor() as columns:
        asked = {name: probes(columns, f"`{name[0]}`.`{name[1]}`") for name in found}
    for role in ROLES:
        with closing(database.connect(role)) as connection, connection.cursor() as cursor:
            for name, statements in asked.items():
                full = ".".join(name)
                meant = next(sets for pattern, sets in POLICY if re.fullmatch(pattern, full))
                may = {what for what, sql in statements.items() if not is_denied(cursor, sql)}
                assert may == meant.get(role, READ) & set(statements), f"{role} on {full}"


def test_no_role_changes_a_table_itself(database: SharedDatabase) -> None:
    statements = (
        "DROP TABLE {}", "TRUNCATE TABLE {}", "ALTER TABLE {} ADD COLUMN more int",
        "CREATE INDEX more ON {} (more)", "RENAME TABLE {} TO gone.gone",
        "CREATE TRIGGER {}_t BEFORE INSERT ON {} FOR EACH ROW SET @x = 1", "LOCK TABLES {} WRITE",
        "LOCK TABLES {} READ", "FLUSH TABLES {} WITH READ LOCK",
    )  # fmt: skip
    for role in ROLES:
        with closing(database.connect(role)) as connection, connection.cursor() as cursor:
            for schema, table in tables(database):
                place = f"`{schema}`.`{table}`"
                for statement in statements:
                    sql = statement.replace("{}_t", f"`{schema}`.`more`").format(place)
                    assert is_denied(cursor, sql), f"{role}: {sql}"
    assert len(tables(database)) == 124 + N_LOCK_TABLES


def test_no_role_goes_beyond_our_schemas(database: SharedDatabase) -> None:
    lookalike = database.prefix[:-1] + "x"  # `_` is a wildcard in grants on whole schemas
    other = [f"{database.prefix}other", f"{lookalike}subject"]
    for schema in other:
        database.query(SERVER, f"CREATE DATABASE `{schema}`")
        database.query(SERVER, f"CREATE TABLE `{schema}`.`secret` (number int)")
    statements = [
        *(f"SELECT * FROM `{schema}`.`secret`" for schema in other),
        f"INSERT INTO `{other[0]}`.`secret` VALUES (1)",
        *(f"CREATE TABLE `{database.prefix}{name}`.`mine` (number int)" for name in ("lab", "other")),
        f"CREATE VIEW `{database.prefix}lab`.`mine` AS SELECT 1",
        f"CREATE PROCEDURE `{database.prefix}lab`.`mine`() SELECT 1",
        f"DROP DATABASE `{database.prefix}keypoint_inference`",
        f"CREATE DATABASE `{database.prefix}mine`",
        "SELECT * FROM mysql.user",
        "CREATE USER 'frtest_more'@'%' IDENTIFIED BY 'x'",
        "SET GLOBAL max_connections = 1",
        "SELECT 1 INTO OUTFILE '/tmp/facerhythm-mine'",
        "SELECT LOAD_FILE('/etc/passwd') FROM mysql.user",
        "SHUTDOWN",
        "FLUSH TABLES",
        f"GRANT SELECT ON `{database.prefix}lab`.`#lab` TO {{}}",
    ]  # fmt: skip
    for role in ROLES:
        with closing(database.connect(role)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER()")
            me = "'{}'@'{}'".format(*cursor.fetchone()[0].rsplit("@", 1))
            for statement in statements:
                sql = statement.format(me) if statement.startswith("GRANT") else statement
                assert is_denied(cursor, sql), f"{role}: {sql}"
            cursor.execute("SELECT schema_name FROM information_schema.schemata")
            seen = {name for (name,) in cursor.fetchall()} - {
                "information_schema",
                "performance_schema",
            }
            assert not seen - {schema for schema, _ in tables(database)}


def test_each_role_does_its_work(
    database: SharedDatabase, ingest: Ingest, video: Path, tmp_path: Path
) -> None:
    from element_facerhythm.keypoints.formats import write_predictions
    from element_facerhythm.keypoints.predictions import Predictions
    from tests.unit.keypoints.training import PARTS, new_network, save_weights

    def n_done() -> dict[str, int]:  # of this test's subject alone: others leave recordings, too
        shown = database.python(
            "viewer",
            "import json\n"
            "from element_facerhythm.workflow import facial_behavior_estimation as fbe\n"
            "from element_facerhythm.workflow import keypoint_inference as kpi\n"
            "tables = (*fbe.POPULATED, *kpi.POPULATED)\n"
            "print(json.dumps({t.__name__: len(t() & {'subject': 'mouse5'}) for t in tables}))",
        )
        return json.loads(shown.splitlines()[-1])

    # an analyst enters a recording to be analysed, one that was, predictions, and a network
    key = ingest("mouse5", 1)
    outside = tmp_path / "elsewhere.mp4"
    outside.write_bytes(video.read_bytes())
    files = (
        outside,
        "--rois",
        video.with_name("rois.json"),
        "--params",
        video.with_name("params.json"),
    )
    project = database.raw / "project"
    done = database.facerhythm("analyst", "run", *files, "--no-figures", "-o", project)
    assert done.returncode == 0, done.stderr
    where = ("--subject", "mouse5", "--session", 2, "--no-populate")
    loaded = database.facerhythm_json("analyst", "ingest", "--project", project, *where)
    assert loaded["new_rows"]["RecordingInfo"] == 1
    rng = np.random.default_rng(0)
    planted = Predictions(
        rng.uniform(0, 100, (90, 1, 2, 2)), rng.random((90, 1, 2)), ("ear", "paw")
    )
    (path,) = write_predictions(planted, database.raw / "predicted.csv", "lightningpose")
    predicted = ("import", "keypoints", path, "--from", "LightningPose", "--subject", "mouse5")
    imported = database.facerhythm_json(
        "analyst", *predicted, "--session", 1, "--add-body-parts", "--no-populate"
    )
    weights = save_weights(new_network().eval(), database.raw / "small.pt")
    recording = {name: key[name] for name in ("subject", "session_id", "recording_id")}
    database.python(
        "analyst",
        "from element_facerhythm.workflow import keypoint_inference as kpi\n"
        f"model = kpi.KeypointModel.insert_new_model(None, 'small', '', {str(weights)!r}, "
        f"body_parts={tuple(PARTS)!r}, add_body_parts=True)\n"
        f"kpi.KeypointInferenceTask.generate({recording!r}, model)\n"
        "from element_facerhythm.workflow import Subject\n"
        "Subject.update1({'subject': 'mouse5', 'sex': 'F'})\n",
    )

    # neither an analyst nor a viewer computes, and both learn so before anything was done
    for role, says in (("analyst", "may not populate"), ("viewer", "may not populate")):
        refused = database.facerhythm(
            role, "ingest", *files[1:], video, "--subject", "mouse6", "--session", 1
        )
        assert (refused.returncode, says in refused.stderr) == (2, True), refused.stderr
    refused = database.facerhythm(
        "viewer", "ingest", video, *files[1:], *where[:2], "--session", 9, where[-1]
    )
    assert refused.returncode == 2
    assert "has no right" in refused.stderr

    # a worker computes everything
    worked = database.facerhythm("worker", *WORK, "--json")
    assert worked.returncode == 0, worked.stderr
    assert json.loads(worked.stdout)["n_failed"] == 0

    # an analyst decides about it, and nobody else
    decided = ("curate", "set", "--subject", "mouse5", "--session", 1, "--component", 0)
    decided = (*decided, "--verdict", "keep", "--name", "whisking")
    assert database.facerhythm_json("analyst", *decided, "--curator", "anna")["revision"] == 1
    for role in ("viewer", "worker"):
        refused = database.facerhythm(role, *decided, "--note", "mine")
        assert (refused.returncode, "has no right" in refused.stderr) == (2, True), refused.stderr
    looked = ("curate", "show", "--subject", "mouse5", "--session", 1)
    told = database.facerhythm_json("viewer", *looked)
    assert [c["name"] for c in told["components"]] == ["whisking", "", ""]
    assert told["history"][0]["curator"] == "anna" and len(told["history"]) == 1

    # a viewer sees it; the recording whose project was taken over has no files to read facts from
    assert n_done() == {
        "RecordingInfo": 2, "FaceRhythmProcessing": 2, "FacialRhythm": 2, "FacialRhythmReport": 2,
        "FacialSignal": 0, "SignalRhythm": 0, "ComponentRhythm": 2, "RhythmBout": 2,
        "KeypointInference": 2, "KeypointRhythm": 2, "Keypoint3D": 0,
    }  # fmt: skip
    answer_every_question(database)
    shown = database.python(
        "viewer",
        "from element_facerhythm.workflow import facial_behavior_estimation as fbe\n"
        "import numpy as np\n"
        f"row = (fbe.FacialRhythm.Video & {key!r}).fetch1()\n"
        "print(np.asarray(row['points']).shape)",
    )
    assert shown.startswith("(90, ")

    # an analyst takes it all back
    deleted = database.python(
        "analyst",
        "from element_facerhythm.workflow import Session, dj\n"
        "dj.config.safemode = False\n"
        "(Session & {'subject': 'mouse5', 'session_id': 1}).delete()\n"
        "print(len(Session & {'subject': 'mouse5'}))",
    )
    assert deleted.split()[-1] == "1"
    assert imported["key"]["session_id"] == 1
    assert n_done()["FacialRhythm"] == 1


def answer_every_question(database: SharedDatabase) -> None:
    """Run every query of the page of queries as the viewer."""
    own = [sql for _, sql in page_queries("mysql")]
    assert len(own) >= 18
    for query in own:
        database.query("viewer", query.replace("facerhythm_", database.prefix).replace("%", "%%"))


def test_an_analyst_manages_jobs(database: SharedDatabase, ingest: Ingest, video: Path) -> None:
    key = ingest("mouse2", 1)
    moved = video.rename(video.with_suffix(".away"))
    try:
        failed = database.facerhythm("worker", *WORK)
    finally:
        moved.rename(video)
    assert failed.returncode == 1, failed.stderr
    script = (
        "from element_facerhythm.workflow import facial_behavior_estimation as fbe\n"
        f"mine = {{n: v for n, v in {key!r}.items() if n in fbe.VideoRecording.primary_key}}\n"
        "jobs = fbe.RecordingInfo.jobs\n"
    )
    ignored = "jobs.ignore(mine)\nprint(len(jobs.ignored))"
    assert database.python("analyst", script + ignored).split()[-1] == "1"
    retry = "(jobs & mine).delete_quick()\njobs.refresh()\njobs.update1({**mine, 'priority': 1})"
    database.python("analyst", script + retry)
    worked = database.facerhythm("worker", *WORK)
    assert worked.returncode == 0, worked.stderr


def test_activation_without_rights_says_who_can_help(
    empty_database: SharedDatabase, database: SharedDatabase
) -> None:
    from dataclasses import replace

    elsewhere = replace(database, prefix=f"{database.prefix[:-1]}b_")
    refused = elsewhere.facerhythm("viewer", "status")
    assert refused.returncode == 2
    assert "facerhythm admin init" in refused.stderr
    refused = elsewhere.facerhythm("analyst", "admin", "init")
    assert refused.returncode == 2
    assert "facerhythm admin init" in refused.stderr
    # a table that was added since, as after an upgrade
    database.query(
        ADMINISTRATOR, f"DROP TABLE `{database.prefix}keypoint_inference`.`__keypoint_rhythm__pair`"
    )
    refused = database.facerhythm("worker", *WORK)
    assert refused.returncode == 2
    assert "facerhythm admin init" in refused.stderr
    created = database.facerhythm_json(ADMINISTRATOR, "admin", "init")["new"]
    assert {name: new for name, new in created.items() if new} == {
        f"{database.prefix}keypoint_inference": ["__keypoint_rhythm__pair"]
    }
    again = database.facerhythm_json(ADMINISTRATOR, "admin", "init")
    assert not any(again["new"].values())
    assert sum(map(len, again["tables"].values())) == 124
    for role in ROLES:
        lines = printed_sql(database, role, database.accounts[role][0], "--existing")
        for line in lines:
            database.query(ADMINISTRATOR, line)
    assert database.facerhythm("worker", *WORK).returncode == 0


def test_the_administrator_of_the_schemas_is_none_of_the_server(database: SharedDatabase) -> None:
    """It has no right over accounts, and cannot give itself or others more than the page gave it."""
    viewer, own = (database.accounts[role][0] for role in ("viewer", ADMINISTRATOR))
    host = came_from(database)
    outside = f"{database.prefix[:-1]}x"
    database.query(SERVER, f"CREATE DATABASE IF NOT EXISTS `{outside}`")
    database.query(SERVER, f"CREATE TABLE IF NOT EXISTS `{outside}`.`secret` (number int)")
    lab = f"{database.prefix}lab"
    statements = [
        f"ALTER USER '{viewer}'@'{host}' IDENTIFIED BY 'taken'",
        f"SET PASSWORD FOR '{viewer}'@'{host}' = {{}}",
        f"DROP USER '{viewer}'@'{host}'",
        f"RENAME USER '{viewer}'@'{host}' TO 'mine'@'{host}'",
        "CREATE USER 'frtest_more'@'%' IDENTIFIED BY 'x'",
        f"GRANT SELECT ON `{outside}`.* TO '{own}'@'{host}'",
        f"GRANT SELECT ON `{outside}`.`secret` TO '{own}'@'{host}'",
        f"GRANT SELECT ON `{database.prefix}%`.* TO '{own}'@'{host}'",  # here each `_` is any sign
        f"GRANT SELECT ON *.* TO '{own}'@'{host}'",
        f"GRANT TRIGGER ON `{lab}`.* TO '{viewer}'@'{host}'",
        f"SELECT * FROM `{outside}`.`secret`",
        "SELECT * FROM mysql.user",
        f"CREATE TRIGGER `{lab}`.`t` BEFORE INSERT ON `{lab}`.`#lab` FOR EACH ROW SET @x = 1",
        f"CREATE DEFINER = 'root'@'localhost' VIEW `{lab}`.`v` AS SELECT 1",
        f"CREATE VIEW `{lab}`.`v` AS SELECT 1",
        f"CREATE PROCEDURE `{lab}`.`p`() SELECT 1",
        f"CREATE EVENT `{lab}`.`e` ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        "SET GLOBAL max_connections = 1",
    ]  # fmt: skip
    with (
        closing(database.connect(SERVER)) as other,
        closing(database.connect()) as connection,
        connection.cursor() as cursor,
    ):
        statements.append(f"KILL {other.thread_id()}")
        cursor.execute("SELECT VERSION()")
        word = "PASSWORD('x')" if "MariaDB" in cursor.fetchone()[0] else "'taken'"
        for statement in statements:
            assert is_denied(cursor, statement.format(word)), statement
    assert database.query("viewer", "SELECT 1") == [(1,)]


A_FURTHER_SCHEMA = """
from element_facerhythm.workflow import dj, facial_behavior_estimation as fbe
from element_facerhythm.admin import Account, rights_of
from element_facerhythm.admin.statements import grant_statement
schema = dj.Schema()

@schema
class Beat(dj.Manual):
    definition = "beat_id : int32"

    class Part(dj.Part):
        definition = "-> master"

schema.activate("{schema}")
for role in ("viewer", "analyst", "worker"):
    for right in rights_of(role, [schema], [schema]):
        print(grant_statement(right, Account("anna")))
Beat.drop(prompt=False)
"""


def test_tables_of_a_further_schema_get_rights_without_being_named(
    database: SharedDatabase,
) -> None:
    schema = f"{database.prefix}fleet"
    printed = database.python(ADMINISTRATOR, A_FURTHER_SCHEMA.format(schema=schema)).splitlines()
    tables = ("beat", "beat__part")
    everything = "SELECT, INSERT, UPDATE, DELETE"
    assert printed[-9:] == [
        f"GRANT {rights} ON `{schema}`.`{table}` TO 'anna'@'%';"
        for role_rights in ("SELECT", "SELECT", everything)
        for rights, table in (*((role_rights, name) for name in tables), ("SELECT", "~lineage"))
    ]


def test_no_account_gets_a_password_that_everybody_knows(database: SharedDatabase) -> None:
    first = printed_sql(database, "viewer", "frtest_nobody", "--require-tls")[0]
    assert first.startswith("CREATE USER IF NOT EXISTS 'frtest_nobody'@'")
    assert first.endswith("IDENTIFIED BY <PASSWORD> REQUIRE SSL WITH MAX_USER_CONNECTIONS 20;")
    with pytest.raises(pymysql.err.ProgrammingError) as refused:
        database.query(SERVER, first)
    assert refused.value.args[0] == 1064
    there = database.query(
        SERVER, "SELECT COUNT(*) FROM mysql.user WHERE user LIKE 'frtest_nobody'"
    )
    assert there == [(0,)]
