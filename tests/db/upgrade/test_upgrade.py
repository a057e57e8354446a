"""A database of version 1 is brought to today's tables: nothing is lost, and it is as if new."""

import json
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import pytest

from element_facerhythm.admin.upgrade.version_2 import RENAMED
from element_facerhythm.database.schema_version import SCHEMA_VERSION, VERSION_TABLE
from tests.db.upgrade.conftest import (
    OTHERS,
    OWN,
    Database,
    Upgraded,
    one_sentence,
    rows_by_title,
)

LONGEST_STEP = "36"
"""Statements of the longest step, which PostgreSQL does at once, and a few."""
pytestmark = pytest.mark.timeout(700)  # many processes, each of which imports everything
KILLED_AGAIN_AND_AGAIN = """
import os, signal, sys
from datajoint.connection import Connection
from element_facerhythm import facial_behavior_estimation, fleet, keypoint_inference
from element_facerhythm.cli import main

most_deaths, statements_to_live = map(int, sys.argv[1:])
query, done = Connection.query, 0

def counted(self, text, *args, **kwargs):
    global done
    changes = text.startswith(("ALTER", "UPDATE", "CREATE", "COMMENT", "DELETE", "INSERT"))
    if changes and "~schema" not in text and "~table" not in text:
        done += 1
        if done > statements_to_live:
            os.kill(os.getpid(), signal.SIGKILL)
    return query(self, text, *args, **kwargs)

for n_deaths in range(most_deaths):
    if (child := os.fork()) == 0:
        Connection.query = counted
        sys.argv = ["facerhythm", "admin", "upgrade", "--apply"]
        main()
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        sys.exit(f"it ended with {status} after {n_deaths} deaths" if status else None)
sys.exit("still not there")
"""
"""Upgrades, each killed before one of its statements, until one comes to an end."""
NEW_COLUMN = """
import sys
from element_facerhythm.database import schema_version
from element_facerhythm.facial_behavior_estimation import FacialRhythm
from element_facerhythm.cli import main

schema_version.SCHEMA_VERSION = 3
for module in ("planning", "applying"):
    __import__(f"element_facerhythm.admin.upgrade.{module}")
    sys.modules[f"element_facerhythm.admin.upgrade.{module}"].SCHEMA_VERSION = 3
FacialRhythm.Video.definition = FacialRhythm.Video.definition.replace(
    "window_centres ", "mood=null : varchar(16) # how the mouse felt\\n        window_centres "
)
sys.argv = ["facerhythm", *sys.argv[1:]]
main()
"""


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: repr(sorted(row.items())))


def parsed(value: Any) -> Any:
    """A JSON column, which drivers give as text or parsed."""
    return json.loads(value) if isinstance(value, str) else value


def is_part_of(small: Any, large: Any) -> bool:
    if isinstance(small, dict):
        return all(name in large and is_part_of(small[name], large[name]) for name in small)
    return bool(small == large)


def test_a_plan_says_everything_and_changes_nothing(old: Database) -> None:
    before = old.everything()
    shown = old.run("admin", "upgrade", "--plan", "--json")
    assert shown.returncode == 0, shown.stderr
    plan = json.loads(shown.stdout)
    assert plan["found"] == dict.fromkeys(OWN, 1)
    assert plan["schema_version"] == SCHEMA_VERSION
    assert old.everything() == before
    told = {(step["kind"], step["table"].split(".")[1].strip('`"')): step for step in plan["steps"]}
    assert told["create", "_recording_info__gap"]["statements"][0].startswith("CREATE TABLE")
    assert "source is called facts_source" in told["rename", "_recording_info"]["text"]
    assert told["add", "_recording_info"]["rows"] == 3
    assert "jitter_s (NULL)" in told["add", "_recording_info"]["text"]
    assert all(step["statements"] or step["kind"] == "fill" for step in plan["steps"])
    assert plan["kept"] == []
    text = old.run("admin", "upgrade", "--plan").stdout
    for step in plan["steps"]:
        assert step["text"] in text
        assert all(statement in text for statement in step["statements"])


def test_no_row_and_no_value_is_lost(upgraded: Upgraded) -> None:
    assert sum(map(len, upgraded.before.values())) > 250
    for title, rows in upgraded.before.items():
        new_names = {name: new for new, name in RENAMED.get(title, {}).items()}
        expected = [{new_names.get(name, name): row[name] for name in row} for row in rows]
        names = expected[0] if expected else {}
        found = [{name: row[name] for name in names} for row in upgraded.after[title]]
        if title == "FaceRhythmParamSet":
            pairs = (sorted(sets, key=itemgetter("paramset_id")) for sets in (expected, found))
            for one, other in zip(*pairs, strict=True):
                tree = parsed(other.pop("parameters"))
                assert "Quality" in tree
                assert is_part_of(parsed(one.pop("parameters")), tree)
                assert one.pop("parameter_sha256") != other.pop("parameter_sha256")
                assert one == other
        else:
            assert in_order(found) == in_order(expected), title
    assert len(upgraded.others_before) > 30
    assert upgraded.others_after == upgraded.others_before
    for schema in OWN:
        (version,) = upgraded.database.rows(schema, VERSION_TABLE)
        assert (version["module"], version["schema_version"]) == (schema, SCHEMA_VERSION)
        assert version["applied_time"] is not None and version["applied_by"]


def test_rows_of_before_say_what_is_known_of_them(upgraded: Upgraded) -> None:
    rows = upgraded.after
    for row in rows["RecordingInfo"]:
        assert (row["frame_rate_source"], row["header_frame_rate_hz"]) == ("header", 60)
        unknown = ("jitter_s", "rate_changes", "n_dropped_frames", "n_gaps")
        assert [row[name] for name in unknown] == [None] * 4
    assert {row["file_frame_rate_hz"] for row in rows["RecordingInfo.File"]} == {60}
    places = {
        r["individual"]: r["individual_index"] for r in rows["KeypointInference.BodyPartPosition"]
    }
    assert places == {"individual_0": 0, "zoe": 0, "adam": 1}
    modes = {
        (row["subject"], row["session_id"]): row["task_mode"] for row in rows["FaceRhythmTask"]
    }
    sets = {row["paramset_id"]: row for row in rows["FaceRhythmParamSet"]}
    for row in rows["FaceRhythmProcessing"]:
        of_set = sets[row["paramset_id"]]
        ran = modes[row["subject"], row["session_id"]] == "trigger"
        expected = (
            (parsed(of_set["parameters"]), of_set["parameter_sha256"]) if ran else (None, None)
        )
        assert (parsed(row["run_parameters"]), row["run_parameter_sha256"]) == expected
        assert parsed(row["parameters_fitted"]) == []
        assert row["entered_schema_version"] == 1
    for row in rows["FacialRhythm.Decomposition"]:
        assert row["model_explained_variance"] == pytest.approx(1 - row["relative_error"] ** 2)
        assert row["model_explained_variance"] != pytest.approx(row["r_squared"], rel=1e-3)
    assert {row["explained_variance"] for row in rows["FacialRhythm.Component"]} == {None}


def test_an_upgraded_database_is_as_a_new_one(
    upgraded: Upgraded, databases: Callable[[], Database]
) -> None:
    new, found = databases(), upgraded.database
    created = new.run("admin", "init")
    assert created.returncode == 0, created.stderr
    for schema in OWN:
        for mine, its in zip(found.layout(schema), new.layout(schema), strict=True):
            assert mine == its
        (version,), (expected,) = found.rows(schema, VERSION_TABLE), new.rows(schema, VERSION_TABLE)
        assert {**version, "applied_time": expected["applied_time"]} == expected
    assert found.run("admin", "upgrade", "--plan").stdout.endswith("-- nothing to do\n")
    before = found.everything()
    again = found.run("admin", "upgrade", "--apply")
    assert again.returncode == 0 and again.stdout.endswith("-- nothing to do\n")
    assert found.everything() == before


def test_the_work_goes_on(upgraded: Upgraded) -> None:
    database = upgraded.database
    worked = database.run("worker", "--exit-when-idle")
    assert worked.returncode == 0, worked.stderr
    status = json.loads(database.run("status", "--json").stdout)
    counts = {name: counted["done"] for name, counted in status["tables"].items()}
    assert counts == {
        "RecordingInfo": 4, "FaceRhythmProcessing": 4, "FacialRhythm": 4, "FacialRhythmReport": 0,
        "FacialSignal": 0, "SignalRhythm": 0, "ComponentRhythm": 4, "RhythmBout": 4,
        "KeypointInference": 3, "KeypointRhythm": 3,
    }  # fmt: skip
    verified = database.run("verify", "--json")
    assert verified.returncode == 0, verified.stdout
    told = "\n".join(json.loads(verified.stdout)["notes"])
    assert told.count("explained_variance is not known of rows of an earlier version") == 3
    assert told.count("results of version 1 were not judged") == 3
    script = """
from element_facerhythm.workflow import facial_behavior_estimation as fbe, keypoint_inference as kpi
video = fbe.FacialRhythm.Video & {'subject': 'mouse1', 'session_id': 1, 'video_index': 1}
row = video.fetch1()
assert row['points'][:].shape == (45, 4, 2)
assert abs(row['window_times_s'] - row['window_centres'] / 60).max() < 1e-6
both = kpi.KeypointInference & {'subject': 'mouse2'}
track = kpi.KeypointInference.get_trajectory(both.fetch1('KEY'))
assert list(dict.fromkeys(track.columns.get_level_values('individuals'))) == ['zoe', 'adam'], track.columns
pairs = kpi.KeypointRhythm.Pair * fbe.FacialRhythm.Component
assert len(pairs) == len(kpi.KeypointRhythm.Pair())
run = (fbe.FaceRhythmProcessing & {'subject': 'mouse1'}).fetch1('KEY')
assert fbe.FaceRhythmTask.insert_repetition(run)['paramset_id'] == run['paramset_id']
"""
    queried = database.python("-c", script)
    assert queried.returncode == 0, queried.stderr


def test_an_upgrade_that_was_killed_goes_on_where_it_was(
    old: Database, databases: Callable[[], Database]
) -> None:
    before = {title: len(rows) for title, rows in rows_by_title(old).items()}
    killed = old.python("-c", KILLED_AGAIN_AND_AGAIN, "2", LONGEST_STEP)
    assert "still not there" in killed.stderr
    said = one_sentence(old.run("status"))
    assert "was begun and did not end" in said and "admin upgrade --apply" in said
    ended = old.python("-c", KILLED_AGAIN_AND_AGAIN, "40", LONGEST_STEP)
    assert ended.returncode == 0, ended.stderr
    after = {title: len(rows) for title, rows in rows_by_title(old).items()}
    assert {title: after[title] for title in before} == before
    new = databases()
    assert new.run("admin", "init").returncode == 0
    assert [old.layout(schema) for schema in OWN] == [new.layout(schema) for schema in OWN]
    assert old.run("status").returncode == 0


def test_an_older_schema_is_told_in_one_sentence_and_left_alone(old: Database) -> None:
    before = old.everything()
    for command in (("status",), ("worker", "--exit-when-idle"), ("admin", "init")):
        said = one_sentence(old.run(*command))
        assert "of version 1" in said and "works on version 2" in said
        assert "an administrator runs `facerhythm admin upgrade --plan`" in said
    assert old.everything() == before


def test_a_newer_schema_is_told_in_one_sentence(upgraded: Upgraded) -> None:
    database = upgraded.database
    for schema in OWN:
        place = database.place(schema, VERSION_TABLE)
        database.query(
            f"INSERT INTO {place} (module, schema_version, package_version, applied_time, applied_by) "
            f"SELECT module, 9, '7.0.0', applied_time, applied_by FROM {place}"
        )
    before = database.everything()
    for command in (("status",), ("admin", "upgrade", "--apply")):
        said = one_sentence(database.run(*command))
        assert "version 9" in said and "install element-facerhythm 7.0.0 or later" in said
    assert database.everything() == before
    for schema in OWN:
        database.query(
            f"DELETE FROM {database.place(schema, VERSION_TABLE)} WHERE schema_version = 9"
        )
    assert database.run("status").returncode == 0


def test_nothing_is_changed_under_a_worker(old: Database) -> None:
    now = "UTC_TIMESTAMP(3)" if old.backend == "mysql" else "now() AT TIME ZONE 'UTC'"
    place = old.place("fleet", "worker")
    old.query(f"UPDATE {place} SET state = 'idle', heartbeat_time = {now}, host = 'rig7'")
    before = old.everything()
    said = one_sentence(old.run("admin", "upgrade", "--apply"))
    assert "2 workers are running (rig7, process " in said
    del before["fleet.worker"]
    found = old.everything()
    assert {name: found[name] for name in before} == before
    old.query(
        f"UPDATE {place} SET heartbeat_time = '2020-01-01'"
    )  # silent for longer than its lease
    assert old.run("admin", "upgrade", "--apply").returncode == 0


def test_a_column_that_may_be_null_needs_no_more_than_its_definition(old: Database) -> None:
    assert old.run("admin", "upgrade", "--apply").returncode == 0
    before = rows_by_title(old)["FacialRhythm.Video"]
    shown = old.python("-c", NEW_COLUMN, "admin", "upgrade", "--plan", "--json")
    assert shown.returncode == 0, shown.stderr
    (step,) = json.loads(shown.stdout)["steps"]
    assert (step["kind"], step["text"], step["rows"]) == ("add", "new: mood (NULL)", 4)
    assert "of version 2 (element-facerhythm" in one_sentence(
        old.python("-c", NEW_COLUMN, "status")
    )
    applied = old.python("-c", NEW_COLUMN, "admin", "upgrade", "--apply")
    assert applied.returncode == 0, applied.stderr
    after = rows_by_title(old)["FacialRhythm.Video"]
    assert in_order(after) == in_order([{**row, "mood": None} for row in before])
    assert "of version 3" in one_sentence(old.run("status"))


def test_tables_that_are_new_come_by_an_upgrade_without_a_new_version(
    databases: Callable[[], Database],
) -> None:
    """A database of version 2 of before there were curations."""
    found, new = databases(), databases()
    for database in (found, new):
        assert database.run("admin", "init").returncode == 0
    schema = "facial_behavior_estimation"
    parts = [f"component_curation__{name}" for name in ("component", "span", "point")]
    for table in (*parts, "component_curation"):
        found.query(f"DROP TABLE {found.place(schema, table)}")
    found.query(
        f"DELETE FROM {found.place(schema, '~lineage')} WHERE table_name LIKE 'component_curation%'"
    )
    said = one_sentence(found.run("status"))
    assert "component_curation" in said and "admin init" in said
    before = found.everything()
    steps = json.loads(found.run("admin", "upgrade", "--plan", "--json").stdout)["steps"]
    assert [step["kind"] for step in steps] == ["create"] * 4 + ["lineage"] * 4
    assert found.everything() == before
    applied = found.run("admin", "upgrade", "--apply")
    assert applied.returncode == 0, applied.stderr
    assert found.layout(schema) == new.layout(schema)
    assert found.run("status").returncode == 0
    after = found.everything()
    assert {
        name: rows
        for name, rows in after.items()
        if name in before and "." in name and "~" not in name
    } == {name: rows for name, rows in before.items() if "." in name and "~" not in name}


def test_an_empty_server_has_nothing_to_upgrade(databases: Callable[[], Database]) -> None:
    new = databases()
    said = one_sentence(new.run("admin", "upgrade", "--apply"))
    assert "nothing to upgrade" in said and "admin init" in said
    assert not any(new.tables(schema) for schema in (*OWN, *OTHERS))
