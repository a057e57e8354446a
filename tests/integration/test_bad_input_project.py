"""Every wrong request is refused before any work, by name, and leaves nothing behind."""

import json
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from element_facerhythm.core.rois import Rois
from element_facerhythm.errors import (
    DecodeError,
    ParameterError,
    ProjectError,
    RequestError,
    RoiError,
    VideoError,
)
from element_facerhythm.pipeline import run_project


def write_video(path: Path, *, size=(128, 96), n_frames=90, rate=60, codec="mpeg4") -> Path:
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1000))
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for _ in range(n_frames):
            image = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        silence = np.zeros((1, 16000), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def missing(tmp_path, recording):
    return {"videos": (tmp_path / "nowhere.mp4",)}


def empty(tmp_path, recording):
    path = tmp_path / "empty.mp4"
    path.touch()
    return {"videos": (path,)}


def truncated(tmp_path, recording):
    path = tmp_path / "truncated.mp4"
    path.write_bytes(recording.videos[0].read_bytes()[:3000])
    return {"videos": (path,)}


def audio_only(tmp_path, recording):
    return {"videos": (write_sound(tmp_path / "sound.mp4"),)}


def text_file(tmp_path, recording):
    path = tmp_path / "notes.mp4"
    path.write_text("not a video")
    return {"videos": (path,)}


def other_size(tmp_path, recording):
    return {"videos": (recording.videos[0], write_video(tmp_path / "b.mp4", size=(64, 64)))}


def other_rate(tmp_path, recording):
    return {"videos": (recording.videos[0], write_video(tmp_path / "b.mp4", rate=30))}


def no_video(tmp_path, recording):
    return {"videos": ()}


def same_video_twice(tmp_path, recording):
    return {"videos": (recording.videos[0], recording.videos[0])}


VIDEOS = [
    (missing, r"nowhere\.mp4"),
    (empty, r"empty\.mp4"),
    (truncated, r"truncated\.mp4"),
    (audio_only, r"sound\.mp4"),
    (text_file, r"notes\.mp4"),
    (other_size, r"(?s)first\.mp4.*b\.mp4"),
    (other_rate, r"(?s)first\.mp4.*b\.mp4"),
    (no_video, "at least one"),
    (same_video_twice, "twice"),
]


def refuse(recording, tmp_path, error, message, **changes):
    """Run, expect `error`, and check that neither directory nor file came into being."""
    target = tmp_path / "out" / "project"
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=message) as caught:
        run_project(recording.request(target, **changes))
    assert isinstance(caught.value, RequestError)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("make", "message"), VIDEOS, ids=[m.__name__ for m, _ in VIDEOS])
def test_videos(recording, tmp_path, make, message):
    refuse(recording, tmp_path, VideoError, message, **make(tmp_path, recording))


SQUARE = np.array([[10.0, 10], [60, 10], [60, 60], [10, 60]])


@pytest.mark.parametrize(
    ("rois", "message"),
    [
        (Rois(seed_polygons=(SQUARE + np.array([200, 0]),)), "outside"),
        (
            Rois(seed_polygons=(np.array([[10, 10], [10.4, 10], [10, 10.4]]),)),
            "[Nn]o (seed )?point",
        ),
        (Rois(seed_polygons=(SQUARE,), mask_polygons=(SQUARE / 5 + 75,)), "hid"),
        (Rois(seed_polygons=(SQUARE,), visible_mask=np.ones((5, 5), bool)), "5 x 5"),
        (Rois(), "points"),
    ],
    ids=["outside", "no-seed-point", "all-hidden", "mask-of-another-video", "empty"],
)
def test_rois(recording, tmp_path, rois, message):
    refuse(recording, tmp_path, RoiError, message, rois=rois)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "valid JSON"),
        ("[]", "list"),
        ('{"points": [[[1, 2], [3, 4]]]}', "points polygon 0 has 2 vertices"),
        ('{"points": [[1, 2], [3, 4], [5, 6]]}', "points polygon 0"),
        ('{"points": [[[1, 2], [3, NaN], [5, 6]]]}', "points polygon 0, vertex 1"),
        ('{"points": [[[1, 2], [3, "4"], [5, 6]]]}', "vertex 1"),
        ('{"points": [[[1, 2], [3, 4], [5, 6]]], "maks": []}', "did you mean 'mask'"),
        ('{"points": []}', "no polygon"),
    ],
)
def test_roi_files(recording, tmp_path, content, message):
    path = tmp_path / "rois.json"
    path.write_text(content)
    refuse(recording, tmp_path, RoiError, message, rois=path)


def vqt(**values):
    base = {"Q_lowF": 2, "Q_highF": 4, "F_min": 5, "F_max": 25, "n_freq_bins": 6}
    return {"VQT_Analyzer": {"params_VQT": {**base, **values}}}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (vqt(F_max=31), r"params_VQT\.F_max: given 31\.0 Hz, expected at most half"),
        (vqt(F_min=0.5), "filter of 241 frames, and the shortest video has 90"),
        (
            {"TCA": {"fit": {"params_method": {"rank": 10_000}}}},
            r"params_method\.rank: given 10000",
        ),
        ({"PointTracker": {"frames_freeze": [90]}}, "frame 90 is outside"),
        ({"PointTracker": {"frames_freeze": [True] * 89}}, "given 89 values"),
        (
            {"TCA": {"rearrange_data": {"idx_windows": [[0, 9999]]}}},
            "idx_windows: entry 0",
        ),
    ],
    ids=["nyquist", "filter", "rank", "freeze-index", "freeze-length", "windows"],
)
def test_parameters_against_the_video(recording, parameters_with, tmp_path, sections, message):
    refuse(recording, tmp_path, ParameterError, message, parameters=parameters_with(**sections))


def test_an_absent_device(recording, tmp_path):
    refuse(recording, tmp_path, ParameterError, "cuda:99", device="cuda:99")


def test_a_file_where_the_directory_should_be(recording, tmp_path):
    (tmp_path / "out").write_text("in the way")
    refuse(recording, tmp_path, ProjectError, "is a file")


def test_a_directory_with_other_things_in_it(recording, tmp_path):
    target = tmp_path / "out" / "project"
    target.mkdir(parents=True)
    (target / "thesis.docx").touch()
    refuse(recording, tmp_path, ProjectError, r"thesis\.docx")


def test_a_project_that_somebody_else_wrote(recording, tmp_path):
    files = tmp_path / "out" / "project" / "analysis_files"
    files.mkdir(parents=True)
    (files / "TCA.h5").write_bytes(b"theirs")
    refuse(recording, tmp_path, ProjectError, r"TCA\.h5 was not written by this package")


def test_a_frame_that_cannot_be_decoded_is_an_error_with_its_index(recording, tmp_path):
    """The container is sound, so this is found while working: finished stages stay, no half one."""
    video = write_video(tmp_path / "broken.avi", codec="mjpeg")
    data = bytearray(video.read_bytes())
    where = [i for i in range(len(data)) if data[i : i + 2] == b"\xff\xd8"][50]
    data[where : where + 2000] = bytes(2000)
    video.write_bytes(bytes(data))
    target = tmp_path / "project"
    with pytest.raises((DecodeError, VideoError), match=r"broken\.avi.*50"):
        run_project(recording.request(target, videos=(video,)))
    files = target / "analysis_files"
    left = {p.name for p in files.iterdir()} if files.is_dir() else set()
    assert left <= {"Dataset_videos.h5", "ROIs.h5"}


def test_a_header_that_lies_about_its_length_is_told(recording, tmp_path):
    """An AVI header states its frame count; the file holds what it holds."""
    video = write_video(tmp_path / "lying.avi", codec="mjpeg")
    data = bytearray(video.read_bytes())
    for name, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        place = data.index(name) + offset
        data[place : place + 4] = (500).to_bytes(4, "little")
    video.write_bytes(bytes(data))
    record = run_project(recording.request(tmp_path / "project", videos=(video,)))
    assert record.videos[0].n_frames == 90
    told = json.loads((record.project_dir / "run.json").read_text())["notes"]
    assert any("lying.avi" in note and "500" in note and "90" in note for note in told)


def test_a_directory_that_cannot_be_written(recording, tmp_path, monkeypatch):
    """Root may write anywhere, so the system's answer is put in its place."""
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / "out")
    refuse(recording, tmp_path, ProjectError, "cannot be written")
