"""Figures that a process of their own draws are the ones that are drawn here, whatever becomes of it."""

import sys
from pathlib import Path
from typing import Any

import pytest

from element_facerhythm.figures.write import ASKED_FOR, NEEDED
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline import NullProgress, run_project
from element_facerhythm.pipeline.results import drawing_beside
from element_facerhythm.pipeline.results.drawing import write_all
from element_facerhythm.pipeline.results.drawing_beside import FiguresBeside
from element_facerhythm.pipeline.results.filming import write_tracking_movie

LAST_STAGE_BEFORE = "spectral_analysis"
DRAWN = [f"{name}.png" for name in NEEDED if name not in ASKED_FOR]


@pytest.fixture(scope="module")
def project_dir(recording: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("beside") / "project"
    stages: list[str] = []
    run_project(recording.request(directory), on_stage=stages.append)
    assert stages == ["dataset", "rois", "point_tracking", LAST_STAGE_BEFORE, "decomposition"]
    return directory


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_beside, "n_cores", lambda: 2)


def pictures(paths: tuple[Path, ...]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths}


def test_figures_are_the_same_beside_a_run_as_after_it(project_dir: Path, tmp_path: Path) -> None:
    with FiguresBeside(project_dir) as drawing:
        drawing.on_stage("rois")
        assert drawing._process is None
        drawing.on_stage(LAST_STAGE_BEFORE)
        assert drawing._process is not None
        beside = drawing.finish(NullProgress())
    after = write_all(Project.open(project_dir), tmp_path)
    assert beside.notes == after.notes == ()
    assert list(pictures(beside.paths)) == DRAWN
    assert pictures(beside.paths) == pictures(after.paths)
    assert beside.movies == (project_dir / "visualizations" / "tracking.mp4",)
    assert write_tracking_movie(Project.open(project_dir), tmp_path) == (
        (tmp_path / "tracking.mp4",),
        (),
    )
    assert beside.movies[0].read_bytes() == (tmp_path / "tracking.mp4").read_bytes()


def test_where_the_process_fails_figures_are_drawn_here_and_it_is_said(
    project_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for broken in ("/bin/false", "/no/such/python"):
        with monkeypatch.context() as patch, FiguresBeside(project_dir) as drawing:
            patch.setattr(sys, "executable", broken)
            drawing.on_stage(LAST_STAGE_BEFORE)
            drawn = drawing.finish(NullProgress())
        assert len(drawn.paths) == len(DRAWN) and len(drawn.movies) == 1
    first, second = (record.getMessage() for record in caplog.records)
    assert "ended with code 1" in first and "drawn after the run" in second


def test_a_run_that_fails_stops_the_drawing_and_leaves_no_part_of_a_file(project_dir: Path) -> None:
    drawing = FiguresBeside(project_dir)
    with pytest.raises(KeyboardInterrupt), drawing:
        drawing.on_stage(LAST_STAGE_BEFORE)
        raise KeyboardInterrupt
    assert drawing._process is not None and drawing._process.returncode == -9
    assert not list((project_dir / "visualizations").glob("*.part"))


def test_a_movie_that_fails_is_a_note_and_costs_no_figure(
    project_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing_beside, "n_cores", lambda: 1)
    monkeypatch.setattr(Project, "video_paths", ("/nowhere/cam.mp4",))
    with FiguresBeside(project_dir) as drawing:
        drawing.on_stage(LAST_STAGE_BEFORE)
        drawn = drawing.finish(NullProgress())
    assert len(drawn.paths) == len(DRAWN) and drawn.movies == ()
    (note,) = drawn.notes
    assert note.startswith("the movie tracking.mp4 could not be written: video cam.mp4")
