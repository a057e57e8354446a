"""Every video that cannot be used is refused by name before work starts, or fails at its frame."""

import wave
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from element_facerhythm.errors import DecodeError, VideoError
from element_facerhythm.video import iterate_gray_frames, probe_video


def assert_refused(path: Path, match: str) -> None:
    with pytest.raises(VideoError, match=match) as refusal:
        probe_video(path)
    assert str(path) in str(refusal.value)


def test_missing_file_and_directory(tmp_path):
    assert_refused(tmp_path / "gone.mp4", "does not exist")
    assert_refused(tmp_path, "holds no picture")


def test_empty_file(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    assert_refused(tmp_path / "a.mp4", "empty")


@pytest.mark.parametrize("name", ["noise.mp4", "noise.avi"])
def test_noise_is_not_a_video(tmp_path, name):
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(20_000))
    assert_refused(tmp_path / name, "cannot be opened as a video")


def test_text_and_pictures_are_not_videos(tmp_path):
    (tmp_path / "notes.txt").write_text("frames,x,y\n" * 400)
    assert_refused(tmp_path / "notes.txt", "not a video")
    path = tmp_path / "still.png"
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = 16, 16, "rgb24"
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8))
        container.mux([*stream.encode(picture), *stream.encode(None)])
    assert_refused(path, "not a video")


def test_sound_alone_is_refused(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16_000))
    assert_refused(tmp_path / "a.wav", "only sound")


def test_sound_with_a_cover_picture_is_refused(tmp_path):
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=8000)
        cover = container.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
        packets = [*cover.encode(picture), *cover.encode(None)]
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        container.mux(packets)
        container.mux([*sound.encode(silence), *sound.encode(None)])
    assert_refused(path, "only sound")


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "muxer_options"),
    [
        ("faststart.mp4", "libx264", "yuv420p", {"movflags": "faststart"}),
        ("a.avi", "mjpeg", "yuvj420p", {}),
        ("a.mkv", "ffv1", "yuv420p", {}),
    ],
)
@pytest.mark.parametrize("kept", [0.5, 0.97])
def test_truncated_file_says_so(write_video, name, codec, pixel_format, muxer_options, kept):
    path = write_video(name, codec=codec, pixel_format=pixel_format, muxer_options=muxer_options)
    assert probe_video(path).n_frames == 40
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert_refused(path, r"truncated: its container is \d+ bytes long")


def test_mp4_that_lost_its_index_is_called_truncated(write_video):
    path = write_video("a.mp4")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])
    assert_refused(path, "truncated, the index of the mp4 .moov. is missing")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_zero_frames(tmp_path, name):
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        container.start_encoding()
    assert_refused(path, "holds no frame")


@pytest.mark.parametrize("extension", ["h264", "ts"])
def test_frames_that_change_size_midway(write_video, tmp_path, colour_frames, extension):
    first = write_video(f"a.{extension}")
    second = write_video(f"b.{extension}", colour_frames[:, :32, :32])
    joined = tmp_path / f"joined.{extension}"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    assert_refused(joined, r"changes its frame size from 64 x 48 px to 32 x 32 px near frame")


def test_size_change_in_motion_jpeg(write_video, colour_frames):
    """The container says one size throughout; only the pictures themselves differ."""
    path = write_video("a.avi", codec="mjpeg", pixel_format="yuvj420p")
    content = bytearray(path.read_bytes())
    at = content.index(b"\xff\xc0", len(content) // 2)
    assert content[at + 5 : at + 9] == bytes([0, 48, 0, 64])
    while at > 0:
        content[at + 5 : at + 7] = bytes([0, 32])
        at = content.find(b"\xff\xc0\x00\x11", at + 1)
    path.write_bytes(content)
    assert_refused(path, r"changes its frame size from 64 x 48 px to 64 x 32 px")


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "packet"),
    [
        ("a.mp4", "libx264", "yuv420p", 24),
        ("a.avi", "mjpeg", "yuvj420p", 25),
        ("b.avi", "mpeg4", "yuv420p", 25),
    ],
)
def test_damaged_frame_in_the_middle_is_an_error_with_its_index(
    write_video, damage_packet, name, codec, pixel_format, packet
):
    path = write_video(name, codec=codec, pixel_format=pixel_format)
    whole = list(iterate_gray_frames(path))
    with av.open(str(path)) as container:
        stamps = [p.pts for p in container.demux(video=0) if p.size]
    broken = sorted(stamps).index(stamps[packet])
    damage_packet(path, packet)
    got = []
    with pytest.raises(DecodeError, match=rf"frame {broken} of 40 cannot be decoded") as failure:
        for frame in iterate_gray_frames(path):
            got.append(frame)
    assert str(path) in str(failure.value)
    assert len(got) <= broken
    assert np.array_equal(got, whole[: len(got)])


def test_file_cut_after_it_was_probed_is_an_error_and_not_a_short_video(write_video):
    path = write_video("a.ts")
    n_frames = probe_video(path).n_frames
    frames = iterate_gray_frames(path)
    next(frames)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 188 // 2 * 188])
    with pytest.raises(DecodeError, match=rf"frame \d+ of {n_frames}"):
        list(iterate_gray_frames_with_stale_index(path, n_frames))


def iterate_gray_frames_with_stale_index(path: Path, n_frames: int):
    """Read as a run does that counted the frames before the file shrank."""
    from element_facerhythm.video import packets, reader
    from element_facerhythm.video.gray import GrayConverter

    shrunk = packets.scan_packets(path)
    assert shrunk.n_frames < n_frames
    stale = packets.PacketIndex(n_frames, None, shrunk.sizes, shrunk.pixel_format, 0)
    return reader._converted(path, stale, 0, n_frames, GrayConverter())
