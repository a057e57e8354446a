"""Which device a stage runs on, and that it is told."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, check_request
from element_facerhythm.pipeline.records import STAGES, StageRecord
from element_facerhythm.pipeline.run import check, tracking_stage
from element_facerhythm.pipeline.run.check import CheckedRequest
from element_facerhythm.pipeline.run.runner import device_notes

VQT = {"params_VQT": {"F_min": 6.0, "F_max": 25.0, "Q_lowF": 2.0, "Fs_sample": 60.0}}


@pytest.fixture
def checked_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Check a request as on a machine that has the device."""
    video = tmp_path / "v.mp4"
    make_scene_video(video, n_frames=60, width_px=96, height_px=64, frame_rate_hz=60.0)
    square = np.array([[20.0, 20.0], [70.0, 20.0], [70.0, 50.0], [20.0, 50.0]])

    def check_on(device: str, **tree: object) -> CheckedRequest:
        monkeypatch.setattr(check, "device_name", str)
        parameters = parameters_from_mapping({"VQT_Analyzer": VQT, **tree}).parameters
        return check_request(
            RunRequest((video,), Rois((square,)), parameters, tmp_path / "p", device)
        )

    return check_on


@pytest.mark.parametrize(("compat", "backend"), [("face-rhythm", "opencv"), (None, "compiled")])
def test_the_flow_is_computed_on_the_cpu_and_that_is_told(
    checked_on, monkeypatch: pytest.MonkeyPatch, compat: str | None, backend: str
) -> None:
    """Also where the other stages compute on a GPU."""
    checked = checked_on("cuda:0", compat=compat, PointTracker={"method": "flow"})
    (note,) = [note for note in checked.notes if "tracked on the CPU" in note]
    assert "the other stages compute on cuda:0" in note
    told: dict[str, object] = {}
    monkeypatch.setattr(
        tracking_stage, "track_videos", lambda *_, **how: told.update(how, settings=_[2]) or []
    )
    mesh = tracking_stage.tracking_mesh(checked.parameters, checked.placed.point_positions)
    tracking_stage.track_as_asked(checked, mesh, [])
    assert told["backend"] == backend
    assert told["settings"].refine == (compat is None)


def test_anchored_tracking_goes_to_the_device(checked_on, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = checked_on("cuda:0", PointTracker={"method": "anchored"})
    told: dict[str, object] = {}
    monkeypatch.setattr(tracking_stage, "track_anchored", lambda *_, **how: told.update(how) or [])
    mesh = tracking_stage.tracking_mesh(checked.parameters, checked.placed.point_positions)
    tracking_stage.track_as_asked(checked, mesh, [])
    assert told["device"] == "cuda:0"


def test_the_device_reads_the_frames_that_the_cpu_reads(checked_on) -> None:
    """PyAV stands in for a decoder there; parts of different levels are read as for the CPU."""
    checked = checked_on("cuda:0", PointTracker={"method": "anchored"})
    (sequence,) = checked.sequences
    part = replace(sequence.parts[0], first=7)
    later = replace(sequence, parts=(part,))
    reader = tracking_stage._gpu_reader(checked, later)()
    expected = list(islice(tracking_stage.frame_opener(later)(0), 5))
    np.testing.assert_array_equal(reader.read(0, 5).numpy(), expected)
    reader.close()
    other = replace(part, video=replace(part.video, level_low=16.0, level_high=235.0))
    assert tracking_stage._gpu_reader(checked, replace(sequence, parts=(part, other))) is None
    on_cpu = replace(checked, device="cpu")
    assert tracking_stage._gpu_reader(on_cpu, sequence) is None


@pytest.mark.parametrize(("device", "method"), [("cpu", "flow"), ("cuda:0", "anchored")])
def test_no_other_tracking_is_said_to_lack_a_gpu(checked_on, device: str, method: str) -> None:
    notes = checked_on(device, PointTracker={"method": method}).notes
    assert not [note for note in notes if "does not run on a GPU" in note]


def test_stages_on_several_devices_are_told() -> None:
    devices = {"point_tracking": "cpu", "decomposition": "cuda:0"}
    records = [
        StageRecord(stage, 1.0, False, "2026-01-01T00:00:00+00:00", devices.get(stage, "cpu"))
        for stage in STAGES
    ]
    (note,) = device_notes(records)
    assert "point_tracking, spectral_analysis on cpu; decomposition on cuda:0" in note
    assert device_notes(records[:-1]) == ()
