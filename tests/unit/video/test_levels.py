"""Video of more than 8 bits is analysed at its depth, with the same levels for all files of a recording."""

import av
import cv2
import numpy as np
import pytest

from element_facerhythm.errors import VideoError
from element_facerhythm.pipeline.run.video_notes import video_notes
from element_facerhythm.video import (
    Levels,
    iterate_gray_frames,
    iterate_rgb_frames,
    probe_video,
    read_rgb_frame,
    require_same_format,
    share_levels,
    without_levels,
)
from element_facerhythm.video.cuda_reader import cuda_frame_reader
from element_facerhythm.video.levels import N_VALUES, bit_depth, levels_of


@pytest.fixture
def write_deep(tmp_path):
    """Function that stores values (T, H, W), or colours (T, H, W, 3), uint16 without loss."""

    def write(name, values, pixel_format="gray16le", codec="ffv1"):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=50)
            stream.height, stream.width = values.shape[1:3]
            stream.pix_fmt = pixel_format
            for picture in values:
                kind = "gray16le" if picture.ndim == 2 else "rgb48le"
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=kind)
                if pixel_format.startswith("gray1") and pixel_format != "gray16le":
                    frame = stored_as(picture, pixel_format)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


def stored_as(picture, pixel_format):
    frame = av.VideoFrame(picture.shape[1], picture.shape[0], pixel_format)
    plane = frame.planes[0]
    rows = np.zeros((plane.buffer_size // plane.line_size, plane.line_size // 2), "<u2")
    rows[: picture.shape[0], : picture.shape[1]] = picture
    plane.update(rows.tobytes())
    return frame


def depth_scene(seed=0, low=545, high=577):
    """A hundred thousand pixels of depth in millimetres, all with one high byte."""
    rng = np.random.default_rng(seed)
    return rng.integers(low, high + 1, (20, 48, 64)).astype(np.uint16)


def expected(values, low, high):
    return np.rint(((values.astype(float) - low) * (255 / (high - low))).clip(0, 255)).astype(
        np.uint8
    )


@pytest.mark.parametrize("pixel_format", ["gray16le", "gray12le", "gray10le"])
def test_values_lie_between_the_levels_of_the_recording(write_deep, pixel_format):
    values = depth_scene()
    video = probe_video(write_deep("a.mkv", values, pixel_format))
    assert video.bit_depth == int(pixel_format[4:6])
    assert (video.level_low, video.level_high) == (545, 577)
    frames = list(iterate_gray_frames(video.path, levels=video.levels))
    assert np.array_equal(frames, expected(values, 545, 577))
    assert np.array_equal(list(iterate_gray_frames(video.path)), frames), "its own by default"
    assert np.array_equal(read_rgb_frame(video.path, 7), np.repeat(frames[7][..., None], 3, 2))
    assert (
        f"its {video.bit_depth} bits are analysed in 256 steps between the levels 545 and 577"
        in (video_notes([video])[0])
    )


def test_a_few_bright_pixels_do_not_set_the_levels(write_deep):
    values = depth_scene()
    values[:, 0, :2] = 60_000  # of 3072 pixels, 0.07 %
    video = probe_video(write_deep("a.mkv", values))
    assert (video.level_low, video.level_high) == (545, 577)
    assert (np.stack(list(iterate_gray_frames(video.path)))[:, 0, :2] == 255).all()


def test_files_of_one_recording_have_levels_together(write_deep):
    values = depth_scene(1, 500, 600), depth_scene(2, 700, 900)
    paths = [write_deep(f"{i}.mkv", v) for i, v in enumerate(values)]
    videos = share_levels([probe_video(path) for path in paths])
    assert {(video.level_low, video.level_high) for video in videos} == {(500, 900)}
    for path, video, deep in zip(paths, videos, values, strict=True):
        frames = list(iterate_gray_frames(path, levels=video.levels))
        assert np.array_equal(frames, expected(deep, 500, 900))
    reader = cuda_frame_reader(paths, "cpu", levels=videos[0].levels)
    assert np.array_equal(reader.read(19, 21).numpy()[1], expected(values[1][0], 500, 900))


def test_colour_of_16_bits(write_deep):
    rng = np.random.default_rng(4)
    colours = rng.integers(20_000, 20_400, (10, 48, 64, 3)).astype(np.uint16)
    path = write_deep("a.mkv", colours, "rgb48le")
    video = probe_video(path)
    assert video.bit_depth == 16 and 20_000 <= video.level_low < video.level_high < 20_400
    mean = colours.astype(int).sum(axis=3) // 3
    levels = video.level_low, video.level_high
    assert np.array_equal(list(iterate_gray_frames(path)), expected(mean, *levels))
    assert np.array_equal(list(iterate_rgb_frames(path)), expected(colours, *levels))


def test_ten_bits_keep_steps_that_the_high_byte_loses(write_video, colour_frames):
    path = write_video("a.mkv", colour_frames // 16, codec="ffv1", pixel_format="yuv420p10le")
    video = probe_video(path)
    assert video.bit_depth == 10
    deep = np.stack(list(iterate_gray_frames(path)))
    cut = np.stack(list(iterate_gray_frames(path, levels=None)))
    assert len(np.unique(deep)) > 2 * len(np.unique(cut))


def test_face_rhythm_reads_the_high_byte(write_deep):
    values = depth_scene()
    (video,) = without_levels([probe_video(write_deep("a.mkv", values))])
    assert video.levels is None
    frames = np.stack(list(iterate_gray_frames(video.path, levels=video.levels)))
    assert np.abs(frames.astype(int) - (values >> 8)).max() <= 1
    assert "of its 16 bits the high 8 are analysed" in video_notes([video])[0]


def test_eight_bits_have_no_levels(write_video):
    path = write_video("a.mp4")
    video = probe_video(path)
    assert (video.bit_depth, video.levels) == (8, None)
    plain = list(iterate_gray_frames(path))
    assert np.array_equal(plain, list(iterate_gray_frames(path, levels=Levels(10, 20))))


def test_files_of_different_depth_are_no_recording(write_deep, write_video):
    videos = [probe_video(write_video("a.mp4")), probe_video(write_deep("b.mkv", depth_scene()))]
    with pytest.raises(VideoError, match=r"must have one depth: .* has 8 bits, .* has 16"):
        require_same_format(videos)


def test_deep_frames_may_have_half_as_many_pixels(write_deep, tmp_path, monkeypatch):
    path = write_deep("a.mkv", depth_scene())
    cv2.imwritemulti(str(tmp_path / "a.tif"), list(depth_scene()))
    monkeypatch.setenv("FACERHYTHM_MAX_FRAME_PIXELS", str(2 * 64 * 48 - 1))
    for name in (path, tmp_path / "a.tif"):
        with pytest.raises(VideoError, match=r"64 x 48 px of 16 bits.*FACERHYTHM_MAX_FRAME_PIXELS"):
            probe_video(name, frame_rate_hz=25)
    monkeypatch.setenv("FACERHYTHM_MAX_FRAME_PIXELS", str(2 * 64 * 48))
    assert probe_video(path).n_frames == 20


def test_levels_of_one_value_and_of_unknown_formats():
    counts = np.zeros(N_VALUES, np.int64)
    counts[300] = 5
    assert levels_of([(counts, 1.0)]) == Levels(300, 301)
    names = ("", "gray", "yuv420p", "pal8", "gray10le", "rgb48le", "bayer_rggb16le")
    assert [bit_depth(name) for name in names] == [8, 8, 8, 8, 10, 16, 16]
