"""`facerhythm import element-facemap`: out of schemas that DataJoint 0.14 wrote, which stay as they are."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import ConfigurationError, RequestError
from element_facerhythm.keypoints.facemap_model import FACEMAP_BODY_PARTS
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.keypoints.product import write_keypoints
from tests.db.on_server.legacy_schemas import BOX, NO_BOX, REGIONS, TIME_KEY, LegacySchemas
from tests.unit.keypoints.training import PARTS, new_network, save_weights

Key = dict[str, Any]
SUBJECT = {"subject": "old1", "sex": "U", "subject_birth_date": "2026-01-01"}
DEVICE = {"device": "old camera", "modality": "video"}
SESSION = {"subject": "old1", "session_id": 180}
COMMAND = [sys.executable, "-m", "element_facerhythm", "import", "element-facemap"]
ON_MYSQL = pytest.mark.skipif(
    os.environ.get("FACERHYTHM_TEST_DATABASE") != "mysql", reason="DataJoint 0.14 wrote to MySQL"
)


def make(workflow: ModuleType, prefix: str, session_key: str | None = None) -> LegacySchemas:
    session, device = workflow.Session.full_table_name, workflow.Device.full_table_name
    more = () if session_key is None else (session_key,)
    return LegacySchemas(workflow.dj.conn().query, prefix, session, device, *more)


@pytest.fixture
def legacy(
    workflow: ModuleType, videos: list[Path], root_dir: Path, tmp_path: Path
) -> Iterator[LegacySchemas]:
    """Two recordings, three models and six tasks."""
    workflow.Subject.insert1(SUBJECT, skip_duplicates=True)
    workflow.Device.insert1(DEVICE, skip_duplicates=True)
    workflow.Session.insert1(
        {**SESSION, "session_datetime": "2026-03-01 10:00:00"}, skip_duplicates=True
    )
    device = DEVICE["device"]
    made = make(workflow, f"{workflow.prefix}old_")
    first, second = ({**SESSION, "recording_id": number} for number in (0, 1))
    svd, inference = made.svd, made.inference
    made.insert(svd, "video_recording", *({**key, "device": device} for key in (first, second)))
    made.insert(
        svd, "video_recording__file",
        {**first, "file_id": 1, "file_path": "mouse/part1.mp4"},
        {**first, "file_id": 0, "file_path": "mouse/part0.mp4"},
        {**second, "file_id": 0, "file_path": "gone/other.mp4"},
    )  # fmt: skip
    made.insert(
        svd, "_recording_info",
        {**first, "px_height": 120, "px_width": 160, "nframes": 180, "fps": 59, "recording_duration": 3.05},
    )  # fmt: skip
    made.insert(
        svd, "facemap_task",
        {**first, "facemap_task_id": 3, "facemap_params": REGIONS, "task_description": "nose"},
        {**second, "facemap_task_id": 0, "facemap_params": NO_BOX},
    )  # fmt: skip
    made.insert(
        inference, "#body_part", *({"body_part": p} for p in {*FACEMAP_BODY_PARTS, *PARTS, "tail"})
    )
    published = save_weights(new_network(n_outputs=15, seed=9).eval(), tmp_path / "published.pt")
    own = save_weights(new_network(n_outputs=4, seed=9).eval(), tmp_path / "own.pt")
    models = {
        900: ("default", published, {*FACEMAP_BODY_PARTS, "tail"}),
        901: ("own", own, set(PARTS)),
        902: ("predicted", None, set(PARTS)),
    }
    for number, (name, path, parts) in models.items():
        model = {"model_id": number}
        made.insert(inference, "facemap_model", {**model, "model_name": name})
        made.insert(
            inference, "facemap_model__body_part", *({**model, "body_part": p} for p in parts)
        )
        if path is not None:
            content = path.name.encode() + b"\0" + path.read_bytes()
            made.insert(inference, "facemap_model__file", {**model, "model_file": content})
    made.insert(
        inference, "facemap_inference_task",
        *(
            {**key, "model_id": number, "facemap_inference_output_dir": place, "task_mode": mode,
             "bbox": box, "task_description": f"{mode} {number}"}
            for key, number, place, mode, box in (
                (first, 900, "outbox", "trigger", BOX),
                (first, 901, "outbox", "trigger", NO_BOX),
                (first, 902, str(root_dir / "old_outbox"), "load", NO_BOX),
                (second, 902, "nowhere", "load", None),
            )
        ),
    )  # fmt: skip
    (root_dir / "old_outbox").mkdir(exist_ok=True)
    tracks = np.random.default_rng(0).uniform(10, 90, (180, 1, len(PARTS), 2))
    predictions = Predictions(tracks, tracks[..., 0] / 100, tuple(PARTS))
    write_keypoints(root_dir / "old_outbox" / "part0_FacemapPose.h5", predictions, {})
    try:
        yield made
    finally:
        copied = workflow.facial_behavior_estimation.VideoRecording & SESSION
        copied.delete(prompt=False)
        made.drop()


def count_rows(fbe: ModuleType, kpi: ModuleType) -> list[int]:
    tables = (
        fbe.VideoRecording, fbe.VideoRecording.File, fbe.FaceRhythmROI, fbe.FaceRhythmTask,
        kpi.KeypointModel, kpi.KeypointModel.Weights, kpi.KeypointInferenceTask,
    )  # fmt: skip
    return [len(table()) for table in tables]


@ON_MYSQL
def test_everything_is_copied_once_and_nothing_is_written_there(
    legacy: LegacySchemas,
    workflow: ModuleType,
    fbe: ModuleType,
    kpi: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query = workflow.dj.conn().query
    account = "'frtest_importer'@'%%'"
    query(f"CREATE USER {account} IDENTIFIED BY 'secret'")
    for schema in workflow.SCHEMAS:
        query(f"GRANT ALL ON `{schema.database}`.* TO {account}")
    for schema_name in (legacy.svd, legacy.inference):
        query(f"GRANT SELECT ON `{schema_name}`.* TO {account}")
    environment = {**os.environ, "DJ_USER": "frtest_importer", "DJ_PASS": "secret"}

    def run(*options: str) -> dict[str, Any]:
        done = subprocess.run(
            [*COMMAND, *options, "--json"], env=environment, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    there, before = legacy.content(), count_rows(fbe, kpi)
    try:
        tried = run("--schema-prefix", f"{workflow.prefix}old_", "--dry-run")
        assert count_rows(fbe, kpi) == before
        done = run("--from", legacy.svd, "--from", legacy.inference)
        again = run("--from", legacy.svd, "--from", legacy.inference)
    finally:
        query(f"DROP USER {account}")
    assert legacy.content() == there
    assert tried["new_rows"] == done["new_rows"] == again["rows_there"]
    assert not again["new_rows"]
    assert done["new_rows"] == {
        "VideoRecording": 2, "VideoRecording.File": 3, "KeypointModel": 2, "KeypointInferenceTask": 2,
        "KeypointInferenceTask.File": 1, "FaceRhythmROI": 1, "FaceRhythmTask": 1,
    }  # fmt: skip
    told = "\n".join(done["notes"])
    for text in (
        "1 of 3 video files are not below the data directories of this machine (gone/other.mp4)",
        "model 901 (own) is left out: its network has 4 outputs",
        "model 900 finds facemap's 15 body parts; there it was entered with 16",
        "'recording_id': 1, 'model_id': 902} is left out: its predictions are not found in nowhere",
        "'recording_id': 0, 'model_id': 901} is left out with its model",
        "'facemap_task_id': 0} is left out: its parameters hold no region of motion",
        "regions that seed no points are left out (Pupil_1)",
    ):
        assert text in told, told
    first = {**SESSION, "recording_id": 0}
    task = (kpi.KeypointInferenceTask & first & {"model_id": 900}).fetch1()
    assert (task["inference_task_mode"], task["bbox"]) == ("trigger", [10, 150, 5, 115])
    polygon = (fbe.FaceRhythmROI.Polygon & first).fetch1()
    assert (polygon["roi_name"], polygon["region_kind"]) == ("motion SVD_0", "motion")
    assert polygon["vertices"] == [[40, 40], [120, 40], [120, 90], [40, 90]]

    # the model is here, and predictions are loaded
    file = (kpi.KeypointModel.File & {"model_id": 900}).fetch1()
    assert (file["model_file_name"], file["model_file_path"]) == ("published.pt", "")
    monkeypatch.setenv("FACERHYTHM_CACHE_DIR", str(tmp_path / "cache"))
    weights = kpi.KeypointModel.weights_file({"model_id": 900})
    assert weights.read_bytes() == (tmp_path / "published.pt").read_bytes()
    fbe.RecordingInfo.populate(first)
    kpi.KeypointInference.populate({**first, "model_id": 902})
    loaded = kpi.KeypointInference.get_trajectory({**first, "model_id": 902}, "eye")
    assert loaded.shape == (180, 3)


@ON_MYSQL
def test_what_cannot_be_copied_is_refused_before_a_row_is_written(
    legacy: LegacySchemas, workflow: ModuleType, fbe: ModuleType, kpi: ModuleType
) -> None:
    from element_facerhythm.ingest.element_facemap import import_element_facemap

    before = count_rows(fbe, kpi)
    for names, match in (
        ((), "say which schemas to read"),
        (("no_such_schema",), "there is no schema no_such_schema"),
        ((legacy.inference,), r"expected one schema with Element Facemap's recordings"),
        ((fbe.schema.database,), r"found none and none; name them with --from"),
    ):
        with pytest.raises(RequestError, match=match):
            import_element_facemap(names)
    damaged = {"bbox": b"no blob", "task_description": "damaged"}
    names = (legacy.svd, legacy.inference)
    legacy.query(
        f"UPDATE `{legacy.inference}`.facemap_inference_task SET bbox = %s WHERE model_id = 900",
        args=(damaged["bbox"],),
    )
    with pytest.raises(RequestError, match=r"bbox of FacemapInferenceTask .* is no blob"):
        import_element_facemap(names)
    assert count_rows(fbe, kpi) == before
    other = make(workflow, f"{workflow.prefix}more_")
    session = {**SESSION, "session_id": 181}
    legacy.query("SET FOREIGN_KEY_CHECKS=0")
    other.insert(other.svd, "video_recording", {**session, "recording_id": 0, "device": "nobody's"})
    legacy.query("SET FOREIGN_KEY_CHECKS=1")
    try:
        with pytest.raises(ConfigurationError, match=r"1 entries of Session are missing .*181"):
            import_element_facemap((other.svd,))
    finally:
        other.drop()
    assert count_rows(fbe, kpi) == before


@ON_MYSQL
def test_sessions_with_another_key_are_refused(workflow: ModuleType) -> None:
    from element_facerhythm.ingest.element_facemap import import_element_facemap

    query, name = workflow.dj.conn().query, f"{workflow.prefix}timed"
    query(f"CREATE DATABASE `{name}`")
    query(f"CREATE TABLE `{name}`.session ({TIME_KEY}, PRIMARY KEY (subject, session_datetime))")
    made = LegacySchemas(
        query, f"{name}_", f"`{name}`.session", workflow.Device.full_table_name, TIME_KEY
    )
    try:
        with pytest.raises(
            ConfigurationError, match=r"have the key \(subject, session_datetime\), and Session of"
        ):
            import_element_facemap((made.svd,))
    finally:
        made.drop()
        query(f"DROP DATABASE `{name}`")


@pytest.mark.skipif(
    os.environ.get("FACERHYTHM_TEST_DATABASE") == "mysql", reason="MySQL may have such schemas"
)
def test_a_server_that_never_had_such_schemas_says_so(workflow: ModuleType) -> None:
    from element_facerhythm.ingest.element_facemap import import_element_facemap

    with pytest.raises(RequestError, match=r"DataJoint 0\.14 wrote to MySQL and MariaDB only"):
        import_element_facemap(prefix="lab_")
