"""Verbs that need a database: `ingest`, `status`, `worker`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Command = Callable[..., Any]  # the fixture `facerhythm`: arguments to code, out, err

FACERHYTHM = [sys.executable, "-c", "from element_facerhythm.cli import main; main()"]
SESSION = 71
ROIS = {"points": [[[40, 40], [120, 40], [120, 90], [40, 90]]]}
PARAMETERS = {
    "ROIs": {"make_rois": {"point_spacing": 16}},
    "VQT_Analyzer": {
        "params_VQT": {"Q_lowF": 2, "Q_highF": 4, "F_min": 3, "F_max": 25, "n_freq_bins": 8}
    },
    "TCA": {"fit": {"params_method": {"rank": 3, "n_iter_max": 10}}},
}


@pytest.fixture
def facerhythm(workflow: ModuleType, facerhythm: Callable[..., Any]) -> Callable[..., Any]:
    """Run the command in this process, which is connected already."""
    return facerhythm


@pytest.fixture
def options(videos: list[Path], tmp_path: Path) -> tuple[object, ...]:
    """Arguments of `ingest` for one video."""
    rois, params = tmp_path / "rois.json", tmp_path / "params.json"
    rois.write_text(json.dumps(ROIS))
    params.write_text(json.dumps(PARAMETERS))
    return (videos[0], "--rois", rois, "--params", params, "--subject", "mouse1")


def table_counts(facerhythm: Command) -> dict[str, dict[str, int]]:
    outcome = facerhythm("status", "--json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)["tables"]


def test_ingest_registers_populates_and_can_be_repeated(
    facerhythm: Command, options: tuple[object, ...], fbe: ModuleType
) -> None:
    before = table_counts(facerhythm)
    first = facerhythm("ingest", *options, "--session", SESSION, "--json")
    assert first.code == 0, first.err
    result = json.loads(first.out)
    assert result["populated"]
    assert result["rows"]["FacialRhythm.Component"] == 3
    assert result["new_rows"]["VideoRecording"] == 1
    assert len(fbe.FacialRhythm & result["key"]) == 1

    again = json.loads(facerhythm("ingest", *options, "--session", SESSION, "--json").out)
    assert again["key"] == result["key"]
    assert not any(again["new_rows"].values())
    after = table_counts(facerhythm)
    assert {name: counts["done"] - before[name]["done"] for name, counts in after.items()} == {
        "RecordingInfo": 1, "FaceRhythmProcessing": 1, "FacialRhythm": 1,
        "FacialRhythmReport": 0, "FacialSignal": 0, "SignalRhythm": 0, "ComponentRhythm": 1,
        "RhythmBout": 1, "KeypointInference": 0, "KeypointRhythm": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recording", 0, "--session", SESSION + 1, "--subject", "far too long"], "far too long"),
        (["--session", SESSION + 1, "--rois", "gone.json"], "gone.json"),
        (["--session", SESSION + 1, "--project", "elsewhere"], "--project"),
        (["--session", SESSION + 1, "--params", "gone.json"], "gone.json"),
    ],
)
def test_a_wrong_ingest_exits_with_2_and_enters_nothing(
    facerhythm: Command,
    options: tuple[object, ...],
    workflow: ModuleType,
    arguments: list[object],
    message: str,
) -> None:
    outcome = facerhythm("ingest", *options, *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.out == ""
    assert not workflow.Session & {"session_id": SESSION + 1}


def test_a_video_outside_the_roots_enters_nothing(
    facerhythm: Command,
    options: tuple[object, ...],
    workflow: ModuleType,
    tmp_path: Path,
) -> None:
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(Path(str(options[0])).read_bytes())
    outcome = facerhythm("ingest", outside, *options[1:], "--session", SESSION + 1)
    assert outcome.code == 2
    assert "outside.mp4" in outcome.err
    assert not workflow.Session & {"session_id": SESSION + 1}


def test_status_counts_and_explains_failed_jobs(
    facerhythm: Command,
    fbe: ModuleType,
    register: Callable[..., dict[str, Any]],
    root_dir: Path,
    videos: list[Path],
) -> None:
    copy = root_dir / "vanishes.mp4"
    copy.write_bytes(videos[0].read_bytes())
    key = register(SESSION + 2, [copy])
    copy.unlink()
    worked = facerhythm("worker", "--exit-when-idle", "--retry-delay", "0", "--json")
    assert worked.code == 1
    assert json.loads(worked.out) == {"n_done": 0, "n_failed": 1, "stopped_by": "idle"}
    assert "vanishes.mp4" in worked.err
    status = json.loads(facerhythm("status", "--json").out)
    assert status["tables"]["RecordingInfo"]["failed"] == 1
    assert [row["table"] for row in status["errors"]] == ["RecordingInfo"]
    assert "vanishes.mp4" in status["errors"][0]["error"]
    (fbe.RecordingInfo.jobs.errors & {"session_id": key["session_id"]}).delete_quick()
    (fbe.VideoRecording & key).delete()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_stopped_gives_its_job_back(
    facerhythm: Command,
    fbe: ModuleType,
    register: Callable[..., dict[str, Any]],
    root_dir: Path,
    signal_number: signal.Signals,
) -> None:
    from element_facerhythm.demo.synthetic import make_scene_video

    long = root_dir / "long.mp4"
    make_scene_video(long, n_frames=300, width_px=160, height_px=120, seed=int(signal_number))
    key = register(SESSION + 3 + int(signal_number), [long])
    jobs = fbe.FaceRhythmProcessing.jobs
    process = subprocess.Popen(
        [*FACERHYTHM, "worker", "--poll", "0.2"], env=dict(os.environ),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (jobs.is_declared and len(jobs.reserved)):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"no job was taken: {process.communicate()}")
        time.sleep(0.02)
    assert process.poll() is None
    process.send_signal(signal_number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "requeued" in err
    assert "stopped: signal" in out
    assert not fbe.FaceRhythmProcessing & key
    assert not len(jobs.reserved) and not len(jobs.errors)

    assert facerhythm("worker", "--exit-when-idle", "--retry-delay", "0").code == 0
    assert np.isfinite((fbe.FaceRhythmProcessing & key).fetch1("total_seconds"))
    assert len(fbe.FacialRhythm & key) == 1


def test_keypoints_go_in_and_out_again(
    facerhythm: Command, register: Callable[..., dict[str, Any]], root_dir: Path, tmp_path: Path
) -> None:

    from element_facerhythm.keypoints.formats import read_predictions, write_predictions
    from element_facerhythm.keypoints.predictions import Predictions

    register(61)
    rng = np.random.default_rng(0)
    positions, likelihood = rng.uniform(0, 100, (180, 1, 2, 2)), rng.random((180, 1, 2))
    predictions = Predictions(positions, likelihood, ("left ear", "tongue"))
    (path,) = write_predictions(predictions, root_dir / "cli.csv", "lightningpose")
    where = ("--subject", "mouse1", "--session", "61")
    refused = facerhythm("import", "keypoints", path, "--from", "LightningPose", *where)
    assert refused.code == 2
    assert "left ear, tongue is not entered" in refused.err
    done = facerhythm(
        "import", "keypoints", path, "--from", "LightningPose", *where, "--add-body-parts", "--json"
    )
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["rows"]["KeypointInference.BodyPartPosition"] == 2
    absent = facerhythm(
        "import",
        "keypoints",
        path,
        "--from",
        "LightningPose",
        "--subject",
        "nobody",
        "--session",
        "1",
    )
    assert absent.code == 2
    assert "is not in the database" in absent.err
    out = tmp_path / "out.nwb"
    exported = facerhythm("export", "keypoints", "--to", "nwb", "-o", out, *where, "--json")
    assert exported.code == 0, exported.err
    back = read_predictions(out, "NWB").reordered(predictions.body_parts)
    np.testing.assert_allclose(back.positions, positions)
    nothing = facerhythm("export", "keypoints", "--to", "nwb", "-o", out, "--subject", "mouse1")
    assert nothing.code == 2
