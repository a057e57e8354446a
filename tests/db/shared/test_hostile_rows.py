"""Rows are data: whatever an analyst enters, no path leaves the roots, no pickle is opened, no SQL is run."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.db.shared.conftest import ADMINISTRATOR, WORK, SharedDatabase, take_out_everything

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.mysql, pytest.mark.timeout(600)]

Ingest = Callable[..., dict[str, Any]]


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.write_text, (self.path, "sprung")


@pytest.fixture
def work(database: SharedDatabase) -> Callable[[], list[dict[str, Any]]]:
    """Let a worker do what is there; gives table, key and message of each failed job."""

    def run() -> list[dict[str, Any]]:
        done = database.facerhythm("worker", *WORK, "--json")
        assert json.loads(done.stdout or "{}").get("stopped_by") == "idle", done.stderr
        return database.facerhythm_json("viewer", "status", "--errors")["errors"]

    return run


@pytest.fixture(autouse=True)
def nothing_left(database: SharedDatabase):
    """Take out what cannot be populated, so that it is in nobody's way."""
    yield
    take_out_everything(database)


def enter(database: SharedDatabase, script: str) -> None:
    """Enter rows as an analyst, past every check of this package's own functions."""
    database.python(
        "analyst",
        "from element_facerhythm.workflow import Session, Device\n"
        "from element_facerhythm.workflow import facial_behavior_estimation as fbe\n"
        "from element_facerhythm.workflow import keypoint_inference as kpi\n" + script,
    )


ESCAPES = """
key, paths, outputs = {key!r}, {paths!r}, {outputs!r}
recording = {{name: key[name] for name in fbe.VideoRecording.primary_key}}
roi = (fbe.FaceRhythmROI & key).fetch1()
polygons = (fbe.FaceRhythmROI.Polygon & key).to_dicts()
(fbe.FaceRhythmTask & key).delete(prompt=False)

# videos
for session_id, path in enumerate(paths, 10):
    session = {{"subject": key["subject"], "session_id": session_id}}
    Session.insert1({{**session, "session_datetime": "2026-01-01 12:00:00"}})
    other = {{**session, "recording_id": 0}}
    fbe.VideoRecording.insert1({{**other, "device": "face camera"}})
    fbe.VideoRecording.File.insert1({{**other, "file_id": 0, "file_path": path}})

# project directories, to be written and to be read
for roi_id, output_dir in enumerate(outputs[1:], 10):
    task = {{**key, "roi_id": roi_id, "output_dir": output_dir}}
    fbe.FaceRhythmROI.insert1({{**roi, "roi_id": roi_id}})
    fbe.FaceRhythmROI.Polygon.insert({{**polygon, "roi_id": roi_id}} for polygon in polygons)
    fbe.FaceRhythmTask.insert1({{**task, "task_mode": ("trigger", "load")[roi_id % 2]}})

# predictions, weights, and where keypoints are written
kpi.KeypointModel.insert(dict(model_id=n, model_name="m") for n in range(7))
for n, path in enumerate(paths):
    load, trigger = {{**recording, "model_id": n}}, {{**recording, "model_id": 3 + n}}
    kpi.KeypointInferenceTask.insert1({{**load, "inference_task_mode": "load"}})
    kpi.KeypointInferenceTask.File.insert1(
        {{**load, "prediction_file_id": 0, "prediction_file_path": path}}
    )
    kpi.KeypointInferenceTask.insert1({{**trigger, "inference_task_mode": "trigger"}})
    weights = {{"model_file_path": path, "model_size_bytes": 1, "model_sha256": "0" * 64}}
    weights["model_file_name"] = "m.pt"
    kpi.KeypointModel.File.insert1({{"model_id": 3 + n, **weights}})
out = {{"inference_task_mode": "load", "inference_output_dir": outputs[0]}}
kpi.KeypointInferenceTask.insert1({{**recording, "model_id": 6, **out}})
"""


def test_paths_that_leave_the_roots_are_refused(
    database: SharedDatabase,
    ingest: Ingest,
    video: Path,
    work: Callable[[], list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    key = ingest("mouse1", 1)
    (tmp_path / "secret.mp4").write_bytes(video.read_bytes())
    links = [database.raw / "link", database.results / "link", database.results / "other"]
    for link in links:
        link.symlink_to(tmp_path)
    paths = [str(tmp_path / "secret.mp4"), f"../{tmp_path.name}/secret.mp4", "link/secret.mp4"]
    up, away = f"../{tmp_path.name}", str(tmp_path)
    outputs = [f"{up}/0", f"{up}/1", f"{up}/2", f"{away}/3", f"{away}/4", "link", "other"]
    enter(database, ESCAPES.format(key=key, paths=paths, outputs=outputs))
    errors = work()
    for link in links:
        link.unlink()
    assert len(errors) == 3 + 6 + 7
    assert [row for row in errors if not row["error"].startswith("PathError")] == []
    for says in ("is absolute", "climbs out with '..'", "through a symbolic link"):
        assert any(says in row["error"] for row in errors)
    assert [path.name for path in tmp_path.rglob("*")] == ["secret.mp4"]


TASKS = """
key, tasks = {key!r}, {tasks!r}
roi = (fbe.FaceRhythmROI & key).fetch1()
polygons = (fbe.FaceRhythmROI.Polygon & key).to_dicts()
for roi_id, (output_dir, mode) in enumerate(tasks, 10):
    fbe.FaceRhythmROI.insert1({{**roi, "roi_id": roi_id}})
    fbe.FaceRhythmROI.Polygon.insert({{**polygon, "roi_id": roi_id}} for polygon in polygons)
    task = {{**key, "roi_id": roi_id, "task_mode": mode, "output_dir": output_dir}}
    fbe.FaceRhythmTask.insert1(task)
"""


def test_links_in_directories_of_tasks_lead_nowhere(
    database: SharedDatabase,
    ingest: Ingest,
    work: Callable[[], list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    """What lies in an output directory is as foreign as the row that names it."""
    key = ingest("mouse1", 1)
    assert work() == []
    (project,) = database.results.rglob("analysis_files")
    victim = tmp_path / "analysis_files"
    shutil.copytree(project, victim)
    secret = tmp_path / "secret"
    secret.write_text('root:x\nline: [unclosed "S3CRETVALUE\n')
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def made(name: str, link: str, target: Path) -> str:
        directory = database.results / "traps" / name
        shutil.copytree(project.parent, directory)
        for owned in (*directory.glob(".facerhythm.*"), directory / link):
            shutil.rmtree(owned) if owned.is_dir() else owned.unlink()
        (directory / link).symlink_to(target)
        return f"traps/{name}"

    content = (
        database.results / "annex" / "TCA.h5"
    )  # below the data directory, as git-annex keeps it
    content.parent.mkdir()
    shutil.copy(project / "TCA.h5", content)
    tasks = [
        (made("folder", "analysis_files", victim), "trigger"),
        (made("text", "run.json", secret), "trigger"),
        (made("config", "config.yaml", secret), "load"),
        (made("product", "analysis_files/TCA.h5", victim / "TCA.h5"), "load"),
        (made("data-set", "analysis_files/TCA.h5", content), "load"),
    ]
    enter(database, TASKS.format(key=key, tasks=tasks))
    errors = work()
    for directory in ("traps", "annex"):
        shutil.rmtree(database.results / directory)
    assert sorted(row["key"]["roi_id"] for row in errors) == [10, 11, 12, 13]
    for row in errors:
        assert row["error"].startswith("PathError") and "symbolic link" in row["error"]
        assert "S3CRETVALUE" not in row["error"]
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


PICKLES = """
key, n_blobs, digest = {key!r}, {n_blobs}, {digest!r}
recording = {{name: key[name] for name in fbe.VideoRecording.primary_key}}
for roi_id in range(10, 10 + n_blobs):
    fbe.FaceRhythmTask.insert1({{**key, "roi_id": roi_id, "task_mode": "trigger"}})
kpi.KeypointModel.insert1(dict(model_id=20, model_name="trap"))
kpi.KeypointModel.BodyPart.insert1(dict(model_id=20, body_part="nose(tip)", output_index=0))
weights = dict(model_file_name="trap.pt", model_file_path="trap.pt", model_size_bytes=1, model_sha256=digest)
kpi.KeypointModel.File.insert1(dict(model_id=20, **weights))
kpi.KeypointInferenceTask.insert1({{**recording, "model_id": 20, "inference_task_mode": "trigger"}})
"""
READ_ERROR_STACK = """
from element_facerhythm.workflow import facial_behavior_estimation as fbe
try:
    print(fbe.RecordingInfo.jobs.errors.to_dicts())
except ValueError as error:
    print("unreadable")
"""


def test_no_pickle_of_others_is_opened(
    database: SharedDatabase,
    ingest: Ingest,
    work: Callable[[], list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    key = ingest("mouse1", 1)
    sprung = tmp_path / "sprung"
    trap = pickle.dumps(Trap(sprung))
    pickle.loads(trap)
    assert sprung.read_text() == "sprung"  # it would
    sprung.unlink()
    (database.raw / "trap.pt").write_bytes(trap)
    length = len(trap).to_bytes(8, "little")
    one = (1).to_bytes(8, "little")
    objects = b"A" + one + one + b"\5\0\0\0\0\0\0\0" + length + trap  # an array of one object
    blobs = [trap, b"dj0\0" + trap, b"mYm\0" + trap, b"ZL123\0" + length + trap, b"dj0\0" + objects]
    schema = f"`{database.prefix}facial_behavior_estimation`"
    with database.connect("analyst") as connection, connection.cursor() as cursor:
        for number, blob in enumerate(blobs, 10):
            cursor.execute(
                f"INSERT INTO {schema}.face_rhythm_r_o_i "
                "(subject, session_id, recording_id, roi_id, rois_sha256, seed_mask) "
                "VALUES ('mouse1', 1, 0, %s, '', %s)",
                (number, blob),
            )
        cursor.execute(
            f"INSERT INTO {schema}.`~~recording_info` "
            "(subject, session_id, recording_id, status, priority, error_stack) "
            "VALUES ('mouse1', 1, 0, 'error', 5, %s)",
            (trap,),
        )
        assert database.python("viewer", READ_ERROR_STACK).split() == ["unreadable"]
        cursor.execute(f"DELETE FROM {schema}.`~~recording_info`")
    digest = hashlib.sha256(trap).hexdigest()
    enter(database, PICKLES.format(key=key, n_blobs=len(blobs), digest=digest))
    errors = work()
    tables = [row["table"] for row in errors]
    assert sorted(tables) == ["FaceRhythmProcessing"] * len(blobs) + ["KeypointInference"]
    assert "weights" in errors[-1]["error"]
    assert not sprung.exists()


def test_text_is_never_sql(
    database: SharedDatabase, ingest: Ingest, video: Path, tmp_path: Path
) -> None:
    from element_facerhythm.keypoints.formats import read_predictions, write_predictions
    from element_facerhythm.keypoints.predictions import Predictions

    drop = f"'; DROP TABLE `{database.prefix}subject`.`subject`; --"
    names = ["';DROP--", "\"OR\\' %s"]  # a subject has eight characters at most
    n_tables = database.query(ADMINISTRATOR, "SELECT COUNT(*) FROM information_schema.tables")
    for subject in names:
        assert ingest(subject, 1)["subject"] == subject
    params = video.with_name("params.json")
    files = (video, "--rois", video.with_name("rois.json"), "--params", params)
    too_long = database.facerhythm(
        ADMINISTRATOR, "ingest", *files, "--subject", drop, "--session", 1, "--no-populate"
    )
    assert too_long.returncode == 2
    assert "characters" in too_long.stderr
    rows = database.query("viewer", f"SELECT subject FROM `{database.prefix}subject`.`subject`")
    assert set(names) <= {subject for (subject,) in rows}

    # body parts and the name of a model go in, are computed with, and come out again
    rng = np.random.default_rng(0)
    parts = (drop[:64], '") OR ("1"="1')
    planted = Predictions(rng.uniform(0, 100, (90, 1, 2, 2)), rng.random((90, 1, 2)), parts)
    (path,) = write_predictions(planted, database.raw / "odd.csv", "lightningpose")
    where = ("--subject", names[0], "--session", 1)
    database.facerhythm_json(
        "analyst", "import", "keypoints", path, "--from", "LightningPose", *where, "--model-name", drop[:64],
        "--add-body-parts", "--no-populate",
    )  # fmt: skip
    worked = database.facerhythm("worker", *WORK, "--json")
    assert json.loads(worked.stdout)["n_failed"] == 0, worked.stderr
    out = tmp_path / "out.nwb"
    exported = database.facerhythm(
        "viewer", "export", "keypoints", "--to", "nwb", "-o", out, *where
    )
    assert exported.returncode == 0, exported.stderr
    back = read_predictions(out, "NWB")
    assert set(back.body_parts) == set(parts)
    strange = database.facerhythm(
        "viewer", "export", "keypoints", "--to", "nwb", "-o", out, "--subject", drop
    )
    assert strange.returncode == 2
    state = database.facerhythm_json("viewer", "status", "--errors")
    assert state["tables"]["RecordingInfo"]["done"] == len(names)
    assert (
        database.query(ADMINISTRATOR, "SELECT COUNT(*) FROM information_schema.tables") == n_tables
    )
