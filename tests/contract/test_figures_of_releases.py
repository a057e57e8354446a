"""Projects that face-rhythm's releases wrote are drawn without their videos, into wherever may be written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest

from element_facerhythm.figures.components import component_panels
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_factors import project_courses, project_factors
from element_facerhythm.pipeline.run.lock import project_lock
from tests.contract.test_load_mode import R, W, arrays, reading_order, write_project

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
NAMES = ["rois", "displacements", "violations", "spectrogram", "components", "cycles"]


@pytest.mark.parametrize("release", ["0.1", "0.2", "0.3"])
@pytest.mark.parametrize("n_videos", [1, 11])
def test_every_release_is_drawn(
    release: str, n_videos: int, tmp_path: Path, facerhythm: Command
) -> None:
    project = write_project(tmp_path / "p", release, n_videos)
    outcome = facerhythm("figures", project, "--json")
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    assert told["files"] == [str(project / "visualizations" / f"{name}.png") for name in NAMES]
    assert told["notes"] == []
    assert all(cv2.imread(path) is not None for path in told["files"])


def test_eleven_joined_videos_are_told_apart(tmp_path: Path) -> None:
    """face-rhythm joins them in the order 0, 1, 10, 2 ..."""
    project = Project.open(write_project(tmp_path / "p", "0.3", 11))
    joined = arrays(11)["factors"][2].reshape(11, W, R)
    courses = project_courses(project, project_factors(project, "0"))
    assert len(courses) == 11 * R
    for course in courses:
        place = reading_order(11).index(str(course.video_index))
        np.testing.assert_array_equal(course.loadings, joined[place, :, course.component_index])
    pictures = component_panels(project)
    assert [len(picture.time_courses) for picture in pictures] == [11] * R
    starts = [times[0] for times, _ in pictures[0].time_courses]
    assert starts == sorted(starts)


def test_what_must_not_be_written_is_drawn_elsewhere(tmp_path: Path, facerhythm: Command) -> None:
    project = write_project(tmp_path / "p", "0.3", 1)
    (project / "visualizations").symlink_to(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    refused = facerhythm("figures", project)
    assert refused.code == 2 and "give another directory for the figures (-o)" in refused.err
    assert sorted(tmp_path.rglob("*")) == before
    outcome = facerhythm("figures", project, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == sorted(NAMES)
    blocked = facerhythm("figures", project, "-o", project / "config.yaml" / "out")
    assert blocked.code == 2 and "config.yaml is a file" in blocked.err


def test_a_project_that_a_run_is_writing(tmp_path: Path, facerhythm: Command) -> None:
    project = write_project(tmp_path / "p", "0.3", 1)
    with project_lock(project):
        refused = facerhythm("figures", project)
    assert refused.code == 2 and f"a run is writing {project}" in refused.err
    assert not (project / "visualizations").exists()
    assert facerhythm("figures", project).code == 0


def test_what_is_unfinished_damaged_or_no_project(tmp_path: Path, facerhythm: Command) -> None:
    project = write_project(tmp_path / "p", "0.3", 1)
    products = project / "analysis_files"
    (products / "TCA.h5").rename(tmp_path / "TCA.h5")
    (products / "TCA.h5").write_bytes(b"no HDF5")
    damaged = facerhythm("figures", project, "-o", tmp_path / "a", "--json")
    assert damaged.code == 2 and "TCA.h5 is damaged" in damaged.err
    assert not (tmp_path / "a").exists()
    (tmp_path / "TCA.h5").replace(products / "TCA.h5")
    with h5py.File(products / "TCA.h5", "a") as file:
        del file["factors/0/frequency"]
    odd = facerhythm("figures", project, "-o", tmp_path / "a", "--json")
    assert odd.code == 1
    told = json.loads(odd.out)
    assert [Path(path).stem for path in told["files"]] == NAMES[:-2]
    for name, note in zip(NAMES[-2:], told["notes"], strict=True):
        assert note.startswith(f"figure {name} could not be drawn: ") and "frequency" in note
    (products / "TCA.h5").unlink()
    (products / "VQT_Analyzer.h5").unlink()
    unfinished = facerhythm("figures", project, "-o", tmp_path / "b", "--json")
    assert unfinished.code == 0
    assert [note.partition(":")[0] for note in json.loads(unfinished.out)["notes"]] == [
        f"figure {name} is left out" for name in NAMES[1:]
    ]
    for path in products.iterdir():
        path.unlink()
    assert facerhythm("figures", project).code == 2
    nothing = facerhythm("figures", tmp_path / "missing")
    assert nothing.code == 2 and "is not a directory" in nothing.err


@pytest.mark.reference
def test_the_real_one(reference_data: Path, tmp_path: Path, facerhythm: Command) -> None:
    outcome = facerhythm("figures", reference_data / "project", "-o", tmp_path, "--json")
    assert outcome.code == 0 and len(json.loads(outcome.out)["files"]) == 6
