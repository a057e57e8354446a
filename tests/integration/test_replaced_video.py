"""A video that is replaced while it is analysed: nothing of it is kept."""

import os
import shutil
from contextlib import contextmanager
from hashlib import sha256

import pytest

from element_facerhythm.errors import VideoError
from element_facerhythm.pipeline import run_project


class Replacing:
    """A progress that replaces a file when a stage is under way."""

    def __init__(self, stage, path, other):
        self.wanted, self.path, self.other = stage, path, other

    @contextmanager
    def stage(self, name, total, unit):
        def tell(n_done):
            if name == self.wanted and n_done:
                shutil.copy(self.other, f"{self.path}.new")
                self.path.with_name(f"{self.path.name}.new").replace(self.path)

        yield tell


@pytest.mark.parametrize("stage", ["dataset", "rois", "point_tracking"])
def test_nothing_of_a_replaced_video_is_kept(recording, tmp_path, stage):
    video = tmp_path / "replaced.mp4"
    shutil.copy(recording.videos[0], video)
    project = tmp_path / "project"
    request = recording.request(project, videos=(video,))
    with pytest.raises(VideoError, match="changed while it was analysed"):
        run_project(request, progress=Replacing(stage, video, recording.videos[1]))
    product = {"dataset": "Dataset_videos", "rois": "ROIs", "point_tracking": "PointTracker"}[stage]
    assert not (project / "analysis_files" / f"{product}.h5").exists()


def test_a_video_that_was_only_touched_is_the_same(recording, tmp_path):
    video = tmp_path / "touched.mp4"
    shutil.copy(recording.videos[0], video)
    request = recording.request(tmp_path / "project", videos=(video,))
    record = run_project(request, progress=Replacing("point_tracking", video, recording.videos[0]))
    assert not any(stage.reused for stage in record.stages)


def filled_up(content, size):
    """The mp4 with a box at its end that holds nothing."""
    free = size - len(content)
    return content + free.to_bytes(4, "big") + b"free" + bytes(free - 8)


def test_digest_is_of_the_video_that_was_analysed_also_where_times_are_set_back(
    recording, tmp_path
):
    """As `rsync -t` or `cp -p` leave it under a worker that stays up: other content, size and time alike."""
    first, second = (path.read_bytes() for path in recording.videos)
    size = max(len(first), len(second)) + 8
    contents = [
        c + (size - len(c)).to_bytes(4, "big") + b"free" + bytes(size - len(c) - 8)
        for c in (first, second)
    ]
    video = tmp_path / "exchanged.mp4"
    digests = []
    for content in contents:
        video.write_bytes(content)
        os.utime(video, (1_700_000_000, 1_700_000_000))
        record = run_project(recording.request(tmp_path / "project", videos=(video,)))
        digests.append(record.videos[0].sha256)
        assert not any(stage.reused for stage in record.stages)
    assert digests == [sha256(content).hexdigest() for content in contents]
