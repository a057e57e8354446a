"""What `probe_video` says of sound videos: counted, exact, and with the header told apart."""

import hashlib
import logging
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from element_facerhythm.errors import VideoError
from element_facerhythm.video import probe_video, require_same_format
from element_facerhythm.video.clock import even_clock


def test_frames_are_counted_in_every_container(write_video, encoding):
    name, codec, pixel_format = encoding
    video = probe_video(write_video(name, codec=codec, pixel_format=pixel_format, rate=25))
    assert (video.n_frames, video.width_px, video.height_px) == (40, 64, 48)
    assert video.pixel_format == pixel_format
    assert video.n_frames_header in (40, None)
    assert video.frame_rate_hz == 25.0
    assert video.duration_s == pytest.approx(1.6)


def test_frame_rate_is_never_rounded(write_video):
    video = probe_video(write_video("a.mp4", rate=Fraction(30000, 1001)))
    assert video.frame_rate_hz == pytest.approx(29.97002997, abs=1e-8)
    assert video.duration_s == pytest.approx(40 * 1001 / 30000)


def test_digest_size_and_codec_are_those_of_the_file(write_video):
    path = write_video("a.mp4")
    video = probe_video(path)
    assert video.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert video.size_bytes == path.stat().st_size
    assert video.codec == "h264"


def test_recording_time_is_the_creation_time_that_the_file_holds(write_video):
    stamped = write_video("a.mp4", metadata={"creation_time": "2026-03-01T12:30:05.000000Z"})
    assert probe_video(stamped).recording_time == datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
    assert probe_video(write_video("b.mp4")).recording_time is None


def test_header_that_lies_about_its_frame_count_is_told_and_not_believed(write_video, caplog):
    path = write_video("a.avi", codec="mjpeg", pixel_format="yuvj420p")
    content = bytearray(path.read_bytes())
    length_at = content.index(b"strh") + 8 + 32
    assert int.from_bytes(content[length_at : length_at + 4], "little") == 40
    content[length_at : length_at + 4] = (999).to_bytes(4, "little")
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="element_facerhythm.video.metadata"):
        video = probe_video(path)
    assert (video.n_frames, video.n_frames_header) == (40, 999)
    assert "claims 999 frames, the file holds 40" in caplog.text


def at_rate(video, rate_hz):
    return replace(video, frame_rate_hz=rate_hz, clock=even_clock(video.n_frames, rate_hz, "given"))


def test_videos_of_one_recording_must_agree(write_video):
    first = probe_video(write_video("a.mp4"))
    require_same_format([first, replace(first, path="b.mp4", n_frames=7)])
    require_same_format([first, at_rate(first, 50.0004)])
    with pytest.raises(VideoError, match=r"a\.mp4 has 64 x 48 px, b\.mp4 has 64 x 50 px"):
        require_same_format([first, replace(first, path="b.mp4", height_px=50)])
    with pytest.raises(VideoError, match=r"50 Hz, b\.mp4 has 49\.95 Hz"):
        require_same_format([first, replace(at_rate(first, 49.95), path="b.mp4")])
