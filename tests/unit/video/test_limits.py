"""A small file that claims or unfolds to something huge is refused at once, in one sentence."""

import struct
import subprocess
import sys
import time
import zlib

import av
import numpy as np
import pytest

from element_facerhythm.errors import ConfigurationError, DecodeError, VideoError
from element_facerhythm.video import iterate_gray_frames, probe_video

N_HUGE = 1 << 27


def edited(content, edit):
    """An mp4 with `edit(kind, content)` in the place of each box's content."""
    parents = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"edts"}
    parts, start = [], 0
    while start < len(content):
        length, kind = struct.unpack(">I4s", content[start : start + 8])
        inner = content[start + 8 : start + length]
        inner = edit(kind, edited(inner, edit) if kind in parents else inner)
        parts.append(struct.pack(">I", 8 + len(inner)) + kind + inner)
        start += length
    return b"".join(parts)


def one_byte_samples(kind, content):
    tables = {
        b"stsz": struct.pack(">III", 0, 1, N_HUGE),
        b"stsc": struct.pack(">IIIII", 0, 1, 1, N_HUGE, 1),
        b"stts": struct.pack(">IIII", 0, 1, N_HUGE, 512),
    }
    return tables.get(kind, content)


def in_a_description(kind, content):
    if kind == b"stsd":
        hidden = struct.pack(">I4sIII", 20, b"stsz", 0, 1, N_HUGE)
        length = int.from_bytes(content[8:12], "big") + len(hidden)
        return content[:8] + length.to_bytes(4, "big") + content[12:] + hidden
    return content


def many_edits(kind, content):
    if kind == b"elst":
        return struct.pack(">II", 0, 20_000) + struct.pack(">IiI", 40, 0, 1 << 16) * 20_000
    return content


def compressed(kind, content):
    if kind == b"moov":
        header = zlib.compress(bytes(1 << 26))
        box = struct.pack(">I4sI", 12 + len(header), b"cmvd", 1 << 26) + header
        dcom = struct.pack(">I4s4s", 12, b"dcom", b"zlib")
        return struct.pack(">I4s", 8 + len(dcom) + len(box), b"cmov") + dcom + box
    return content


def sound_in_one_chunk(kind, content):
    tables = {
        b"hdlr": bytes(8) + b"soun" + bytes(13),
        b"stsz": struct.pack(">III", 0, 1, 40),
        b"stsc": struct.pack(">IIIII", 0, 1, 1, 0x7FFFFFFF, 1),
        b"stts": struct.pack(">IIII", 0, 1, 40, 1),
        b"stco": struct.pack(">II", 0, 50_000) + bytes(4) * 50_000,
    }
    return tables.get(kind, content)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (one_byte_samples, f"counts {N_HUGE} frames, more than it has bytes"),
        (many_edits, "counts 800000 frames, more than it has bytes"),
        (sound_in_one_chunk, "more than it has bytes"),
        (in_a_description, "a header that no recorder writes"),
        (compressed, "a header that no recorder writes"),
    ],
)
def test_header_that_claims_too_much_is_refused(write_video, edit, words):
    path = write_video("a.mp4", codec="mpeg4", muxer_options={"use_editlist": "1"})
    content = edited(path.read_bytes(), edit)
    assert content != path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(VideoError, match=words) as refusal:
        probe_video(path)
    assert str(path) in str(refusal.value)


def test_fragment_that_claims_too_much_is_refused(write_video):
    path = write_video("a.mp4", muxer_options={"movflags": "frag_keyframe+empty_moov"})

    def run(kind, content):
        return struct.pack(">II", 1, N_HUGE) + content[8:12] if kind == b"trun" else content

    assert probe_video(path).n_frames == 40
    path.write_bytes(edited(path.read_bytes(), run))
    with pytest.raises(VideoError, match=r"counts \d+ frames, more than it has bytes"):
        probe_video(path)


def many_samples(write_video):
    path = write_video("a.mp4", codec="mpeg4")
    path.write_bytes(edited(path.read_bytes(), one_byte_samples))
    return path


def frame_without_end(write_video):
    """A bitstream that goes on as a hole of 64 GB, which takes no room on the disk."""
    path = write_video("a.h264")
    with path.open("r+b") as file:
        file.truncate(1 << 36)
    return path


def first_frame_without_end(write_video):
    path = write_video("a.h264")
    path.write_bytes(path.read_bytes()[:60])
    with path.open("r+b") as file:
        file.truncate(1 << 36)
    return path


def chunk_without_end(write_video):
    path = write_video("a.avi", codec="mjpeg", pixel_format="yuvj420p")
    content = bytearray(path.read_bytes())
    last = content.rindex(b"00dc", 0, content.rindex(b"idx1"))
    content[last + 4 : last + 8] = struct.pack("<I", 0x7FFFFFF0)
    path.write_bytes(content)
    with path.open("r+b") as file:
        file.truncate(1 << 36)
    return path


@pytest.mark.parametrize(
    "make", [many_samples, frame_without_end, first_frame_without_end, chunk_without_end]
)
def test_refusal_takes_neither_time_nor_memory(write_video, make):
    path = make(write_video)
    program = (
        "import re, sys\n"
        "from element_facerhythm.video import probe_video\n"
        "try:\n    probe_video(sys.argv[1])\n"
        "except ValueError as error:\n    print(type(error).__name__)\n"
        # ru_maxrss would begin with what the process that started this one had
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read()).group(1))\n"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    name, kilobytes = done.stdout.split()
    assert name == "VideoError" and not done.stderr
    assert int(kilobytes) < 1_000_000 and time.monotonic() - started < 30


def test_mp4_of_a_million_boxes_is_refused(write_video):
    path = write_video("a.mp4", codec="mpeg4")
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", 8, b"free") * 1_000_001)
    with pytest.raises(VideoError, match="a header that no recorder writes"):
        probe_video(path)


LARGE = [
    ("a.mp4", "libx264", "yuv420p"),
    ("a.mkv", "libx264", "yuv420p"),
    ("a.ts", "libx264", "yuv420p"),
    ("a.h264", "libx264", "yuv420p"),
    ("a.flv", "libx264", "yuv420p"),
    ("a.mpg", "mpeg2video", "yuv420p"),
    ("a.avi", "png", "rgb24"),
    ("a.mjpeg", "mjpeg", "yuvj420p"),
    ("a.webm", "libvpx", "yuv420p"),
]


@pytest.mark.parametrize(("name", "codec", "pixel_format"), LARGE)
def test_large_frames_are_refused_with_the_setting_that_allows_them(
    write_video, monkeypatch, name, codec, pixel_format
):
    path = write_video(name, codec=codec, pixel_format=pixel_format)
    monkeypatch.setenv("FACERHYTHM_MAX_FRAME_PIXELS", str(64 * 48 - 1))
    with pytest.raises(VideoError, match="FACERHYTHM_MAX_FRAME_PIXELS") as refusal:
        probe_video(path)
    if name != "a.mjpeg":  # its size stands in the frames alone
        assert "64 x 48 px, more than 3071 pixels" in str(refusal.value)
    monkeypatch.setenv("FACERHYTHM_MAX_FRAME_PIXELS", str(64 * 48))
    assert probe_video(path, frame_rate_hz=50).n_frames == 40


def test_frames_larger_than_the_header_says_are_not_decoded(write_video, monkeypatch):
    path = write_video("a.avi", codec="mjpeg", pixel_format="yuvj420p")
    content = path.read_bytes().replace(struct.pack("<ii", 64, 48), struct.pack("<ii", 16, 16))
    assert content != path.read_bytes()
    path.write_bytes(content)
    monkeypatch.setenv("FACERHYTHM_MAX_FRAME_PIXELS", "1000")
    with pytest.raises(
        VideoError, match="not one of its keyframes can be decoded, or they have more"
    ):
        probe_video(path)


def test_limit_holds_for_the_frames_that_are_read(write_video, monkeypatch):
    path = write_video("a.mp4")
    frames = iterate_gray_frames(path)  # counts the packets
    monkeypatch.setenv("FACERHYTHM_MAX_FRAME_PIXELS", "1000")
    with pytest.raises(DecodeError, match="frame 0 of 40 cannot be decoded"):
        next(frames)


def test_too_many_frames_are_refused_with_the_setting_that_allows_them(write_video, monkeypatch):
    paths = [write_video("a.mp4"), write_video("a.ts"), write_video("b.mkv", codec="ffv1")]
    monkeypatch.setenv("FACERHYTHM_MAX_VIDEO_FRAMES", "39")
    for path in paths:
        with pytest.raises(
            VideoError, match=r"40 frames or more, and 39 .*FACERHYTHM_MAX_VIDEO_FRAMES"
        ):
            probe_video(path)
    monkeypatch.setenv("FACERHYTHM_MAX_VIDEO_FRAMES", "40")
    assert [probe_video(path).n_frames for path in paths] == [40, 40, 40]


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e9", "9" * 5000])
def test_setting_that_is_no_number_is_named(write_video, monkeypatch, value):
    monkeypatch.setenv("FACERHYTHM_MAX_FRAME_PIXELS", value)
    with pytest.raises(
        ConfigurationError, match="FACERHYTHM_MAX_FRAME_PIXELS must be a whole number"
    ):
        probe_video(write_video("a.mp4"))


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_png_frame_with_a_huge_text_is_refused(write_video, tmp_path, kind):
    source = write_video("a.avi", codec="png", pixel_format="rgb24")
    content = kind + b"k\0\0" + zlib.compress(bytes(1 << 27), 9)
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    path = tmp_path / "b.nut"
    with av.open(str(source)) as container, av.open(str(path), "w") as output:
        copied = output.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(video=0):
            if packet.size:
                frame = bytes(packet)
                packet = av.Packet(frame[:33] + chunk + frame[33:])
                packet.pts = packet.dts = 0
                packet.stream = copied
                output.mux(packet)
                break
    with pytest.raises(
        VideoError, match="bytes of compressed text or colour profile in a PNG frame"
    ):
        probe_video(path)


@pytest.mark.parametrize("count", ["9" * 5000, "²", "-1"])
def test_tags_that_are_no_count_and_no_time_are_left_out(tmp_path, count):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["creation_time"] = "0001-01-01T00:00:00+14:00"
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "gray"
        stream.metadata["NUMBER_OF_FRAMES"] = count
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32), np.uint8), "gray")
        container.mux([*stream.encode(picture), *stream.encode(None)])
    with av.open(str(path)) as container:
        assert container.streams.video[0].metadata["NUMBER_OF_FRAMES"] == count
    video = probe_video(path)
    assert video.recording_time is None and video.n_frames_header is None
