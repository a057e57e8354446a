"""Frames come in order, whole, from any start, and gray as face-rhythm makes it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from element_facerhythm.errors import VideoError
from element_facerhythm.video import iterate_gray_frames, iterate_rgb_frames, read_rgb_frame


def test_any_start_gives_the_frames_of_a_full_read(write_video, encoding):
    name, codec, pixel_format = encoding
    path = write_video(name, codec=codec, pixel_format=pixel_format)
    whole = np.stack(list(iterate_rgb_frames(path)))
    assert len(whole) == 40
    for start in (0, 1, 11, 12, 13, 29, 39):
        assert np.array_equal(read_rgb_frame(path, start), whole[start]), start
    part = np.stack(list(iterate_rgb_frames(path, start=9, stop=31)))
    assert np.array_equal(part, whole[9:31])


def test_lossless_frames_come_back_as_they_were_written(write_video, colour_frames):
    path = write_video("a.mkv", codec="ffv1", pixel_format="bgr0")
    assert np.array_equal(np.stack(list(iterate_rgb_frames(path))), colour_frames)


def test_gray_is_the_float_mean_cut_to_a_whole_number(write_video, colour_frames):
    path = write_video("a.mkv", codec="ffv1", pixel_format="bgr0")
    expected = torch.from_numpy(colour_frames).float().mean(dim=-1).type(torch.uint8).numpy()
    assert np.array_equal(np.stack(list(iterate_gray_frames(path))), expected)


def test_gray_pixels_stay_what_they_are(write_video, colour_frames):
    gray = colour_frames[..., :1].repeat(3, axis=-1)
    path = write_video("a.mkv", gray, codec="ffv1", pixel_format="gray")
    assert np.array_equal(np.stack(list(iterate_gray_frames(path))), gray[..., 0])


def test_every_sum_of_channels_gives_the_exact_mean():
    import cv2

    from element_facerhythm.video.gray import MEAN_CUT

    levels = np.arange(0, 256, dtype=np.uint8)
    all_pairs = np.stack(np.meshgrid(levels, levels, levels[::5], indexing="ij"), axis=-1)
    pixels = all_pairs.reshape(256, -1, 3)
    assert np.array_equal(cv2.transform(pixels, MEAN_CUT), pixels.astype(int).sum(axis=-1) // 3)


@pytest.mark.parametrize(("start", "stop"), [(-1, 4), (3, 2), (0, 41), (41, None)])
def test_frames_beyond_the_video_are_refused_at_once(write_video, start, stop):
    with pytest.raises(VideoError, match="which holds 40"):
        iterate_gray_frames(write_video("a.mp4"), start=start, stop=stop)


def test_a_reader_left_early_closes_its_file(write_video):
    path = write_video("a.mp4")
    frames = iterate_gray_frames(path)
    next(frames)
    assert path.resolve() in open_files()
    frames.close()
    assert path.resolve() not in open_files()


def open_files() -> set[Path]:
    descriptors = list(Path("/proc/self/fd").iterdir())
    return {d.resolve() for d in descriptors}
