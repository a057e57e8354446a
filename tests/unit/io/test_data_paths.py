"""Paths below a root: walked part by part, through no link that leaves it."""

from pathlib import Path

import pytest

from element_facerhythm.errors import PathError
from element_facerhythm.io.data_paths import (
    MAX_LINKS,
    expected_path,
    place_inside,
    relative_to_roots,
    resolve_new_path,
    resolve_path,
)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Two roots, of which one is named by a link, and a place outside."""
    for name in ("raw/mouse/a.mp4", "results/.git/annex/objects/k1/k1", "outside/secret.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "alias").symlink_to("raw")
    return tmp_path


def link(place: Path, target: str | Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


INSIDE = [
    ("in.mp4", "mouse/a.mp4"),
    ("deep/er/in.mp4", "../../mouse/a.mp4"),
    ("again", "./mouse/../mouse"),
    ("absolute", "{lab}/raw/mouse"),
    ("by-the-name-of-the-root", "{lab}/alias/mouse"),
    ("into-another-root", "{lab}/results/.git/annex"),
]


@pytest.mark.parametrize(("name", "target"), INSIDE, ids=[name for name, _ in INSIDE])
def test_links_that_stay_below_the_roots_are_followed(lab: Path, name: str, target: str) -> None:
    link(lab / "raw" / name, target.format(lab=lab))
    roots = [lab / "alias", lab / "results"]
    assert resolve_path(name, roots) == (lab / "raw" / name).resolve()


OUTSIDE = [
    ("out.mp4", "../outside/secret.mp4"),
    ("absolute.mp4", "{lab}/outside/secret.mp4"),
    ("out-and-in.mp4", "../raw/mouse/a.mp4"),
    ("way-back", "{lab}/outside/way-back"),  # a link outside that leads in again
    ("climbs", "{lab}/raw/../outside/secret.mp4"),
    ("chain", "out.mp4"),
    ("dots", "mouse/../../outside"),
    ("beside", "{lab}/raw-too/secret.mp4"),  # begins with the letters of a root
]


@pytest.mark.parametrize(("name", "target"), OUTSIDE, ids=[name for name, _ in OUTSIDE])
def test_a_step_out_of_the_roots_is_refused_for_reading_and_for_writing(
    lab: Path, name: str, target: str
) -> None:
    link(lab / "raw" / "out.mp4", "../outside/secret.mp4")
    link(lab / "outside" / "way-back", lab / "raw" / "mouse")
    link(lab / "raw-too" / "secret.mp4", lab / "outside" / "secret.mp4")
    if name != "out.mp4":
        link(lab / "raw" / name, target.format(lab=lab))
    for below in (name, f"{name}/new"):
        with pytest.raises(PathError, match="symbolic link"):
            resolve_path(below, [lab / "raw"])
        with pytest.raises(PathError, match="symbolic link"):
            expected_path(below, [lab / "raw"])
        with pytest.raises(PathError, match="symbolic link"):
            resolve_new_path(below, lab / "raw")
        with pytest.raises(PathError, match="symbolic link"):
            place_inside(lab / "raw", below)


def test_links_without_end_and_without_a_target(lab: Path) -> None:
    raw = lab / "raw"
    link(raw / "circle", "circle")
    link(raw / "gone", "mouse/not-fetched.mp4")
    for number in range(MAX_LINKS + 1):
        link(raw / f"link{number}", f"link{number + 1}" if number < MAX_LINKS else "mouse")
    for name in ("circle", "link0"):
        with pytest.raises(PathError, match="links in a circle"):
            resolve_path(name, [raw])
    assert resolve_path("link1", [raw]) == raw / "mouse"
    with pytest.raises(PathError, match="datalad get"):
        resolve_path("gone", [raw])
    for place in (lambda: resolve_new_path("gone", raw), lambda: place_inside(raw, "gone/new")):
        with pytest.raises(PathError, match="not there"):
            place()
    link(raw / "folder", "mouse")  # this one is there: something new may lie in it
    assert resolve_new_path("folder/new/er", raw) == raw / "mouse/new/er"


def test_names_that_no_file_can_have_are_told_in_a_sentence(lab: Path) -> None:
    raw = lab / "raw"
    for text in ("n" * 300, "d/" * 3000 + "f", "a\0b", "a\ud800b", ""):
        for ask in (
            lambda text: resolve_path(text, [raw]),
            lambda text: resolve_new_path(text, raw),
            lambda text: relative_to_roots(text or "\0", [raw]),
        ):
            with pytest.raises(PathError) as caught:
                ask(text)
            assert len(str(caught.value)) < 7000
    with pytest.raises(PathError, match=r"a\.mp4 is a file; expected a directory"):
        resolve_new_path("mouse/a.mp4/new", raw)
    with pytest.raises(PathError, match="does not exist"):
        resolve_path("mouse/a.mp4/new", [raw])
    odd = "line\nbreak \udcff.mp4"  # a name that is odd, and can be had
    (raw / odd).touch()
    assert resolve_path(odd, [raw]) == raw / odd


def test_a_project_of_links_is_read_below_a_root_and_nowhere_else(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = lab / "results" / "mouse1"
    link(project / "analysis_files" / "TCA.h5", "../../.git/annex/objects/k1/k1")
    (project / "config.yaml").touch()
    assert place_inside(project, "config.yaml") == project / "config.yaml"
    with pytest.raises(PathError, match=r"TCA\.h5 is a symbolic link to .*unlocked or copied"):
        place_inside(project, "analysis_files/TCA.h5")
    found = place_inside(project, "analysis_files/TCA.h5", [lab / "results"])
    assert found == lab / "results/.git/annex/objects/k1/k1"
    with pytest.raises(PathError, match=r"TCA\.h5 is a symbolic link"):
        place_inside(project, "analysis_files/TCA.h5", [lab / "raw"])
    monkeypatch.chdir(lab)  # a directory is called as it was given where nothing is a link
    assert place_inside("results/mouse1", "config.yaml") == Path("results/mouse1/config.yaml")
