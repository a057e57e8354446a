"""Projects tracked against references and by flow, through all stages, interrupted, verified, in rows."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.errors import ProcessingError
from element_facerhythm.io.project import Project
from element_facerhythm.io.rois_file import write_rois
from element_facerhythm.parameters import Parameters, parameters_from_mapping
from element_facerhythm.pipeline import RunRequest, run_project, summarise_project
from element_facerhythm.pipeline.results.recompute import _recompute_tracking
from element_facerhythm.pipeline.run import tracking_stage
from tests.integration.conftest import SHORT


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path], Any]:
    directory = tmp_path_factory.mktemp("anchored")
    videos = [directory / f"{n}.mp4" for n in range(2)]
    scenes = [
        make_scene_video(video, n_frames=120, width_px=160, height_px=120, with_paw=False, seed=1)
        for video in videos
    ]
    write_rois(scenes[0].rois, directory / "rois.json")
    return directory, videos, scenes[0]


def parameters(method: str) -> Parameters:
    tree = {**SHORT, "PointTracker": {"method": method}}
    tree["ROIs"] = {"make_rois": {"point_spacing": 10}}
    return parameters_from_mapping(tree).parameters


def request(
    recording: tuple[Path, list[Path], Any], name: str, method: str = "anchored"
) -> RunRequest:
    directory, videos, _ = recording
    project_dir = directory / f"{name} {method}"
    return RunRequest(tuple(videos), directory / "rois.json", parameters(method), project_dir)


def test_tracks_are_displacements_and_rows_tell_how_sure_they_are(
    recording: tuple[Path, list[Path], Any],
) -> None:
    done = request(recording, "whole")
    run_project(done)
    project = Project.open(done.project_dir)
    scene = recording[2]
    home = project.point_positions
    for index in range(2):
        tracking = project.tracking(index)
        error = np.linalg.norm(tracking.points[:] - scene.true_positions(home), axis=2)
        assert np.median(error) < 0.15
        assert tracking.confidence is not None
    summary = summarise_project(done.project_dir)
    for number, video in enumerate(summary.videos):
        confidence = project.tracking(number).confidence
        assert confidence is not None and video.point_confidence is not None
        stored = np.asarray(confidence[:], float).mean(axis=0)
        np.testing.assert_allclose(video.point_confidence, stored)
    means = [v.point_confidence for v in summary.videos if v.point_confidence is not None]
    of_points = [point.point_mean_confidence for point in summary.points]
    np.testing.assert_allclose(of_points, np.mean(means, axis=0))
    again = _recompute_tracking(project, parameters("anchored"), random.Random(2))
    assert again.difference == 0


@pytest.mark.parametrize("method", ["anchored", "flow"])
def test_what_is_tracked_again_after_an_interruption_is_the_same(
    recording: tuple[Path, list[Path], Any], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """One video alone is left to track; references are still those of both."""
    done = request(recording, "whole", method)
    run_project(done)
    whole = Project.open(done.project_dir)
    stopped = request(recording, "stopped", method)
    finish = tracking_stage._Draft.finish

    def fail(draft: Any, tracked: Any) -> None:
        finish(draft, tracked)
        raise ProcessingError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(tracking_stage._Draft, "finish", fail)
        with pytest.raises(ProcessingError, match="the power went"):
            run_project(stopped)
    parts = tracking_stage.parts_directory(stopped.project_dir)
    if method == "anchored":
        assert [path.name for path in parts.iterdir()] == ["0.h5"]
    run_project(stopped)
    project = Project.open(stopped.project_dir)
    for index in range(2):
        one, other = project.tracking(index), whole.tracking(index)
        np.testing.assert_array_equal(one.points[:], other.points[:])
        for tracking in (one, other):
            assert (tracking.confidence is not None) == (method == "anchored")
        if one.confidence is not None and other.confidence is not None:
            np.testing.assert_array_equal(one.confidence[:], other.confidence[:])
        np.testing.assert_array_equal(one.violation_rows, other.violation_rows)
