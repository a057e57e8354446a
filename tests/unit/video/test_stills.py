"""TIFF stacks and directories of pictures are videos once a rate is given; nothing else is read."""

import struct
import time

import cv2
import numpy as np
import pytest

from element_facerhythm.errors import DecodeError, VideoError
from element_facerhythm.pipeline.run.video_notes import video_notes
from element_facerhythm.video import (
    iterate_gray_frames,
    iterate_rgb_frames,
    probe_video,
    read_rgb_frame,
    require_entered,
    require_unchanged,
    signatures_of,
)

COMPRESSIONS = {"none": 1, "LZW": 5, "deflate": 8, "packbits": 32773}


@pytest.fixture
def gray():
    rng = np.random.default_rng(2)
    return rng.integers(0, 256, (12, 48, 64)).astype(np.uint8)


@pytest.fixture
def deep():
    rng = np.random.default_rng(3)
    return rng.integers(300, 4000, (12, 48, 64)).astype(np.uint16)


def stack(path, pictures, compression="LZW"):
    options = [cv2.IMWRITE_TIFF_COMPRESSION, COMPRESSIONS[compression]]
    assert cv2.imwritemulti(str(path), list(pictures), options)
    return path


def stills(folder, pictures, name="frame_{}.png", first=0):
    folder.mkdir()
    for number, picture in enumerate(pictures, first):
        assert cv2.imwrite(str(folder / name.format(number)), picture)
    return folder


def big_tiff(path, pictures):
    """A BigTIFF without compression, most significant byte first, as microscopes write it."""
    content = bytearray(struct.pack(">2sHHHQ", b"MM", 43, 8, 0, 16))
    for number, picture in enumerate(pictures):
        tags = [(256, 4, picture.shape[1]), (257, 4, picture.shape[0]), (258, 3, 16), (259, 3, 1)]
        tags += [
            (262, 3, 1),
            (273, 16, 0),
            (277, 3, 1),
            (278, 4, picture.shape[0]),
            (279, 16, picture.nbytes),
        ]
        start = len(content) + 8 + 20 * len(tags) + 8
        content += struct.pack(">Q", len(tags))
        for tag, kind, value in tags:
            value = start if tag == 273 else value
            packed = struct.pack({3: ">H6x", 4: ">I4x", 16: ">Q"}[kind], value)
            content += struct.pack(">HHQ", tag, kind, 1) + packed
        is_last = number == len(pictures) - 1
        content += struct.pack(">Q", 0 if is_last else start + picture.nbytes)
        content += picture.astype(">u2").tobytes()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_stack_of_8_bits(tmp_path, gray, compression):
    path = stack(tmp_path / "a.tif", gray, compression)
    video = probe_video(path, frame_rate_hz=30)
    assert (video.n_frames, video.frame_rate_hz, video.duration_s) == (12, 30, 0.4)
    assert (video.width_px, video.height_px, video.codec, video.bit_depth) == (64, 48, "tiff", 8)
    frames = list(iterate_gray_frames(path))
    assert np.array_equal(frames, gray)
    assert np.array_equal(frames, cv2.imreadmulti(str(path), flags=cv2.IMREAD_UNCHANGED)[1])
    assert np.array_equal(list(iterate_gray_frames(path, start=5, stop=8)), gray[5:8])


def test_stack_of_16_bits(tmp_path, deep):
    for path in (stack(tmp_path / "a.tif", deep), big_tiff(tmp_path / "b.tif", deep)):
        video = probe_video(path, frame_rate_hz=30)
        assert (video.n_frames, video.bit_depth) == (12, 16)
        frames = np.stack(list(iterate_gray_frames(path, levels=video.levels))).astype(float)
        scaled = (deep - video.level_low) * 255 / (video.level_high - video.level_low)
        assert np.abs(frames - scaled.clip(0, 255)).max() <= 0.5


def test_colour_stack(tmp_path, colour_frames):
    path = stack(tmp_path / "a.tiff", colour_frames[..., ::-1])
    assert probe_video(path, frame_rate_hz=30).pixel_format == "rgb24"
    assert np.array_equal(list(iterate_rgb_frames(path)), colour_frames)
    assert np.array_equal(list(iterate_gray_frames(path)), colour_frames.astype(int).sum(3) // 3)


@pytest.mark.parametrize("name", ["frame_{}.png", "{:05d}.tif", "a{}.bmp", "img-{}.JPG"])
def test_directory_in_the_order_of_numbers(tmp_path, gray, name):
    folder = stills(tmp_path / "stills", gray, name)
    (folder / "notes.txt").write_text("not a picture")
    (folder / "._frame_1.png").write_bytes(b"resource fork")
    video = probe_video(folder, frame_rate_hz=25)
    assert (video.n_frames, video.duration_s) == (12, 12 / 25)
    frames = list(iterate_gray_frames(folder))
    files = [folder / name.format(number) for number in range(12)]
    assert np.array_equal(frames, [cv2.imread(str(f), cv2.IMREAD_GRAYSCALE) for f in files])
    assert np.array_equal(read_rgb_frame(folder, 10)[..., 0], frames[10])
    assert video.size_bytes == sum(file.stat().st_size for file in files)


def test_pattern(tmp_path, gray):
    folder = stills(tmp_path / "stills", gray[:6], "left_{}.png")
    for number, picture in enumerate(gray[6:]):
        cv2.imwrite(str(folder / f"right_{number}.png"), picture)
    for pattern in ("right_*.png", "right_%d.png", "right_?.png"):
        assert np.array_equal(list(iterate_gray_frames(folder / pattern)), gray[6:])
    assert probe_video(folder / "left_%d.png", frame_rate_hz=25).n_frames == 6
    with pytest.raises(VideoError, match=r"does not exist"):
        probe_video(tmp_path / "nowhere" / "left_%d.png")


def test_no_rate_is_asked_for(tmp_path, gray):
    for path in (stack(tmp_path / "a.tif", gray), stills(tmp_path / "stills", gray)):
        with pytest.raises(VideoError, match=r"has no frame rate.*--frame-rate"):
            probe_video(path)


def test_numbers_that_are_missing_are_told(tmp_path, gray):
    folder = stills(tmp_path / "stills", gray)
    (folder / "frame_4.png").unlink()
    video = probe_video(folder, frame_rate_hz=25)
    assert video.n_frames == 11
    assert "1 numbers are missing between those of its pictures" in video_notes([video])[0]


def test_another_picture_is_another_video(tmp_path, gray):
    folder = stills(tmp_path / "stills", gray)
    time.sleep(0.1)
    before = signatures_of([folder])
    video = probe_video(folder, frame_rate_hz=25)
    require_unchanged([video], before)
    cv2.imwrite(str(folder / "frame_3.png"), gray[4])
    with pytest.raises(VideoError, match=r"changed while it was analysed"):
        require_unchanged([video], before)
    changed = probe_video(folder, frame_rate_hz=25)
    with pytest.raises(VideoError, match=r"changed since it was entered"):
        require_entered([changed], [video.sha256])
    assert np.array_equal(list(iterate_gray_frames(folder))[3], gray[4])
    (folder / "frame_3.png").rename(folder / "frame_30.png")
    assert probe_video(folder, frame_rate_hz=25).sha256 != changed.sha256


def test_what_is_wrong_with_a_directory_is_named(tmp_path, gray, write_video):
    mixed = stills(tmp_path / "mixed", gray)
    cv2.imwrite(str(mixed / "frame_99.jpg"), gray[0])
    with pytest.raises(VideoError, match=r"several kinds \(.jpg, .png\)"):
        probe_video(mixed, frame_rate_hz=25)
    sizes = stills(tmp_path / "sizes", gray)
    cv2.imwrite(str(sizes / "frame_99.png"), gray[0, :32])
    with pytest.raises(
        VideoError, match=r"changes its frame size from 64 x 48 px to 64 x 32 px near frame 12"
    ):
        probe_video(sizes, frame_rate_hz=25)
    cut = stills(tmp_path / "cut", gray)
    (cut / "frame_5.png").write_bytes((cut / "frame_5.png").read_bytes()[:40])
    frames = iterate_gray_frames(cut)
    with pytest.raises(DecodeError, match=r"frame 5 of 12"):
        list(frames)
    floats = tmp_path / "floats.tif"
    cv2.imwritemulti(str(floats), list(gray.astype(np.float32)))
    with pytest.raises(VideoError, match=r"numbers of type float32"):
        probe_video(floats, frame_rate_hz=25)


def test_links_out_of_a_directory_are_refused(tmp_path, gray):
    secret = tmp_path / "secret.png"
    cv2.imwrite(str(secret), gray[0])
    folder = stills(tmp_path / "stills", gray)
    (folder / "frame_12.png").symlink_to(secret)
    with pytest.raises(VideoError, match=r"holds a link out of it \(frame_12.png\)"):
        probe_video(folder, frame_rate_hz=25)
    (folder / "frame_12.png").unlink()
    (folder / "frame_12.png").symlink_to(folder / "frame_3.png")
    assert probe_video(folder, frame_rate_hz=25).n_frames == 13
    (folder / "frame_13.png").mkdir()
    with pytest.raises(VideoError, match=r"frame_13.png, which is no file"):
        probe_video(folder, frame_rate_hz=25)


def test_stacks_that_are_made_to_take_time_or_memory(tmp_path, gray, monkeypatch):
    whole = stack(tmp_path / "a.tif", gray, "none").read_bytes()
    path = tmp_path / "b.tif"
    first = struct.unpack("<I", whole[4:8])[0]
    n_tags = struct.unpack("<H", whole[first : first + 2])[0]
    following = first + 2 + 12 * n_tags
    path.write_bytes(whole[:following] + struct.pack("<I", first) + whole[following + 4 :])
    with pytest.raises(VideoError, match=r"its pages go round in a circle"):
        probe_video(path, frame_rate_hz=25)
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(VideoError, match=r"truncated or damaged"):
        probe_video(path, frame_rate_hz=25)
    large = bytearray(whole)
    for at in range(first + 2, following, 12):
        if struct.unpack("<H", large[at : at + 2])[0] in (256, 257):
            large[at + 2 : at + 12] = struct.pack("<HII", 4, 1, 100_000)
    path.write_bytes(large)
    with pytest.raises(VideoError, match=r"100000 x 100000 px.*FACERHYTHM_MAX_FRAME_PIXELS"):
        probe_video(path, frame_rate_hz=25)
    monkeypatch.setenv("FACERHYTHM_MAX_VIDEO_FRAMES", "11")
    path.write_bytes(whole)
    with pytest.raises(VideoError, match=r"pages or more, and 11 are read at most"):
        probe_video(path, frame_rate_hz=25)
    with pytest.raises(VideoError, match=r"12 pictures, and 11 are read at most"):
        probe_video(stills(tmp_path / "stills", gray), frame_rate_hz=25)


def test_a_large_png_is_refused_by_its_header(tmp_path, gray, monkeypatch):
    folder = stills(tmp_path / "stills", gray)
    monkeypatch.setenv("FACERHYTHM_MAX_FRAME_PIXELS", "3000")
    with pytest.raises(VideoError, match=r"64 x 48 px.*FACERHYTHM_MAX_FRAME_PIXELS"):
        probe_video(folder, frame_rate_hz=25)
