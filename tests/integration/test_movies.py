"""Movies of projects that a run made: the videos that were analysed are shown, and no others."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from element_facerhythm.errors import VideoError
from element_facerhythm.io.project import Project
from element_facerhythm.movies.source import frame_source
from element_facerhythm.pipeline import run_project
from element_facerhythm.video import iterate_rgb_frames

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def lab(recording: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of frames 30 to 119 of two videos of 90 and 70, and copies of both."""
    folder = tmp_path_factory.mktemp("lab")
    for video in recording.videos:
        shutil.copyfile(video, folder / video.name)
    videos = tuple(folder / video.name for video in recording.videos)
    run_project(recording.request(folder / "project", videos=videos, frames=(30, 120)))
    return folder


def test_frames_are_those_that_were_tracked(lab: Path) -> None:
    project = Project.open(lab / "project")
    for index, (name, start, stop) in enumerate((("first.mp4", 30, 90), ("second.mp4", 0, 30))):
        source = frame_source(project, index)
        expected = np.stack(list(iterate_rgb_frames(lab / name, start=start, stop=stop)))
        np.testing.assert_array_equal(np.stack(list(source.frames(0, stop - start))), expected)
        thinned = list(source.frames(4, 25, 3))
        np.testing.assert_array_equal(np.stack(thinned), expected[4:25:3])
        assert source.place(7) == (lab / name, start + 7)


def test_another_video_of_that_name_is_refused(lab: Path, tmp_path: Path) -> None:
    shutil.copytree(lab, tmp_path / "lab")
    project = Project.open(tmp_path / "lab" / "project")
    first, second = tmp_path / "lab" / "first.mp4", tmp_path / "lab" / "second.mp4"
    given = (first, second)
    assert frame_source(project, 0, given=given).parts[0].path == first
    second.replace(first)
    with pytest.raises(VideoError, match=r"first.mp4 is not the video that was analysed.*--video"):
        frame_source(project, 0, given=(first, first))
    with pytest.raises(VideoError, match=r"1 videos were given and .* is of 2"):
        frame_source(project, 0, given=(first,))


def test_a_project_that_moved_with_its_videos(
    lab: Path, tmp_path: Path, facerhythm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(lab, tmp_path / "lab")
    hidden = [video.rename(video.with_suffix(".hidden")) for video in lab.glob("*.mp4")]
    try:
        project = tmp_path / "lab" / "project"
        arguments = ("export", "movie", project, "--frames", "0:20", "--what", "arrows")
        beside = facerhythm(*arguments, "-o", tmp_path / "a.mp4", "--json")
        assert beside.code == 0, beside.err
        assert json.loads(beside.out)["frames"] == [0, 20]
        away = tmp_path / "raw" / lab.name
        away.mkdir(parents=True)
        for video in (tmp_path / "lab").glob("*.mp4"):
            video.rename(away / video.name)
        lost = facerhythm(*arguments, "-o", tmp_path / "b.mp4")
        assert lost.code == 2 and "first.mp4" in lost.err and not (tmp_path / "b.mp4").exists()
        monkeypatch.setenv("FACERHYTHM_ROOT_DATA_DIR", str(tmp_path / "raw"))
        assert facerhythm(*arguments, "-o", tmp_path / "b.mp4").code == 0
        assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    finally:
        for video in hidden:
            video.rename(video.with_suffix(".mp4"))


def test_a_damaged_project_is_refused(lab: Path, tmp_path: Path, facerhythm: Command) -> None:
    shutil.copytree(lab / "project", tmp_path / "project")
    product = tmp_path / "project" / "analysis_files" / "PointTracker.h5"
    content = bytearray(product.read_bytes())
    content[len(content) // 2] ^= 255
    product.write_bytes(content)
    refused = facerhythm("export", "movie", tmp_path / "project", "-o", tmp_path / "a.mp4")
    assert refused.code == 2 and "PointTracker" in refused.err
    assert not (tmp_path / "a.mp4").exists()
