"""Real encoded videos, made by the test that needs them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

WriteVideo = Callable[..., Path]


# Quiet encoders that set keyframes often; H.264 reorders frames.
ENCODER_OPTIONS = {
    "libx264": {"g": "12", "bf": "2", "x264-params": "log-level=none"},
    "mpeg4": {"g": "12"},
    "libx265": {"x265-params": "log-level=none:keyint=12:min-keyint=12:bframes=3"},
}


ENCODINGS = [  # file name, codec, pixel format
    ("a.mp4", "libx264", "yuv420p"),
    ("a.mkv", "libx264", "yuv420p"),
    ("a.ts", "libx264", "yuv420p"),
    ("a.h264", "libx264", "yuv420p"),
    ("a.avi", "mjpeg", "yuvj420p"),
    ("b.avi", "mpeg4", "yuv420p"),
    ("b.mkv", "ffv1", "gray"),
    ("a.webm", "libvpx", "yuv420p"),
]


@pytest.fixture(params=ENCODINGS, ids=lambda encoding: f"{encoding[1]}-{encoding[0]}")
def encoding(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """File name, codec and pixel format of each kind of video that labs have."""
    return request.param


@pytest.fixture(scope="session")
def colour_frames() -> np.ndarray:
    """(40, 48, 64, 3) uint8: a colourful texture that drifts."""
    rng = np.random.default_rng(5)
    scene = rng.integers(0, 256, (12, 16, 3)).repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([scene[t // 2 : t // 2 + 48, t : t + 64] for t in range(40)]).astype(np.uint8)


@pytest.fixture
def write_video(tmp_path: Path, colour_frames: np.ndarray) -> WriteVideo:
    """Function that encodes frames (T, H, W, 3) uint8 to `tmp_path / name`."""

    def write(
        name: str,
        frames: np.ndarray = colour_frames,
        *,
        codec: str = "libx264",
        rate: Any = 50,
        pixel_format: str = "yuv420p",
        format: str | None = None,
        muxer_options: dict[str, str] | None = None,
        metadata: dict[str, str] | None = None,
        encoder_options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        options = {**ENCODER_OPTIONS.get(codec, {}), **(encoder_options or {})}
        with av.open(str(path), "w", format=format, options=muxer_options or {}) as container:
            container.metadata.update(metadata or {})
            stream = container.add_stream(codec, rate=rate, options=options)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pixel_format
            for frame in frames:
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture
def damage_packet() -> Callable[[Path, int], None]:
    """Function that overwrites most of one packet (in the order of storing) with zeros."""

    def damage(path: Path, packet_index: int) -> None:
        with av.open(str(path)) as container:
            packets = [p for p in container.demux(video=0) if p.size]
            start, size = packets[packet_index].pos, packets[packet_index].size
        assert start is not None
        content = bytearray(path.read_bytes())
        content[start + size // 3 : start + size] = bytes(size - size // 3)
        path.write_bytes(content)

    return damage


@pytest.fixture
def remux(tmp_path: Path) -> Callable[..., Path]:
    """Function that writes packets of a video, as `change(number, packet)` leaves them, to another file."""

    def write(
        source: Path, name: str, change: Callable[[int, av.Packet], av.Packet | None]
    ) -> Path:
        path = tmp_path / name
        with av.open(str(source)) as container, av.open(str(path), "w") as output:
            stream = container.streams.video[0]
            copied = output.add_stream_from_template(stream)
            packets = (packet for packet in container.demux(stream) if packet.size)
            for number, packet in enumerate(packets):
                changed = change(number, packet)
                if changed is not None:
                    changed.stream = copied
                    output.mux(changed)
        return path

    return write


def as_players_show(path: Path) -> list[np.ndarray]:
    """RGB frames that ffmpeg's libraries give where nothing is asked of them, as ffmpeg and OpenCV do."""
    frames = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            try:
                frames += [frame.to_ndarray(format="rgb24") for frame in packet.decode()]
            except av.error.FFmpegError:
                continue
    return frames


def as_opencv_shows(path: Path) -> list[np.ndarray]:
    """RGB frames that OpenCV gives."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        is_there, frame = capture.read()
        if not is_there:
            return frames
        frames.append(frame[..., ::-1])
