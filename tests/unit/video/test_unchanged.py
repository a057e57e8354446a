"""Facts and digests of a video belong to the bytes that are there."""

import os
import time

import pytest

from element_facerhythm.errors import VideoError
from element_facerhythm.video import (
    probe_video,
    require_entered,
    require_unchanged,
    signatures_of,
)


@pytest.fixture
def exchange(write_video, colour_frames):
    """Function that replaces a video by one of another length, but the same size and time."""

    def exchange(path):
        status = path.stat()
        other = write_video(f"other_{path.name}", colour_frames[:30], codec="mpeg4")
        content = other.read_bytes()
        assert len(content) < status.st_size
        free = status.st_size - len(content)  # a `free` box fills the mp4 up
        path.write_bytes(content + free.to_bytes(4, "big") + b"free" + bytes(free - 8))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        after = path.stat()
        assert (after.st_size, after.st_mtime_ns) == (status.st_size, status.st_mtime_ns)

    return exchange


def test_video_exchanged_under_a_process_that_stays_up_is_probed_anew(write_video, exchange):
    path = write_video("a.mp4", codec="mpeg4")
    time.sleep(0.1)
    before = probe_video(path)
    assert before.n_frames == 40
    exchange(path)
    after = probe_video(path)
    assert after.n_frames == 30 and after.sha256 != before.sha256


def test_video_that_is_not_the_entered_one_is_refused_by_name(write_video, exchange):
    paths = [write_video("a.mp4", codec="mpeg4"), write_video("b.mp4", codec="mpeg4", rate=25)]
    entered = [probe_video(path).sha256 for path in paths]
    require_entered([probe_video(path) for path in paths], entered)
    exchange(paths[1])
    videos = [probe_video(path) for path in paths]
    with pytest.raises(
        VideoError, match=r"b\.mp4 changed since it was entered .*: restore the file"
    ):
        require_entered(videos, entered)
    with pytest.raises(VideoError, match="2 videos are given and 1 were entered"):
        require_entered(videos, entered[:1])


def test_exchange_right_after_the_signature_was_taken_is_noticed(write_video, exchange):
    """The old and the new file may then bear the same times."""
    path = write_video("a.mp4", codec="mpeg4")
    os.utime(path)
    signatures = signatures_of([path])
    video = probe_video(path)
    require_unchanged([video], signatures)
    exchange(path)
    with pytest.raises(VideoError, match="changed while it was analysed"):
        require_unchanged([video], signatures)
