"""A file is the one that was entered if its size and its digest are; both are told where they are not."""

import hashlib
import os
from pathlib import Path

import pytest

from element_facerhythm.files.digest import file_change, file_sha256
from element_facerhythm.video import video_change


@pytest.mark.parametrize("change_of", [file_change, video_change])
def test_a_file_that_was_exchanged_for_one_of_its_size_and_time_is_told(
    change_of, tmp_path: Path
) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"before")
    status, entered = path.stat(), file_sha256(path)
    assert entered == hashlib.sha256(b"before").hexdigest()
    assert change_of(path, entered, 6) is None and change_of(path, entered) is None
    path.write_bytes(b"behind")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    told = f"its SHA-256 is {file_sha256(path)[:12]}..., and was {entered[:12]}..."
    assert change_of(path, entered, 6) == change_of(path, entered) == told


@pytest.mark.parametrize("change_of", [file_change, video_change])
def test_a_file_of_another_size_is_told_without_reading_it(
    change_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the file was read")

    path = tmp_path / "a.mp4"
    path.write_bytes(b"cut o")
    monkeypatch.setattr("element_facerhythm.files.digest._sha256", read)
    assert change_of(path, "0" * 64, 6) == "it has 5 bytes, and had 6"
    with pytest.raises(AssertionError, match="was read"):
        change_of(path, "0" * 64, 5)
