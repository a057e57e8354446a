"""Real encoded videos, made by the test that needs them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

WriteVideo = Callable[..., Path]


# Quiet encoders that set keyframes often; H.264 reorders frames.
ENCODER_OPTIONS = {
    "libx264": {"g": "12", "bf": "2", "x264-params": "log-level=none"},
    "mpeg4": {"g": "12"},
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
    ) -> Path:
        path = tmp_path / name
        options = ENCODER_OPTIONS.get(codec, {})
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
