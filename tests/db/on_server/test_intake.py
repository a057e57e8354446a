"""Many recordings at once: `ingest --table` and `watch`."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Command = Callable[..., Any]  # the fixture `facerhythm`: arguments to code, out, err

FACERHYTHM = [sys.executable, "-m", "element_facerhythm"]
ROIS = {"points": [[[40, 40], [120, 40], [120, 90], [40, 90]]]}
OTHER_ROIS = {"points": [[[20, 20], [90, 20], [90, 70], [20, 70]]]}
PATTERN = "{subject}/{session_date}/*.mp4"


@pytest.fixture
def place(workflow: ModuleType, videos: list[Path], root_dir: Path, request: Any) -> Path:
    """Directory of a test below the root directory, with ROI files by subject."""
    directory = root_dir / request.node.name
    (directory / "rois").mkdir(parents=True)
    (directory / "raw").mkdir()
    for subject in ("w1", "w2", "t1", "t2"):
        (directory / "rois" / f"{subject}.json").write_text(json.dumps(ROIS))
    return directory


@pytest.fixture
def subject(workflow: ModuleType) -> Iterator[Callable[[str], dict[str, str]]]:
    """Restriction to a subject, whose rows are deleted at the end."""
    named: list[str] = []

    def name(subject: str) -> dict[str, str]:
        named.append(subject)
        return {"subject": subject}

    yield name
    for one in named:
        (workflow.Subject & {"subject": one}).delete()


def put(source: Path, *targets: Path) -> None:
    """Copy a video."""
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def content(workflow: ModuleType) -> dict[str, list[str]]:
    """All rows of all tables, by the table's name."""
    tables = {}
    for schema in workflow.SCHEMAS:
        for name in schema.list_tables():
            table = workflow.dj.FreeTable(
                schema.connection,
                schema.connection.adapter.make_full_table_name(schema.database, name),
            )
            rows = (
                {name: bytes(v) if isinstance(v, memoryview) else v for name, v in row.items()}
                for row in table.to_dicts()
            )
            tables[table.full_table_name] = sorted(map(repr, rows))
    return tables


def write_sheet(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def entered(out: str) -> list[dict[str, Any]]:
    """Entries among the lines that `watch --json` printed."""
    return [line for line in map(json.loads, out.splitlines()) if line["event"] == "entered"]


def files_of(fbe: ModuleType, restriction: dict[str, Any]) -> dict[int, list[str]]:
    """Names of the files of each recording."""
    found: dict[int, list[str]] = {}
    for row in (fbe.VideoRecording.File & restriction).to_dicts(order_by="recording_id, file_id"):
        found.setdefault(row["recording_id"], []).append(Path(row["file_path"]).name)
    return found


# ------------------------------------------------------------------ tables


def test_a_table_is_shown_entered_and_then_left_alone(
    facerhythm: Command,
    workflow: ModuleType,
    fbe: ModuleType,
    videos: list[Path],
    place: Path,
    subject: Callable[[str], dict[str, str]],
) -> None:
    subject("t1"), subject("t2")
    put(videos[0], place / "raw/a.mp4", place / "raw/cut_2.mp4", place / "raw/cut_10.mp4")
    sheet = write_sheet(
        place / "sheet.csv",
        "subject;session_id;recording;video;sex;session_datetime;frames",
        "t1;1;;raw/a.mp4;F;2026-03-01 10:00:00;0:80",
        "t1;2;3;raw/cut_*.mp4;F;;",
        "t2;1;;raw/a.mp4;;;",
    )
    options = ("ingest", "--table", sheet, "--rois", place / "rois/{subject}.json", "--json")
    before = content(workflow)
    shown = facerhythm(*options, "--dry-run")
    assert shown.code == 0, shown.err
    assert content(workflow) == before
    done = facerhythm(*options)
    assert done.code == 0, done.err
    planned, rows = json.loads(shown.out)["rows"], json.loads(done.out)["rows"]
    assert [row["line"] for row in rows] == [2, 3, 4]
    # what is shown is what happens; but for numbers that are given where the set is new in both
    assert [(row["key"], row["new_rows"]) for row in planned] == [
        (row["key"], row["new_rows"]) for row in rows
    ]
    assert [row["new_rows"]["VideoRecording.File"] for row in rows] == [1, 2, 1]
    assert [row["new_rows"].get("Subject", 0) for row in rows] == [1, 0, 1]
    assert any("in another recording, too" in note for note in rows[2]["notes"])
    assert any("cut_2.mp4, cut_10.mp4" in note for note in rows[1]["notes"])
    assert files_of(fbe, {"subject": "t1", "session_id": 2}) == {3: ["cut_2.mp4", "cut_10.mp4"]}
    assert (fbe.FaceRhythmTask & {"subject": "t1", "session_id": 1}).fetch1("frames") == "0:80"
    assert (workflow.Subject & {"subject": "t1"}).fetch1("sex") == "F"

    after = content(workflow)
    again = facerhythm(*options[:-1])
    assert again.code == 0, again.err
    assert "0 rows had something new, 3 are there already" in again.out
    assert content(workflow) == after


def test_all_rows_that_are_wrong_are_told_and_none_is_entered(
    facerhythm: Command, workflow: ModuleType, videos: list[Path], place: Path
) -> None:
    put(videos[0], place / "raw/a.mp4")
    (place / "raw/cut.mp4").write_bytes(videos[0].read_bytes()[:3000])
    sheet = write_sheet(
        place / "sheet.csv",
        "subject,session_id,recording,video,sex,rois,params,frame_rate",
        "t1,1,,raw/a.mp4,F,,,",
        "t1,2,,raw/gone.mp4,F,gone.json,no such set,fast",
        "",
        "t1,1,,raw/cut.mp4,F,,,",
        "t1,x,,raw/a.mp4,F,,,",
        "t1,99999999999,,raw/a.mp4,F,,,",
        "t9,1,,raw/a.mp4,F,,,",
        "t2,1,,raw/a.mp4,Q,,,",
        "far too long,1,,raw/a.mp4,,rois/t1.json,,",
        "t1,1,,raw/../rois/t1.json,F,,,",
        ",1,,raw/a.mp4,F,rois/t1.json,,",
        "t1,1,,,F,,,",
    )
    before = content(workflow)
    outcome = facerhythm(
        "ingest", "--table", sheet, "--rois", place / "rois/{subject}.json", "--json"
    )
    assert outcome.code == 2
    assert content(workflow) == before
    rows = {row["line"]: row["error"] for row in json.loads(outcome.out)["rows"]}
    assert rows.pop(2) is None
    expected = {
        3: ["gone.mp4", "gone.json", "no such set", "fast"],
        5: ["cut.mp4"],
        6: ["session_id='x'"],
        7: ["session_id='99999999999'", "2147483647"],
        8: ["t9.json"],
        9: ["sex='Q'", "M, F, U"],
        10: ["far too long"],
        11: ["t1.json"],
        12: ["subject is not given"],
        13: ["video is empty"],
    }
    assert list(rows) == list(expected)
    for line, words in expected.items():
        for word in words:
            assert word in rows[line]
            assert word in outcome.err
        assert f"line {line}: " in outcome.err

    head = write_sheet(place / "head.csv", "subject,sesion_id,video", "t1,1,raw/a.mp4")
    refused = facerhythm("ingest", "--table", head, "--rois", place / "rois/t1.json", "--dry-run")
    assert refused.code == 2
    assert "sesion_id (the nearest is session_id)" in refused.err


def test_parameters_by_name_and_regions_of_the_last_recording(
    facerhythm: Command,
    fbe: ModuleType,
    root_dir: Path,
    videos: list[Path],
    place: Path,
    subject: Callable[[str], dict[str, str]],
) -> None:
    from element_facerhythm.demo.synthetic import make_scene_video

    subject("t1")
    names = [f"fast cameras {place.name}", "one of two", "one of two"]
    numbers = [
        fbe.FaceRhythmParamSet.insert_new_params(
            None, name, {"TCA": {"fit": {"params_method": {"rank": 2 + index}}}}
        )
        for index, name in enumerate(names)
    ]
    put(videos[0], *(place / f"raw/{name}.mp4" for name in "abc"))
    make_scene_video(
        place / "raw/wide.mp4", n_frames=90, width_px=200, height_px=120, frame_rate_hz=60.0, seed=3
    )
    (place / "other.json").write_text(json.dumps(OTHER_ROIS))
    options = ("--subject", "t1", "--session", 1, "--no-populate", "--json")
    first = facerhythm(
        "ingest", place / "raw/a.mp4", "--rois", place / "rois/{subject}.json", "--paramset", names[0],
        *options,
    )  # fmt: skip
    assert first.code == 0, first.err
    assert json.loads(first.out)["key"]["paramset_id"] == numbers[0]
    wide = facerhythm(
        "ingest", place / "raw/wide.mp4", "--rois", place / "other.json", *options, "--recording", 1
    )
    assert wide.code == 0, wide.err
    later = time.time() + 60
    os.utime(place / "raw/wide.mp4", (later, later))

    sheet = write_sheet(
        place / "sheet.csv",
        "subject,session_id,recording,video,rois,params",
        f"t1,1,2,raw/b.mp4,last,{numbers[2]}",
        f"t1,1,3,raw/c.mp4,,{names[0]}",
    )
    done = facerhythm("ingest", "--table", sheet, "--rois", "last", "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)["rows"]
    assert [row["key"]["paramset_id"] for row in rows] == [numbers[2], numbers[0]]
    for row in rows:
        told = [
            note for note in row["notes"] if note.startswith("regions of interest are those of")
        ]
        assert len(told) == 1 and "recording_id=0" in told[0]
    digests = {
        row["recording_id"]: row["rois_sha256"]
        for row in (fbe.FaceRhythmROI & {"subject": "t1"}).to_dicts()
    }
    assert digests[2] == digests[3] == digests[0] != digests[1]
    # what is entered keeps its own, whatever came after it
    assert not any(
        any(row["new_rows"].values())
        for row in json.loads(
            facerhythm("ingest", "--table", sheet, "--rois", "last", "--json").out
        )["rows"]
    )

    for name, message in (("one of two", f"{numbers[1]}, {numbers[2]}"), ("absent", names[0])):
        wrong = facerhythm(
            "ingest",
            place / "raw/a.mp4",
            "--rois",
            place / "rois/t1.json",
            "--paramset",
            name,
            *options,
        )
        assert wrong.code == 2
        assert message in wrong.err
    nothing = facerhythm(
        "ingest", place / "raw/a.mp4", "--rois", "last", "--subject", "t2", "--session", 1
    )
    assert nothing.code == 2
    assert "no recording of subject=t2" in nothing.err


# ------------------------------------------------------------------ watching


def test_watching_enters_what_is_complete_and_nothing_twice(
    facerhythm: Command,
    workflow: ModuleType,
    fbe: ModuleType,
    videos: list[Path],
    place: Path,
    subject: Callable[[str], dict[str, str]],
) -> None:
    session = {**subject("w1"), "session_id": 1}
    day = place / "raw/w1/2026-03-01"
    put(
        videos[0],
        day / "b.mp4",
        day / "c.mp4",
        place / "raw/w1/2026-03-02/a.mp4",
        day / "x.mp4.part",
    )
    (day / "cut.mp4").write_bytes(videos[0].read_bytes()[:3000])
    look = (
        "watch", place / "raw", "--pattern", PATTERN, "--rois", place / "rois/{subject}.json", "--once",
        "--json", "--settled",
    )  # fmt: skip
    before = content(workflow)
    young = facerhythm(*look, 3600)
    assert (young.code, young.out) == (0, "")
    shown = facerhythm(*look, 0, "--dry-run")
    assert len(entered(shown.out)) == 3
    assert content(workflow) == before

    first = facerhythm(*look, 0)
    assert first.code == 1  # of the one that was cut off
    assert [line["key"] for line in entered(first.out)] == [
        line["key"] for line in entered(shown.out)
    ]
    assert "cut.mp4" in first.out
    assert files_of(fbe, session) == {0: ["b.mp4"], 1: ["c.mp4"]}
    days = (workflow.Session & {"subject": "w1"}).to_arrays(
        "session_datetime", order_by="session_id"
    )
    assert [str(when.date()) for when in days.tolist()] == ["2026-03-01", "2026-03-02"]

    after = content(workflow)
    (day / "cut.mp4").unlink()
    again = facerhythm(*look, 0)
    assert (again.code, again.out) == (0, "")
    assert content(workflow) == after
    # numbers that were given stay, also where a later file comes before by its name
    put(videos[1], day / "a.mp4")
    assert len(entered(facerhythm(*look, 0).out)) == 1
    assert files_of(fbe, session) == {0: ["b.mp4"], 1: ["c.mp4"], 2: ["a.mp4"]}


def test_files_of_a_directory_are_one_recording_once_all_are_complete(
    facerhythm: Command,
    fbe: ModuleType,
    videos: list[Path],
    place: Path,
    subject: Callable[[str], dict[str, str]],
) -> None:
    session = {**subject("w1"), "session_id": 1}
    day = place / "raw/w1/2026-03-01"
    put(videos[0], day / "part_10.mp4", day / "part_2.mp4")
    look = (
        "watch", place / "raw", "--pattern", PATTERN, "--rois", place / "rois/w1.json", "--once",
        "--together", "--settled",
    )  # fmt: skip
    time.sleep(1.5)
    put(videos[1], day / "part_11.mp4")
    waits = facerhythm(*look, 1.2)
    assert (waits.code, waits.out) == (0, "")
    assert "part_11.mp4" in waits.err
    done = facerhythm(*look, 0)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 1
    assert files_of(fbe, session) == {0: ["part_2.mp4", "part_10.mp4", "part_11.mp4"]}
    put(videos[1], day / "part_12.mp4")
    late = facerhythm(*look, 0)
    assert late.code == 1
    assert "part_12.mp4 came after the recording" in late.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pattern", "{subject}/{sesion}/*.mp4"], "sesion"),
        (["--pattern", "{subject}/*.mp4"], "session_id"),
        (["--pattern", "{subject/*.mp4"], "{subject"),
        (["--pattern", PATTERN, "--rois", "gone.json"], "gone.json"),
        (["--pattern", PATTERN, "--paramset", "absent"], "absent"),
        (["--pattern", PATTERN, "--paramset", "0", "--set", "rank=2"], "--set"),
        (["--pattern", PATTERN, "--key", "nonsense=1"], "nonsense"),
    ],
)
def test_a_wrong_watch_is_refused_before_it_looks(
    facerhythm: Command, place: Path, options: list[str], message: str
) -> None:
    given = ["--rois", str(place / "rois/w1.json"), *options]
    outcome = facerhythm("watch", place / "raw", "--once", *given)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.out == ""


def test_a_directory_outside_the_roots_is_not_watched(
    facerhythm: Command, workflow: ModuleType, place: Path, tmp_path: Path
) -> None:
    rois = ("--rois", place / "rois/w1.json")
    outcome = facerhythm("watch", tmp_path, "--pattern", PATTERN, *rois, "--once")
    assert outcome.code == 2
    assert str(tmp_path) in outcome.err


def test_a_watcher_waits_for_files_that_grow_and_stops_when_told(
    fbe: ModuleType, videos: list[Path], place: Path, subject: Callable[[str], dict[str, str]]
) -> None:
    session = subject("w1")
    day = place / "raw/w1/2026-03-01"
    day.mkdir(parents=True)
    (day / "cut.mp4").write_bytes(videos[0].read_bytes()[:3000])
    process = subprocess.Popen(
        [*FACERHYTHM, "watch", str(place / "raw"), "--pattern", PATTERN, "--every", "0.3", "--settled", "2",
         "--rois", str(place / "rois/{subject}.json")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    lines: list[tuple[str, int]] = []  # what was entered, and the size of the file then

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append((line, (day / "a.mp4").stat().st_size))

    reader = threading.Thread(target=read)
    reader.start()
    whole = videos[0].read_bytes()
    try:
        with (day / "a.mp4").open("wb") as file:
            for index in range(20):  # grows for 10 s
                file.write(whole[index * len(whole) // 20 : (index + 1) * len(whole) // 20])
                file.flush()
                time.sleep(0.5)
        deadline = time.monotonic() + 120
        while not lines and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None and process.stderr is not None
        err = process.stderr.read()
        process.wait(timeout=60)
        reader.join()
        process.stdout.close()
        process.stderr.close()
    assert process.returncode == 0, err
    assert len(lines) == 1, err
    assert "a.mp4" in lines[0][0] and "subject=w1" in lines[0][0]
    assert lines[0][1] == len(whole)
    assert err.count("failed: ") == 1, err  # the file that was cut off, once and not at every look
    assert files_of(fbe, session) == {0: ["a.mp4"]}


def test_two_watchers_enter_everything_once(
    fbe: ModuleType,
    workflow: ModuleType,
    videos: list[Path],
    place: Path,
    subject: Callable[[str], dict[str, str]],
) -> None:
    names = ["w1", "w2"]
    for name in names:
        subject(name)
        put(
            videos[0],
            *(place / f"raw/{name}/2026-03-0{d}/{i}.mp4" for d in (1, 2) for i in range(3)),
        )
    command = [
        *FACERHYTHM, "watch", str(place / "raw"), "--pattern", PATTERN, "--once", "--settled", "0", "--json",
        "--rois", str(place / "rois/{subject}.json"),
    ]  # fmt: skip
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, env=dict(os.environ), **pipes) for _ in range(2)]
    outcomes = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], outcomes
    lines = [line for out, _ in outcomes for line in entered(out)]
    assert len(lines) == 12
    assert len({line["files"][0] for line in lines}) == 12
    for name in names:
        paths = (fbe.VideoRecording.File & {"subject": name}).to_arrays("file_path")
        assert len(paths) == len(set(paths)) == 6
        assert len(workflow.Session & {"subject": name}) == 2
        for session_id in (1, 2):
            key = {"subject": name, "session_id": session_id}
            assert sorted((fbe.VideoRecording & key).to_arrays("recording_id")) == [0, 1, 2]


# ------------------------------------------------------------------ other pipelines

LAB = '''
import os
import datajoint as dj

schema = dj.Schema("{prefix}core")

@schema
class Animal(dj.Manual):
    definition = """
    lab_code : varchar(8)
    animal : varchar(32)
    ---
    strain='' : varchar(32)
    """

@schema
class Session(dj.Manual):
    definition = """
    -> Animal
    session_date : date
    session_no : int8
    ---
    note='' : varchar(100)
    """

@schema
class Rig(dj.Lookup):
    definition = """
    rig : varchar(16)
    """
    contents = [("A",), ("B",)]

Equipment = Rig

def get_facerhythm_root_data_dir():
    return os.environ["FACERHYTHM_ROOT_DATA_DIR"]
'''


@pytest.fixture
def other(workflow: ModuleType, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Run commands on a pipeline under a prefix of its own; its schemas are dropped at the end."""
    prefix = f"frother_{secrets.token_hex(4)}_"
    (tmp_path / "labs_own.py").write_text(LAB.replace("{prefix}", prefix))

    def run(*arguments: object, **variables: str) -> Any:
        done = subprocess.run(
            [*FACERHYTHM, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "FACERHYTHM_DB_PREFIX": prefix, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    connection = workflow.dj.conn()
    for schema in reversed(
        (
            "lab",
            "subject",
            "session",
            "core",
            "facial_behavior_estimation",
            "keypoint_inference",
            "fleet",
        )
    ):
        workflow.dj.Schema(f"{prefix}{schema}", connection=connection, create_schema=True).drop(
            prompt=False
        )


def test_sessions_that_are_known_by_their_time(
    other: Callable[..., Any], videos: list[Path], place: Path
) -> None:
    put(videos[0], place / "raw/w1/2026-03-01_09-30/a.mp4", place / "raw/w1/2026-03-01_09-30/b.mp4")
    pattern = "{subject}/{session_datetime:%Y-%m-%d_%H-%M}/*.mp4"
    look = ("watch", place / "raw", "--pattern", pattern, "--rois", place / "rois/{subject}.json", "--once",
            "--settled", 0, "--json")  # fmt: skip
    keys = [line["key"] for line in entered(other(*look, FACERHYTHM_SESSION_KEY="datetime"))]
    assert [key["session_datetime"] for key in keys] == ["2026-03-01 09:30:00"] * 2
    assert [key["recording_id"] for key in keys] == [0, 1]
    by_day = [PATTERN if word == pattern else word for word in look]
    put(videos[0], place / "raw/w1/2026-03-02/c.mp4")
    keys = [line["key"] for line in entered(other(*by_day, FACERHYTHM_SESSION_KEY="datetime"))]
    assert [key["session_datetime"][:10] for key in keys] == ["2026-03-02"]


def test_a_labs_own_keys(other: Callable[..., Any], videos: list[Path], place: Path) -> None:
    lab = {"FACERHYTHM_LINKING_MODULE": "labs_own"}
    put(
        videos[0],
        place / "raw/m 1/20260301_2.mp4",
        place / "raw/m 1/20260302_1.mp4",
        place / "raw/x.mp4",
    )
    (place / "rois/m 1.json").write_text(json.dumps(ROIS))
    watched = other(
        "watch", place / "raw", "--pattern", "{animal}/{session_date:%Y%m%d}_{session_no}.mp4", "--key",
        "lab_code=AB", "--key", "rig=B", "--rois", place / "rois/{animal}.json", "--once", "--settled", 0,
        "--json", **lab,
    )  # fmt: skip
    expected = {"lab_code": "AB", "animal": "m 1", "recording_id": 0, "paramset_id": 0, "roi_id": 0}
    assert [line["key"] for line in entered(watched)] == [
        {**expected, "session_date": "2026-03-01", "session_no": 2},
        {**expected, "session_date": "2026-03-02", "session_no": 1},
    ]
    sheet = write_sheet(
        place / "sheet.csv",
        "lab_code\tanimal\tsession_date\tsession_no\trig\tvideo\tstrain\tnote",
        "AB\tm 2\t2026-03-05\t1\tA\traw/x.mp4\tC57\tfirst, of many",
        "AB\tm 1\t2026-03-01\t2\t\traw/m 1/20260301_2.mp4\t\t",
    )
    options = ("ingest", "--table", sheet, "--rois", place / "rois/m 1.json", "--json")
    shown = json.loads(other(*options, "--dry-run", **lab))["rows"]
    rows = json.loads(other(*options, **lab))["rows"]
    assert [(row["key"], row["new_rows"]) for row in rows] == [
        (row["key"], row["new_rows"]) for row in shown
    ]
    assert rows[0]["new_rows"]["Animal"] == rows[0]["new_rows"]["Session"] == 1
    assert not any(rows[1]["new_rows"].values())
    again = json.loads(other(*options, **lab))["rows"]
    assert not any(any(row["new_rows"].values()) for row in again)
