"""Frames are turned as players and OpenCV turn them; regions lie in the picture that people see."""

import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from element_facerhythm.errors import VideoError
from element_facerhythm.pipeline.run.video_notes import video_notes
from element_facerhythm.video import (
    iterate_gray_frames,
    iterate_rgb_frames,
    probe_video,
    read_rgb_frame,
)
from element_facerhythm.video.cuda_reader import cuda_frame_reader
from tests.unit.video.conftest import as_opencv_shows

# a, b, c, d of the matrix: x' = a x + c y, y' = b x + d y
TURNS = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
MIRRORS = {
    "left and right": ((-1, 0, 0, 1), lambda f: f[:, ::-1]),
    "top and bottom": ((1, 0, 0, -1), lambda f: f[::-1]),
    "along the diagonal": ((0, 1, 1, 0), lambda f: f.swapaxes(0, 1)),
    "along the other": ((0, -1, -1, 0), lambda f: f[::-1, ::-1].swapaxes(0, 1)),
}


def with_matrix(path, a, b, c, d):
    """Write a display matrix into the track header of an mp4, as phones do."""
    content = bytearray(path.read_bytes())
    at = content.find(b"tkhd")
    at += 8 + (32 if content[at + 4] else 20) + 16
    numbers = [round(x * 65536) for x in (a, b, 0, c, d, 0)]
    content[at : at + 36] = struct.pack(
        ">9i", numbers[0], numbers[1], 0, *numbers[3:5], 0, 0, 0, 1 << 30
    )
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("degrees", TURNS)
def test_turned_frames_are_those_that_opencv_shows(write_video, degrees):
    path = with_matrix(write_video("a.mp4"), *TURNS[degrees])
    video = probe_video(path)
    assert (video.rotation_deg, video.is_flipped) == (degrees, False)
    assert (video.width_px, video.height_px) == ((48, 64) if degrees % 180 else (64, 48))
    shown = list(iterate_rgb_frames(path))
    assert np.array_equal(shown, as_opencv_shows(path))
    gray = list(iterate_gray_frames(path))
    assert np.array_equal(gray, np.stack(shown).astype(int).sum(axis=3) // 3)
    assert np.array_equal(read_rgb_frame(path, 17), shown[17])
    assert f"turned by {degrees} degrees clockwise" in "\n".join(video_notes([video]))


@pytest.mark.parametrize("name", MIRRORS)
def test_mirrored_frames(write_video, name):
    matrix, mirror = MIRRORS[name]
    path = write_video("a.mp4")
    stored = list(iterate_rgb_frames(path))
    with_matrix(path, *matrix)
    video = probe_video(path)
    assert video.is_flipped and "mirrored" in "\n".join(video_notes([video]))
    assert np.array_equal(list(iterate_rgb_frames(path)), [mirror(frame) for frame in stored])


def test_matrix_in_matroska(write_video, tmp_path):
    """A container that says so in another way: av writes it as a projection."""
    source, path = write_video("a.mp4"), tmp_path / "b.mkv"
    with av.open(str(source)) as container, av.open(str(path), "w") as output:
        copied = output.add_stream_from_template(container.streams.video[0])
        copied.set_display_rotation(90)
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = copied
                output.mux(packet)
    video = probe_video(path)
    assert video.rotation_deg in (90, 270) and (video.width_px, video.height_px) == (48, 64)
    assert np.array_equal(list(iterate_rgb_frames(path)), as_opencv_shows(path))


def test_other_turns_are_refused(write_video):
    path = with_matrix(write_video("a.mp4"), 0.866, 0.5, -0.5, 0.866)
    with pytest.raises(VideoError, match="turned by 30 degrees, which is no quarter of a turn"):
        probe_video(path)


def test_frames_for_a_gpu_are_turned_too(write_video):
    path = with_matrix(write_video("a.mp4"), *TURNS[90])
    frames = cuda_frame_reader([path], "cpu").read(3, 20)
    assert np.array_equal(frames.numpy(), list(iterate_gray_frames(path))[3:20])


def test_shape_of_pixels_is_told_and_frames_are_not_stretched(write_video, tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=50)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        picture = av.VideoFrame.from_ndarray(np.full((48, 64), 80, np.uint8), "gray")
        picture = picture.reformat(format="yuv420p")
        container.mux([*stream.encode(picture), *stream.encode(None)])
    video = probe_video(path)
    assert video.pixel_aspect == pytest.approx(4 / 3) and (video.width_px, video.height_px) == (
        64,
        48,
    )
    assert cv2.VideoCapture(str(path)).read()[1].shape == (48, 64, 3)
    assert "pixels are 1.333 times as wide as high" in video_notes([video])[0]
    assert video_notes([probe_video(write_video("b.mp4"))]) == []
