"""Videos examined, cut and converted: the same pictures, whatever way they were stored."""

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from element_facerhythm.errors import RequestError
from element_facerhythm.pipeline.exchange.raw_depth import pack_depth, unpack_depth
from element_facerhythm.pipeline.exchange.video_slice import COPIED, ENCODED, slice_video
from element_facerhythm.video import probe_video

Command = Callable[..., Any]
N_FRAMES = 40
SIZE = (66, 48)


def pictures() -> Iterator[np.ndarray]:
    random = np.random.default_rng(0)
    still = random.integers(0, 200, (*SIZE[::-1], 3), dtype=np.uint8)
    for number in range(N_FRAMES):
        yield np.roll(still, number, axis=1)


def make(
    path: Path, codec: str, pixel_format: str, *, uneven: bool = False, **options: str
) -> Path:
    """Encode with a keyframe every ten frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, pixel_format
        stream.codec_context.gop_size = 10
        if uneven:
            stream.codec_context.time_base = Fraction(1, 90)
        for number, picture in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format=pixel_format
            )
            frame.pts = 3 * number + number % 3 if uneven else number
            frame.time_base = Fraction(1, 90 if uneven else 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def decoded(path: Path, first: int, stop: int) -> list[np.ndarray]:
    """Frames as PyAV gives them, by a loop of its own."""
    with av.open(str(path)) as container:
        frames = islice(container.decode(video=0), first, stop)
        return [frame.to_ndarray(format="rgb24") for frame in frames]


CLOSED = {"x264-params": "keyint=10:min-keyint=10:scenecut=0:open-gop=0:log-level=none"}
KINDS: dict[str, Callable[[Path], Path]] = {
    "h264": lambda d: make(d / "a.mp4", "libx264", "yuv420p", **CLOSED),
    "uneven": lambda d: make(d / "b.mkv", "libx264", "yuv420p", uneven=True, **CLOSED),
    "mjpeg": lambda d: make(d / "c.avi", "mjpeg", "yuvj420p"),
    "deep": lambda d: make(d / "d.mkv", "ffv1", "gray16le"),
    "raw": lambda d: make(d / "e.avi", "rawvideo", "bgr24"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [(0, N_FRAMES), (10, 20), (10, 17), (3, 16)])
def test_a_part_holds_the_frames_of_the_whole(
    kind: str, part: tuple[int, int], tmp_path: Path
) -> None:
    source = KINDS[kind](tmp_path)
    whole = probe_video(source)
    done = slice_video(source, *part, tmp_path / "part.mkv")
    for before, after in zip(decoded(source, *part), decoded(done.path, 0, 999), strict=True):
        np.testing.assert_array_equal(before, after)
    if kind == "h264" and part[1] % 10 == 0:
        assert done.method == COPIED, done.reason
    if kind == "h264" and part[0] % 10:
        assert done.method == ENCODED and done.reason
    if kind == "mjpeg":
        assert done.method == COPIED
    if kind == "uneven":
        times, own = whole.clock.times_s[slice(*part)], probe_video(done.path).clock.times_s
        np.testing.assert_allclose(
            own - own[0], times - times[0], atol=1.1e-3
        )  # a millisecond of mkv


def test_a_copy_is_what_was_stored(tmp_path: Path) -> None:
    source = KINDS["h264"](tmp_path)
    slice_video(source, 10, 20, tmp_path / "part.mp4")

    def stored(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(video=0) if packet.size]

    assert stored(tmp_path / "part.mp4") == stored(source)[10:20]


def test_what_cannot_be_is_refused_and_leaves_nothing(tmp_path: Path, facerhythm: Command) -> None:
    source = KINDS["h264"](tmp_path)
    before = source.read_bytes()
    target = tmp_path / "part.mp4"
    for words, told in (
        (("3:16", "-o", target), "begin at a keyframe"),
        (("30:41", "-o", target), "has 40 frames"),
        (("16:3", "-o", target), "are no part"),
        (("a:b", "-o", target), "is no part of a video"),
        (("0:10", "-o", tmp_path / "part.mov"), "ends in none of"),
        (("0:10", "-o", source), "give --overwrite"),
        (("0:10", "-o", source, "--overwrite"), "is the video itself"),
    ):
        done = facerhythm("video", "slice", source, *words)
        assert done.code == 2 and told in " ".join(done.err.split()), done.err
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


def depth(path: Path, n_frames: int = 7) -> np.ndarray:
    random = np.random.default_rng(1)
    values = random.integers(0, 65536, (n_frames, 24, 32)).astype("<u2")
    path.write_bytes(values.tobytes())
    return values


def test_depth_comes_back_bit_for_bit(tmp_path: Path) -> None:
    raw = tmp_path / "depth.dat"
    values = depth(raw)
    for ending in (".mkv", ".avi"):
        video = tmp_path / f"depth{ending}"
        assert pack_depth(raw, video, size_px=(32, 24), frame_rate_hz=30.0, n_chunk=3) == len(
            values
        )
        with av.open(str(video)) as container:
            frames = [f.to_ndarray(format="gray16le") for f in container.decode(video=0)]
        np.testing.assert_array_equal(frames, values)
        found = probe_video(video)
        assert (found.n_frames, found.frame_rate_hz) == (len(values), pytest.approx(30))
        unpack_depth(video, tmp_path / "again.dat")
        assert (tmp_path / "again.dat").read_bytes() == raw.read_bytes()


def test_an_original_is_deleted_only_when_every_value_was_compared(
    tmp_path: Path, facerhythm: Command
) -> None:
    raw, video = tmp_path / "depth.dat", tmp_path / "depth.mkv"
    depth(raw)
    words = ("video", "convert", raw, "-o", video, "--delete")
    assert "give --size" in facerhythm(*words).err
    wrong = facerhythm(*words, "--size", "33x24", "--frame-rate", 30)
    assert wrong.code == 2 and "no whole number of frames" in wrong.err
    assert raw.is_file() and not video.exists()
    (tmp_path / "metadata.json").write_text(json.dumps({"DepthResolution": [32, 24]}))
    done = facerhythm(*words, "--frame-rate", 30, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["n_frames"] == 7 and json.loads(done.out)["deleted"] is True
    assert not raw.exists() and video.is_file()


def test_video_of_8_bits_is_no_depth(tmp_path: Path) -> None:
    source = KINDS["mjpeg"](tmp_path)
    with pytest.raises(RequestError, match="16-bit gray alone"):
        unpack_depth(source, tmp_path / "depth.dat")
    assert not (tmp_path / "depth.dat").exists()


def test_facts_are_those_of_a_run_and_damage_is_told(tmp_path: Path, facerhythm: Command) -> None:
    source = KINDS["mjpeg"](tmp_path)
    told = json.loads(facerhythm("video", "info", source, "--json").out)
    found = probe_video(source)
    assert (told["n_frames"], told["frame_rate_hz"], told["sha256"]) == (
        found.n_frames, found.frame_rate_hz, found.sha256
    )  # fmt: skip
    assert told["gaps"] == [] and "codec" in facerhythm("video", "info", source).out
    assert facerhythm("video", "check", source).code == 0
    broken = tmp_path / "broken.avi"
    broken.write_bytes(source.read_bytes()[:-2000])
    done = facerhythm("video", "check", source, broken, "--json")
    assert done.code == 3
    whole, cut = json.loads(done.out)["videos"]
    assert whole["n_decoded"] == N_FRAMES and not whole["faults"] and cut["faults"]
