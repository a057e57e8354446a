"""A rate is one that the file states; ffmpeg's 25 for what states none is not taken."""

import pytest

from element_facerhythm.errors import VideoError
from element_facerhythm.video import probe_video
from element_facerhythm.video.container import open_video
from element_facerhythm.video.stream_rate import stream_rate

STATED = [  # file, codec, pixel format, source
    ("a.mp4", "libx264", "yuv420p", "header"),
    ("a.mkv", "libx264", "yuv420p", "header"),
    ("a.avi", "mjpeg", "yuvj420p", "header"),
    ("a.h264", "libx264", "yuv420p", "bitstream"),
    ("a.hevc", "libx265", "yuv420p", "bitstream"),
    ("a.m2v", "mpeg2video", "yuv420p", "bitstream"),
]


@pytest.mark.parametrize(("name", "codec", "pixel_format", "source"), STATED)
@pytest.mark.parametrize("rate", [50, 60])
def test_rate_that_is_stated(write_video, name, codec, pixel_format, source, rate):
    path = write_video(name, codec=codec, pixel_format=pixel_format, rate=rate)
    with open_video(path) as (container, stream):
        assert stream_rate(container, stream) == (rate, source)
    assert probe_video(path).frame_rate_hz == rate


def test_stream_that_states_none(write_video):
    path = write_video("a.mjpeg", codec="mjpeg", pixel_format="yuvj420p")
    with open_video(path) as (container, stream):
        assert stream_rate(container, stream) is None
    with pytest.raises(VideoError, match=r"has no frame rate.*25 would be a guess.*--frame-rate"):
        probe_video(path)
    video = probe_video(path, frame_rate_hz=120)
    assert (video.frame_rate_hz, video.n_frames) == (120, 40)
