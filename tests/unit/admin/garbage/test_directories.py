"""Removal of directories that no row refers to: no link is followed, and nothing that is mounted goes."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from element_facerhythm.admin.garbage.directories import (
    RENAMED,
    collect_directories,
    owned_directories,
    remove_directory,
)
from element_facerhythm.admin.garbage.references import References
from element_facerhythm.pipeline.run.lock import LOCK_NAME
from element_facerhythm.pipeline.run.ownership import OWNER

MINE = "lab"
NOTHING = References(frozenset(), frozenset())


@pytest.fixture
def processed(tmp_path: Path) -> Path:
    """A processed directory with one old project, beside somebody else's files."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "data.h5").write_text("theirs")
    make(tmp_path / "processed" / "session" / "project")
    return tmp_path / "processed"


def make(directory: Path) -> Path:
    (directory / "analysis_files").mkdir(parents=True)
    for name in (f"{OWNER}{MINE}", "run.json", "analysis_files/TCA.h5"):
        (directory / name).write_text("")
    return directory


def collect(processed: Path) -> tuple[Path, ...]:
    """Remove what is at least as old as now."""
    report = collect_directories(
        processed, MINE, lambda: NOTHING, 0.0, delete=True, allow_deleting_all=True
    )
    return report.removed


def test_an_orphan_goes_and_what_its_links_lead_to_stays(processed: Path) -> None:
    project, theirs = processed / "session" / "project", processed.parent / "theirs"
    (project / "folder").symlink_to(theirs)
    (project / "analysis_files" / "gone.h5").symlink_to("not-there")
    (project / f"{RENAMED}made-before").symlink_to(theirs)
    assert collect(processed) == (project,)
    assert not list((processed / "session").iterdir())
    assert (theirs / "data.h5").read_text() == "theirs"


def test_what_people_decided_is_no_garbage(processed: Path) -> None:
    curated = make(processed / "curated")
    (curated / "curation.json").write_text("{}")
    report = collect_directories(
        processed, MINE, lambda: NOTHING, 0.0, delete=True, allow_deleting_all=True
    )
    assert report.removed == (processed / "session" / "project",)
    assert report.curated == (curated,)
    assert (curated / "run.json").exists()
    # and where somebody decides between the look and the removal
    item = next(iter(owned_directories(processed, MINE)))
    assert not remove_directory(item, lambda: NOTHING, 0.0, processed)
    (curated / "curation.json").unlink()
    assert collect(processed) == (curated,)


def test_a_mark_that_is_a_link_makes_no_directory_ours(processed: Path) -> None:
    theirs = processed.parent / "theirs"
    (processed / "link").symlink_to(theirs)
    for name in ("linked", "a-folder"):
        other = make(processed / name)
        (other / f"{OWNER}{MINE}").unlink()
    (processed / "linked" / f"{OWNER}{MINE}").symlink_to("run.json")
    (processed / "a-folder" / f"{OWNER}{MINE}").mkdir()
    assert [item.path.name for item in owned_directories(processed, MINE)] == ["project"]


def test_a_place_that_was_exchanged_meanwhile_is_not_emptied(processed: Path) -> None:
    project = processed / "session" / "project"
    (item,) = owned_directories(processed, MINE)
    victim = make(processed.parent / "victim" / "project")
    before = sorted(victim.parent.rglob("*"))

    def exchange() -> References:
        (processed / "session").rename(processed / "away")
        (processed / "session").symlink_to(victim.parent)
        return NOTHING

    assert not remove_directory(item, exchange, -1.0, processed)
    assert (
        sorted(path for path in victim.parent.rglob("*") if LOCK_NAME not in path.parts) == before
    )
    assert [path.name for path in (processed / "away").iterdir()] == ["project"]
    assert project.exists()  # by way of the link


def test_a_directory_whose_lock_is_none_is_left_alone_and_others_go(processed: Path) -> None:
    odd = make(processed / "odd")
    (odd / LOCK_NAME).symlink_to(processed.parent / "theirs")
    assert collect(processed) == (processed / "session" / "project",)
    assert odd.is_dir()


def test_a_tree_deeper_than_any_path_is_no_obstacle(processed: Path) -> None:
    descriptor = os.open(processed, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    started = time.monotonic()
    assert collect(processed) == (processed / "session" / "project",)
    assert time.monotonic() - started < 30
    subprocess.run(["rm", "-rf", str(processed / "d")], check=True)


@pytest.mark.mounting
def test_a_directory_with_something_mounted_in_it_stays_whole(
    processed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project, theirs = processed / "session" / "project", processed.parent / "theirs"
    (project / "folder").mkdir()
    subprocess.run(["mount", "--bind", str(theirs), str(project / "folder")], check=True)
    try:
        assert collect(processed) == ()
        assert "something is mounted" in caplog.text
        assert (project / "run.json").exists() and (theirs / "data.h5").exists()
    finally:
        subprocess.run(["umount", "--lazy", str(project / "folder")], check=True)
