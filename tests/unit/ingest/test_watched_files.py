"""Files below a watched directory, and whether they are complete."""

import os
import time
from pathlib import Path

from element_facerhythm.files.path_pattern import PathPattern
from element_facerhythm.ingest.watched_files import UnchangedFiles, matching_files


def test_what_is_hidden_temporary_or_a_link_is_left_out(tmp_path: Path) -> None:
    good = tmp_path / "m1" / "a.mp4"
    good.parent.mkdir()
    left_out = [".a.mp4", "a.mp4.part", "a.mp4~", "~a.mp4", "b.mp4.TMP", ".sync/c.mp4", "sub/d.mp4"]
    for path in (good, *(good.parent / name for name in left_out)):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (good.parent / "link.mp4").symlink_to(good)
    (tmp_path / "linked").symlink_to(good.parent)
    os.mkfifo(good.parent / "pipe.mp4")
    faults: list[tuple[Path, str]] = []
    pattern = PathPattern("{subject}/*")
    found = list(matching_files(tmp_path, pattern, lambda path, why: faults.append((path, why))))
    assert [(file.path, file.texts) for file in found] == [(good, {"subject": "m1"})]
    assert faults == []


def test_a_path_that_can_be_read_in_several_ways_is_told_and_the_others_found(
    tmp_path: Path,
) -> None:
    for name in ("a_b.mp4", "a_b_c.mp4"):
        (tmp_path / name).touch()
    faults: list[str] = []
    pattern = PathPattern("{subject}_{note}.mp4")
    found = matching_files(tmp_path, pattern, lambda path, _why: faults.append(path.name))
    assert [file.path.name for file in found] == ["a_b.mp4"]
    assert faults == ["a_b_c.mp4"]
    gone: list[Path] = []
    assert not list(matching_files(tmp_path / "gone", pattern, lambda path, _: gone.append(path)))
    assert gone == [tmp_path / "gone"]


def test_files_settle_when_they_no_longer_change(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    files = UnchangedFiles(0.3)
    assert not files.is_unchanged(path)
    time.sleep(0.35)
    # copies that keep the time of the original (rsync -t) are young all the same
    path.write_bytes(b"xx")
    os.utime(path, (1e9, 1e9))
    assert not files.is_unchanged(path)
    time.sleep(0.35)
    assert files.is_unchanged(path)
    assert UnchangedFiles(0.3).is_unchanged(path)
    # a file server whose clock is ahead: this machine's own counts
    ahead = time.time() + 3600
    os.utime(path, (ahead, ahead))
    assert not files.is_unchanged(path)
    time.sleep(0.35)
    assert files.is_unchanged(path)
    path.unlink()
    assert not files.is_unchanged(path)
