"""A file that was exchanged is noticed, also where its size and modification time are the old ones."""

import os
import time
from hashlib import sha256
from pathlib import Path

import pytest

from element_facerhythm.errors import PathError
from element_facerhythm.files.digest import file_sha256
from element_facerhythm.files.regular import FileMemory, Signature, open_regular, signature_of

SETTLED_S = 0.1


def digest(content):
    return sha256(content).hexdigest()


def rewrite(path, content, status):
    """Overwrite the content in place and set the times back, as `cp -p` and `rsync -t --inplace` do."""
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(path, content, status):
    """Put another file of the same size and times in the place of one, as `rsync -t` does."""
    new = path.with_name("new")
    rewrite(new, content, status)
    new.replace(path)


@pytest.mark.parametrize("exchange", [rewrite, replace])
def test_digest_is_of_the_content_that_is_there(tmp_path, exchange):
    path = tmp_path / "a.bin"
    path.write_bytes(b"first")
    time.sleep(SETTLED_S)  # so that the digest is remembered
    before = path.stat()
    assert file_sha256(path) == digest(b"first")
    exchange(path, b"other", before)
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert file_sha256(path) == digest(b"other")


def test_changes_within_one_tick_of_the_clock_are_not_remembered(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"start")
    status = path.stat()
    for i in range(200):
        content = b"%05d" % i
        rewrite(path, content, status)
        assert file_sha256(path) == digest(content)


def test_value_is_remembered_for_as_long_as_the_file_stays(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"first")
    time.sleep(SETTLED_S)
    computed = []
    memory = FileMemory(max_entries=2)

    def compute(file):
        computed.append(file.read())
        return len(computed)

    assert [memory.recall(path, compute) for _ in range(3)] == [1, 1, 1]
    for name in "bcd":
        other = tmp_path / name
        other.write_bytes(b"other")
        time.sleep(SETTLED_S)
        memory.recall(other, compute)
    assert memory.recall(path, compute) == 5, "the oldest value makes room"


def test_file_that_changes_while_it_is_read_is_not_remembered(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"first")
    time.sleep(SETTLED_S)
    memory = FileMemory(max_entries=2)

    def compute(file):
        content = file.read()
        if content == b"first":
            rewrite(path, b"other", os.fstat(file.fileno()))
        return content

    assert memory.recall(path, compute) == b"first"
    assert memory.recall(path, compute) == b"other"


def test_coarse_time_stamps_need_a_longer_wait():
    second = 1_000_000_000
    fine = Signature(1, 2, 3, 0, 5 * second + 1)
    coarse = Signature(1, 2, 3, 0, 5 * second)
    assert fine.detects_changes_after(6 * second) and not fine.detects_changes_after(
        5 * second + 10_000_000
    )
    assert coarse.detects_changes_after(8 * second) and not coarse.detects_changes_after(6 * second)
    assert not fine.detects_changes_after(4 * second), "a server's clock may be ahead"


def test_what_is_no_regular_file_is_refused_and_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "named pipe"), (tmp_path, "directory")):
        with pytest.raises(PathError, match=f"is a {kind}; expected a regular file"):
            open_regular(path)
    with pytest.raises(PathError, match="/dev/null is a device"):
        file_sha256(Path("/dev/null"))
    with pytest.raises(FileNotFoundError):
        signature_of(tmp_path / "missing")
