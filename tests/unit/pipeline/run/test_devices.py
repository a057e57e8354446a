"""Which device a stage runs on, and that it is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from element_facerhythm.core.rois import Rois
from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, check_request
from element_facerhythm.pipeline.records import STAGES, StageRecord
from element_facerhythm.pipeline.run import tracking_stage
from element_facerhythm.pipeline.run.runner import device_notes

TREE = {
    "VQT_Analyzer": {"params_VQT": {"F_min": 6.0, "F_max": 25.0, "Q_lowF": 2.0, "Fs_sample": 60.0}}
}


@pytest.mark.parametrize(
    ("compat", "device", "backend"),
    [("face-rhythm", "cpu", "opencv"), (None, "cuda:0", "compiled")],
)
def test_face_rhythms_own_numbers_are_tracked_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compat: str | None, device: str, backend: str
) -> None:
    """Also where the other stages compute on a GPU: OpenCV alone is bit for bit."""
    video = tmp_path / "v.mp4"
    make_scene_video(video, n_frames=60, width_px=96, height_px=64, frame_rate_hz=60.0)
    square = np.array([[20.0, 20.0], [70.0, 20.0], [70.0, 50.0], [20.0, 50.0]])
    parameters = parameters_from_mapping({**TREE, "compat": compat}).parameters
    request = RunRequest((video,), Rois((square,)), parameters, tmp_path / "p", "cpu")
    checked = replace(check_request(request), device=torch.device("cuda:0"))
    told: dict[str, object] = {}
    monkeypatch.setattr(
        tracking_stage, "track_videos", lambda *_, **how: told.update(how, settings=_[2]) or []
    )
    mesh = tracking_stage.tracking_mesh(parameters, checked.placed.point_positions)
    tracking_stage.track_as_asked(checked, mesh, [])
    assert (told["device"], told["backend"]) == (device, backend)
    assert told["settings"].refine == (compat is None)


def test_stages_on_several_devices_are_told() -> None:
    devices = {"point_tracking": "cpu", "decomposition": "cuda:0"}
    records = [
        StageRecord(stage, 1.0, False, "2026-01-01T00:00:00+00:00", devices.get(stage, "cpu"))
        for stage in STAGES
    ]
    (note,) = device_notes(records)
    assert "point_tracking, spectral_analysis on cpu; decomposition on cuda:0" in note
    assert device_notes(records[:-1]) == ()
