"""Frames for a GPU are the gray frames of the usual reader, by every decoder."""

import logging
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from element_facerhythm.errors import DecodeError, VideoError
from element_facerhythm.video import iterate_gray_frames
from element_facerhythm.video.cuda_reader import cuda_frame_reader, gray_of_rgb


def usual(*paths):
    return np.concatenate([np.stack(list(iterate_gray_frames(path))) for path in paths])


def test_gray_is_the_mean_cut_to_a_whole_number():
    rgb = torch.randint(0, 256, (3, 20, 30, 3), dtype=torch.uint8)
    expected = np.floor(rgb.numpy().astype(float).mean(axis=3) + 1e-9)
    assert np.array_equal(gray_of_rgb(rgb).numpy(), expected)


def test_without_torchcodec_frames_come_from_the_usual_reader(write_video, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    paths = [write_video("a.mp4"), write_video("b.avi", codec="mjpeg", pixel_format="yuvj420p")]
    reader = cuda_frame_reader(paths, "cpu")
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(reader.read(0, 80).numpy(), usual(*paths))
    assert [r.getMessage().split(": ")[0] for r in caplog.records] == [
        f"{path} is decoded on the CPU" for path in paths
    ]
    assert np.array_equal(reader.read(30, 50).numpy(), usual(*paths)[30:50])  # across the seam
    assert np.array_equal(reader.read(3, 5).numpy(), usual(*paths)[3:5])  # and back
    reader.close()
    with pytest.raises(VideoError, match="Frames 70 to 90 were asked of 2 video"):
        reader.read(70, 90)


class MiscountingDecoder:
    """Like torchcodec's, for a file whose last frames it does not see."""

    def __init__(self, source, **options):
        self.n_frames = 38

    def __len__(self):
        return self.n_frames


def test_frames_that_the_gpu_does_not_count_are_not_lost(write_video, monkeypatch, caplog):
    decoders = ModuleType("torchcodec.decoders")
    decoders.VideoDecoder = MiscountingDecoder
    monkeypatch.setitem(sys.modules, "torchcodec", ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", decoders)
    path = write_video("a.mp4")
    with caplog.at_level(logging.WARNING):
        frames = cuda_frame_reader([path], "cpu").read(0, 40)
    assert np.array_equal(frames.numpy(), usual(path))
    assert "it counts 38 frames, the packets say 40" in caplog.text


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: out of memory"), IndexError("gone")])
def test_errors_of_the_decoder_are_told_apart(write_video, monkeypatch, error):
    class FailingDecoder(MiscountingDecoder):
        n_frames = 40

        def __init__(self, source, **options):
            pass

        def get_frames_in_range(self, start, stop):
            raise error

    decoders = ModuleType("torchcodec.decoders")
    decoders.VideoDecoder = FailingDecoder
    monkeypatch.setitem(sys.modules, "torchcodec", ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", decoders)
    reader = cuda_frame_reader([write_video("a.mp4")], "cpu")
    kind = RuntimeError if isinstance(error, RuntimeError) else DecodeError
    with pytest.raises(kind) as raised:
        reader.read(10, 20)
    assert (raised.value is error) == (kind is RuntimeError)


@pytest.mark.torchcodec
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_torchcodec_gives_the_frames_of_the_usual_reader(write_video, device, caplog):
    path = write_video("a.mp4")
    frames = cuda_frame_reader([path], device).read(5, 40)
    assert "decoded on the CPU" not in caplog.text
    apart = np.abs(frames.cpu().numpy().astype(int) - usual(path)[5:])
    # swscale and the GPU round the conversion from YUV each in its own way
    assert apart.max() <= (0 if device == "cpu" else 3)
