"""What was turned, cut off or left out of a video stands in its row."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest

from element_facerhythm.errors import VideoError

Key = dict[str, Any]


def turned_and_cut_off(source: Path, path: Path) -> Path:
    """Copy a video as a camera held upside down writes it, whose recorder died."""
    with av.open(str(source)) as container, av.open(str(path), "w") as output:
        copied = output.add_stream_from_template(container.streams.video[0])
        copied.set_display_rotation(180)
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = copied
                output.mux(packet)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    return path


def deep(path: Path) -> Path:
    values = np.random.default_rng(0).integers(545, 578, (60, 120, 160)).astype(np.uint16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=60)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "gray16le"
        for picture in values:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray16le")))
        container.mux(stream.encode(None))
    return path


def test_facts_of_pictures_are_columns(
    register: Callable[..., Key], fbe: ModuleType, videos: list[Path], root_dir: Path
) -> None:
    path = turned_and_cut_off(videos[0], root_dir / "mouse" / "turned.mkv")
    with pytest.raises(VideoError, match="--incomplete takes the"):
        register(170, [path])
    key = register(170, [path], allow_incomplete=True)
    assert (fbe.VideoRecording.File & key).fetch1("allow_incomplete") == 1
    fbe.RecordingInfo.populate(key)
    row = (fbe.RecordingInfo.File & key).fetch1()
    assert (row["rotation_deg"], row["is_flipped"], row["is_incomplete"]) == (180, 0, 1)
    assert 40 < row["file_n_frames"] < 90 and row["n_hidden_frames"] == row["n_suspect_frames"] == 0
    assert (row["bit_depth"], row["level_low"], row["level_high"]) == (8, None, None)
    assert row["pixel_aspect"] == 1


def test_levels_of_a_deep_video_are_columns(
    register: Callable[..., Key], fbe: ModuleType, root_dir: Path
) -> None:
    key = register(171, [deep(root_dir / "mouse" / "depth.mkv")])
    fbe.RecordingInfo.populate(key)
    row = (fbe.RecordingInfo.File & key).fetch1()
    assert (row["bit_depth"], row["level_low"], row["level_high"]) == (16, 545, 577)
    fbe.FaceRhythmProcessing.populate(key)
    notes = (fbe.FaceRhythmProcessing & key).fetch1("notes")
    assert any("between the levels 545 and 577" in note for note in notes)
