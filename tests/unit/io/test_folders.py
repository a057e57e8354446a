"""Open directories: what is written and deleted stays in them, whatever becomes a link meanwhile."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from element_facerhythm.errors import PathError, ProjectChangedError
from element_facerhythm.io.atomic import atomic_path, remove_leftovers, writing_inside
from element_facerhythm.io.folders import (
    OpenDirectory,
    clear_directory,
    read_small,
    write_small,
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a folder, beside somebody else's files."""
    (tmp_path / "project" / "folder").mkdir(parents=True)
    (tmp_path / "victim").mkdir()
    for name in ("result", ".old.part"):
        (tmp_path / "victim" / name).write_text("theirs")
    return tmp_path


def theirs(place: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (place / "victim").iterdir()}


def exchange(place: Path) -> None:
    shutil.rmtree(place / "project" / "folder")
    (place / "project" / "folder").symlink_to(place / "victim")


def test_a_folder_that_becomes_a_link_while_a_file_is_written_gets_nothing(place: Path) -> None:
    before = theirs(place)
    target = place / "project" / "folder" / "result"
    with (
        writing_inside(place / "project"),
        pytest.raises(ProjectChangedError, match="became a symbolic link"),
        atomic_path(target) as temporary,
    ):
        temporary.write_text("ours")
        exchange(place)
    assert theirs(place) == before
    with writing_inside(place / "project"), pytest.raises(ProjectChangedError):
        remove_leftovers(place / "project" / "folder")
    assert theirs(place) == before


def test_a_directory_that_is_another_one_meanwhile_gets_nothing(place: Path) -> None:
    project = place / "project"
    with (
        writing_inside(project),
        pytest.raises(ProjectChangedError, match="was replaced by another one"),
        atomic_path(project / "result") as temporary,
    ):
        temporary.write_text("ours")
        project.rename(place / "moved")
        project.mkdir()
        temporary.write_text("ours")
    assert not list(project.iterdir())
    with pytest.raises(PathError, match="does not exist"):
        OpenDirectory(place / "none")
    with OpenDirectory(place / "new" / "er", make=True):
        assert (place / "new" / "er").is_dir()


def test_leftovers_are_files(place: Path) -> None:
    folder = place / "project" / "folder"
    (folder / ".a.part").touch()
    (folder / ".b.part").symlink_to(place / "victim" / "result")
    (folder / ".c.part").mkdir()
    assert [path.name for path in remove_leftovers(folder)] == [".a.part", ".b.part"]
    assert [path.name for path in folder.iterdir()] == [".c.part"]
    assert theirs(place)["result"] == "theirs"


def test_a_tree_is_deleted_to_any_depth_and_no_link_is_followed(place: Path) -> None:
    top = place / "project"
    (top / "folder" / "link").symlink_to(place / "victim")
    os.mkfifo(top / "folder" / "pipe")
    descriptor = os.open(top / "folder", os.O_RDONLY)
    for _ in range(3000):  # deeper than Python calls, and longer than a path can say
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    with OpenDirectory(top) as root:
        clear_directory(root.descriptor)
    assert not list(top.iterdir())
    assert len(theirs(place)) == 2


@pytest.mark.mounting
def test_what_is_mounted_in_a_tree_stays(place: Path) -> None:
    """A bind mount is of the same device, so that its number alone says nothing."""
    inside = place / "project" / "folder"
    (place / "project" / "ours").touch()
    subprocess.run(["mount", "--bind", str(place / "victim"), str(inside)], check=True)
    try:
        with OpenDirectory(place / "project") as root, pytest.raises(OSError, match="mounted"):
            clear_directory(root.descriptor)
        assert len(theirs(place)) == 2
        assert not (place / "project" / "ours").exists()
    finally:
        subprocess.run(["umount", "--lazy", str(inside)], check=True)


def test_small_files_are_neither_read_nor_written_through_links(place: Path) -> None:
    with OpenDirectory(place / "project") as root:
        for name in ("beat", "pipe", "folder", "none"):
            if name == "beat":
                (place / "project" / name).symlink_to(place / "victim" / "result")
            elif name == "pipe":
                os.mkfifo(place / "project" / name)
            assert read_small(name, folder=root.descriptor) == ""
        write_small(root.descriptor, "beat", "ours")
        assert read_small("beat", folder=root.descriptor) == "ours"
        assert read_small("beat", folder=root.descriptor, owner=os.geteuid() + 1) == ""
    assert theirs(place)["result"] == "theirs"
