"""A lab's own pipeline on the command line: linking module, keys of every type, looks that create nothing."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

LAB = '''
"""A lab's own tables; the module is its linking module."""
import datetime, os, uuid
import datajoint as dj

schema = dj.Schema("{prefix}core")

@schema
class Animal(dj.Manual):
    definition = """
    animal : varchar(32)
    ---
    strain='' : varchar(32)
    """

@schema
class Session(dj.Manual):
    definition = """
    -> Animal
    {key}
    ---
    note='' : varchar(100)
    """

@schema
class Rig(dj.Lookup):
    definition = """
    rig : varchar(16)
    view : varchar(16)
    """
    contents = [("A", "face"), ("A", "eye")]

Equipment = Rig

def get_facerhythm_root_data_dir():
    return os.environ["LAB_ROOTS"].split(":")

def get_facerhythm_processed_data_dir():
    return os.environ["LAB_RESULTS"]
'''
EVERY_TYPE = """
    session_date : date
    started : datetime
    at_noon : time
    pilot : bool
    depth : float64
    dose : decimal(6,2)
    block : int16
"""
KEYS = {
    "animal": "m 01/x%'é",
    "session_date": "2026-03-01",
    "started": "2026-03-01T10:30:00",
    "at_noon": "12:00:30",
    "pilot": "true",
    "depth": "0.1",
    "dose": "1.50",
    "block": "-3",
}
UUID = "00000000-0000-0000-0000-00000000002a"
ROIS = {"points": [[[40, 40], [120, 40], [120, 90], [40, 90]]]}
PARAMETERS = {
    "ROIs": {"make_rois": {"point_spacing": 16}},
    "VQT_Analyzer": {
        "params_VQT": {"Q_lowF": 2, "Q_highF": 4, "F_min": 3, "F_max": 25, "n_freq_bins": 8}
    },
    "TCA": {"fit": {"params_method": {"rank": 2, "n_iter_max": 10}}},
}


EACH = """
import contextlib, io, json, sys
from element_facerhythm.cli import main
told = []
for command in json.loads(sys.argv[1]):
    sys.argv = ["facerhythm", *command]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            told.append((stop.code or 0, out.getvalue(), err.getvalue()))
print(json.dumps(told))
"""


@dataclass(frozen=True)
class Lab:
    """A lab's pipeline in a directory of its own, and the command line on it."""

    directory: Path
    prefix: str
    environment: dict[str, str]

    def create(self, module: str) -> None:
        """Have the lab's own tables created, as importing its module does."""
        script = [sys.executable, "-c", f"import {module}"]
        subprocess.run(script, cwd=self.directory, env=self.environment, check=True)

    def run_each(self, *commands: tuple[object, ...]) -> list[tuple[int, str, str]]:
        """Exit code, output and errors of commands, one after the other in one process."""
        texts = json.dumps([list(map(str, command)) for command in commands])
        done = subprocess.run(
            [sys.executable, "-c", EACH, texts],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return [(code, out, err) for code, out, err in json.loads(done.stdout)]

    def run(self, *arguments: object, code: int = 0, **variables: str) -> str:
        """Standard output of `facerhythm ARGUMENTS`; what it says on stderr where it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "element_facerhythm", *map(str, arguments)],
            cwd=self.directory,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, (
            f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stderr if code == 2 else done.stdout


@pytest.fixture
def make_lab(workflow: ModuleType, root_dir: Path, tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Make a lab with a key; its schemas are dropped at the end."""
    prefixes: list[str] = []

    def make(key: str = EVERY_TYPE) -> Lab:
        prefix = f"frlab_{secrets.token_hex(4)}_"
        prefixes.append(prefix)
        (tmp_path / "my_lab.py").write_text(LAB.format(prefix=prefix, key=key))
        (tmp_path / "rois.json").write_text(json.dumps(ROIS))
        (tmp_path / "params.json").write_text(json.dumps(PARAMETERS))
        environment = os.environ | {
            "FACERHYTHM_LINKING_MODULE": "my_lab",
            "FACERHYTHM_DB_PREFIX": f"{prefix}face_",
            "LAB_ROOTS": str(root_dir),
            "LAB_RESULTS": str(tmp_path / "results"),
        }
        (tmp_path / "results").mkdir(exist_ok=True)
        return Lab(tmp_path, prefix, environment)

    yield make
    dj = workflow.dj
    connection = dj.conn()
    for prefix in prefixes:
        for schema in sorted(objects(connection), key=len, reverse=True):
            if schema.startswith(prefix):
                quoted = connection.adapter.quote_identifier(schema)
                cascade = "" if connection.adapter.backend == "mysql" else " CASCADE"
                if cascade == "":
                    connection.query("SET FOREIGN_KEY_CHECKS=0")
                connection.query(f"DROP SCHEMA {quoted}{cascade}")


def objects(connection: object, prefix: str = "") -> dict[str, set[str]]:
    """Every schema that begins so, and its tables, as the server has them now."""
    found: dict[str, set[str]] = {}
    for query in (
        "SELECT schema_name, '' FROM information_schema.schemata",
        "SELECT table_schema, table_name FROM information_schema.tables",
    ):
        for schema, table in connection.query(query).fetchall():  # type: ignore[attr-defined]
            found.setdefault(schema, set()).add(table)
    return {schema: tables for schema, tables in found.items() if schema.startswith(prefix)}


def keys_of(values: dict[str, str]) -> list[str]:
    return [part for name, text in values.items() for part in ("--key", f"{name}={text}")]


def test_keys_of_every_type_go_from_ingest_to_results(
    make_lab: Callable[..., Lab], videos: list[Path], workflow: ModuleType
) -> None:
    on_mysql = workflow.dj.config.database.backend == "mysql"
    key, values = EVERY_TYPE, KEYS
    if on_mysql:  # an index takes 16 columns, half of which are ours
        key = key.replace("at_noon : time", "session_uuid : uuid")
        values = {name: text for name, text in KEYS.items() if name != "at_noon"}
        values["session_uuid"] = UUID
    lab = make_lab(key)
    which = keys_of(values)
    given = (videos[0], "--rois", "rois.json", "--params", "params.json")
    first = json.loads(lab.run("ingest", *given, *which, "--no-populate", "--json"))
    assert first["new_rows"]["Animal"] == first["new_rows"]["Session"] == 1
    assert any("several (--key rig=A --key view=" in note for note in first["notes"])
    again = json.loads(lab.run("ingest", *given, *which, "--no-populate", "--json"))
    assert not any(again["new_rows"].values())
    (waiting,) = json.loads(lab.run("jobs", "show", *which, "--json"))["jobs"]
    assert (waiting["table"], waiting["status"]) == ("RecordingInfo", "pending")

    done = json.loads(lab.run("worker", "--exit-when-idle", "--json"))
    assert (done["n_done"], done["n_failed"]) == (5, 0)
    counts = json.loads(lab.run("status", "--json"))["tables"]
    assert {name: row["done"] for name, row in counts.items()}["FacialRhythm"] == 1
    jobs = json.loads(lab.run("jobs", "show", *which, "--table", "FacialRhythm", "--json"))["jobs"]
    assert jobs == []  # done, and finished jobs are not kept
    lab.run("verify")
    session = keys_of({**values, "block": "4"})
    other = lab.run(
        "ingest", *given, *session, "--key", "rig=A", "--key", "view=eye", "--no-populate", "--json"
    )
    assert not any("device" in note for note in json.loads(other)["notes"])
    device = ("--key", "rig=A", "--key", "view=face")
    other = lab.run("ingest", *given, *session, *device, "--no-populate", "--json")
    assert any("stays so" in note for note in json.loads(other)["notes"])


def test_a_look_creates_nothing_and_says_what_is_missing(
    make_lab: Callable[..., Lab], workflow: ModuleType, videos: list[Path]
) -> None:
    lab = make_lab("session_no : int32")
    connection = workflow.dj.conn()
    before = objects(connection, lab.prefix)
    *looks, (code, _, _) = lab.run_each(("status",), ("jobs", "show"), ("doctor",))
    assert all(
        code == 2 and "only reads" in said for code, _, said in looks
    )  # no table of the lab's
    assert code == 1
    assert objects(connection, lab.prefix) == before
    lab.create("my_lab")

    before = objects(connection, lab.prefix)
    looks = (("status",), ("jobs", "show"), ("qc",), ("verify",), ("gc",))
    *told, (_, found, _) = lab.run_each(*looks, ("jobs", "retry", "--all"), ("doctor", "--json"))
    assert all(code == 2 and "facerhythm admin init" in said for code, _, said in told), told
    states = [r["state"] for r in json.loads(found)["findings"] if r["check"] == "pipeline"]
    assert states == ["warn"]
    ingest = (
        "ingest",
        videos[0],
        "--rois",
        "rois.json",
        *keys_of({"animal": "a", "session_no": "1"}),
    )
    assert "is not created" in lab.run(*ingest, code=2, DJ_CREATE_TABLES="false")
    assert "DJ_CREATE_TABLES" in lab.run("admin", "init", code=2, DJ_CREATE_TABLES="false")
    assert objects(connection, lab.prefix) == before

    lab.run("admin", "init")
    complete = objects(connection, lab.prefix)
    told = lab.run_each(*looks, ("doctor",))
    assert [code for code, _, _ in told] == [0] * 6, told
    assert objects(connection, lab.prefix) == complete
    lab.run(*ingest, "--no-populate", DJ_CREATE_TABLES="false")


def test_doctor_finds_jobs_that_nobody_does_and_another_table_of_sessions(
    make_lab: Callable[..., Lab], videos: list[Path], root_dir: Path
) -> None:
    lab = make_lab("session_no : int32")
    which = keys_of({"animal": "a", "session_no": "1"})
    lab.run("ingest", videos[0], "--rois", "rois.json", *which, "--no-populate")
    # asked as the user of another pipeline on the same server
    elsewhere = {
        "FACERHYTHM_LINKING_MODULE": "",
        "FACERHYTHM_DB_PREFIX": f"{lab.prefix}others_",
        "FACERHYTHM_ROOT_DATA_DIR": str(root_dir),
    }
    found = json.loads(lab.run("doctor", "--json", **elsewhere))["findings"]
    waiting = [row["found"] for row in found if row["check"] == "jobs" and row["state"] == "warn"]
    assert any(f"{lab.prefix}face_facial_behavior_estimation" in text for text in waiting)

    other = (
        (lab.directory / "my_lab.py").read_text().replace(f"{lab.prefix}core", f"{lab.prefix}more")
    )
    (lab.directory / "other_lab.py").write_text(other)
    lab.create("other_lab")
    module = {"FACERHYTHM_LINKING_MODULE": "other_lab"}
    found = json.loads(lab.run("doctor", "--json", code=1, **module))["findings"]
    (finding,) = [row for row in found if row["check"] == "pipeline"]
    assert finding["state"] == "fail"
    assert f"{lab.prefix}core" in finding["found"]
    assert "belong to" in lab.run("status", "--linking-module", "other_lab", code=2)


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("recording_id : int32", "recording_id"),
        ("individual : varchar(16)", "individual"),
        ("status : varchar(16)", "status"),
        ("model_id : int32", "model_id"),
        ("depth : float32", "depth"),
        ("rig : varchar(16)", "rig"),
        (
            "a : int32\n    b : int32\n" + "".join(f"    c{i} : int32\n" for i in range(24)),
            "columns",
        ),
    ],
)
def test_keys_that_cannot_be_ours_are_refused_before_anything_is_created(
    key: str, column: str, make_lab: Callable[..., Lab], workflow: ModuleType
) -> None:
    if column == "columns" and workflow.dj.config.database.backend == "mysql":
        key = "".join(f"c{i} : int32\n    " for i in range(9))
    lab = make_lab(key)
    assert column in lab.run("admin", "init", code=2)
    ours = [name for name in objects(workflow.dj.conn()) if name.startswith(f"{lab.prefix}face_")]
    assert ours == []


def test_what_each_server_cannot_hold_is_refused(
    make_lab: Callable[..., Lab], workflow: ModuleType
) -> None:
    on_mysql = workflow.dj.config.database.backend == "mysql"
    lab = make_lab("name : varchar(700)" if on_mysql else "cohort : enum('A','B')")
    assert ("3072" not in (said := lab.run("admin", "init", code=2))) and (
        "'name'" in said if on_mysql else "'cohort'" in said
    )


def test_a_wrong_key_is_named_and_leaves_nothing(
    make_lab: Callable[..., Lab], videos: list[Path]
) -> None:
    lab = make_lab("session_no : int32")
    wrong = {
        "--key session_no=VALUE": {"animal": "a"},
        "a whole number": {"animal": "a", "session_no": "one"},
        "mouse": {"animal": "a", "session_no": "1", "mouse": "b"},
        "32": {"animal": "a" * 33, "session_no": "1"},
        "view": {"animal": "a", "session_no": "1", "rig": "A"},
    }
    given = ("ingest", videos[0], "--rois", "rois.json")
    told = lab.run_each(*((*given, *keys_of(keys)) for keys in wrong.values()))
    for word, (code, _, said) in zip(wrong, told, strict=True):
        assert code == 2 and word in said, (word, said)
    counts = json.loads(lab.run("status", "--json"))["tables"]["RecordingInfo"]
    assert counts and not any(counts.values())


def test_the_released_sessions_by_time_are_a_setting(
    make_lab: Callable[..., Lab], videos: list[Path], root_dir: Path
) -> None:
    lab = make_lab("session_no : int32")
    (lab.directory / "datajoint.json").write_text(
        json.dumps({"facerhythm": {"session_key": "datetime", "db_prefix": f"{lab.prefix}d_"}})
    )
    elsewhere = {
        "FACERHYTHM_LINKING_MODULE": "",
        "DJ_IGNORE_CONFIG_FILE": "false",
        "FACERHYTHM_ROOT_DATA_DIR": str(root_dir),
        "FACERHYTHM_PROCESSED_DATA_DIR": str(lab.directory / "results"),
    }
    environment = {k: v for k, v in lab.environment.items() if k != "FACERHYTHM_DB_PREFIX"}
    lab = Lab(lab.directory, lab.prefix, environment)
    which = ("--subject", "m1", "--session-datetime", "2026-03-01T10:30:00")
    given = (videos[0], "--rois", "rois.json", "--params", "params.json", *which)
    done = json.loads(lab.run("ingest", *given, "--no-populate", "--json", **elsewhere))
    assert done["key"]["session_datetime"].startswith("2026-03-01")
    worked = json.loads(lab.run("worker", "--max-jobs", 1, "--json", **elsewhere))
    assert worked["n_done"] == 1


def test_the_keys_of_ours_are_no_longer_than_the_check_of_a_labs_keys_says(
    workflow: ModuleType, fbe: ModuleType, kpi: ModuleType
) -> None:
    from element_facerhythm.database.table_creation import parts_of
    from element_facerhythm.linking.lab_keys import OWN_KEY_BYTES, OWN_KEY_COLUMNS, key_size

    tables = [
        table
        for module in (fbe, kpi)
        for cls, _ in module.schema.declare_list
        for table in (cls, *parts_of(cls))
    ]
    theirs = set(workflow.Session.primary_key)
    sizes = [
        key_size(table(), [n for n in table.primary_key if n not in theirs]) for table in tables
    ]
    n_columns, n_bytes = (max(values) for values in zip(*sizes, strict=True))
    assert n_columns == OWN_KEY_COLUMNS
    assert OWN_KEY_BYTES - 100 < n_bytes <= OWN_KEY_BYTES
