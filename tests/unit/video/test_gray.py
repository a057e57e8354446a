"""Gray by way of luma is gray by way of RGB, on every frame that has no colour."""

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from element_facerhythm.video import iterate_gray_frames, iterate_rgb_frames
from element_facerhythm.video.gray import GrayConverter

FORMATS = ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "gray"]


def mean_of_rgb(frame: av.VideoFrame) -> np.ndarray:
    rgb = VideoReformatter().reformat(frame, format="rgb24").to_ndarray().astype(int)
    return rgb.sum(axis=-1) // 3


def frame_of(name: str, luma: np.ndarray, chroma: int) -> av.VideoFrame:
    frame = av.VideoFrame(luma.shape[1], luma.shape[0], name)
    for number, plane in enumerate(frame.planes):
        pixels = np.full((plane.buffer_size // plane.line_size, plane.line_size), chroma, np.uint8)
        if number == 0:
            pixels[: plane.height, : plane.width] = luma
        plane.update(pixels.tobytes())
    return frame


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("color_range", [0, 1, 2])
@pytest.mark.parametrize("colorspace", [1, 5])
@pytest.mark.parametrize("chroma", [128, 127, 90])
def test_equals_the_mean_of_the_channels(name, color_range, colorspace, chroma):
    luma = np.random.default_rng(8).integers(0, 256, (50, 330)).astype(np.uint8)
    luma[0, :256] = np.arange(256)
    frame = frame_of(name, luma, chroma)
    frame.color_range, frame.colorspace = color_range, colorspace
    convert = GrayConverter()
    assert np.array_equal(convert(frame), mean_of_rgb(frame))
    assert np.array_equal(convert(frame), mean_of_rgb(frame))


def test_the_frame_does_not_change_when_the_decoder_goes_on():
    frame = frame_of("yuv420p", np.full((16, 16), 80, np.uint8), 128)
    gray = GrayConverter()(frame)
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    assert (gray == gray[0, 0]).all() and gray[0, 0] > 0


def test_frames_that_a_decoder_stores_upside_down(write_video):
    path = write_video("a.avi", codec="amv", pixel_format="yuvj420p")
    frames = [*iterate_gray_frames(path)]
    expected = [rgb.astype(int).sum(axis=2) // 3 for rgb in iterate_rgb_frames(path)]
    assert len(frames) == 40 and np.array_equal(frames, expected)
