"""The frames of a video are those that OpenCV and ffmpeg show: as many, the same, in the same order."""

import av
import numpy as np
import pytest

from element_facerhythm.errors import VideoError
from element_facerhythm.video import iterate_rgb_frames, probe_video, read_rgb_frame
from element_facerhythm.video.packets import scan_packets
from tests.unit.video.conftest import as_opencv_shows, as_players_show

# One keyframe in twelve that needs nothing before it; others begin groups that look back ("open").
OPEN = {"x264-params": "log-level=none:open-gop=1:keyint=12:min-keyint=12:bframes=3:b-adapt=0"}
SHORT_LOOK_BACK = {"refs": "1", "bf": "0"}


def from_keyframe(n_keyframes):
    """Leave out what is stored before a keyframe."""
    seen = 0

    def change(number, packet):
        nonlocal seen
        seen += packet.is_keyframe
        return packet if seen > n_keyframes else None

    return change


def without(*numbers):
    return lambda number, packet: None if number in numbers else packet


def b_frames_in_avi(write_video, remux):
    return write_video("a.avi")


def clips_with_other_time_bases(write_video, remux):
    """As `ffmpeg -f concat -c copy` joins clips: stamps of the second are in the order of storing."""
    source = write_video("a.mp4")
    last = 0

    def change(number, packet):
        nonlocal last
        if number >= 24:
            packet.pts = packet.dts = last + 1
        last = packet.dts
        return packet

    return remux(source, "b.mp4", change)


def joined(extension, **options):
    def make(write_video, remux):
        path = write_video(f"a.{extension}", **options)
        path.write_bytes(path.read_bytes() * 2)
        return path

    return make


def cut_hevc(extension):
    def make(write_video, remux):
        return remux(write_video("a.mp4", codec="libx265"), f"b.{extension}", from_keyframe(1))

    return make


def cut_open_groups(extension, source_extension="mp4"):
    def make(write_video, remux):
        source = write_video(f"a.{source_extension}", encoder_options=OPEN)
        return remux(source, f"b.{extension}", from_keyframe(1))

    return make


def cut_mpeg(write_video, remux):
    source = write_video("a.mpg", codec="mpeg2video", encoder_options={"bf": "2", "g": "12"})
    return remux(source, "b.mpg", from_keyframe(1))


def begins_within_a_group(extension, codec="libx264"):
    def make(write_video, remux):
        source = write_video("a.mp4", codec=codec)
        return remux(source, f"b.{extension}", lambda number, p: p if number >= 5 else None)

    return make


def lost(extension, codec="libx264", source_extension="mp4"):
    def make(write_video, remux):
        source = write_video(f"a.{source_extension}", codec=codec)
        return remux(source, f"b.{extension}", without(14, 15, 16))

    return make


def raw_motion_jpeg(write_video, remux):
    return write_video("a.mjpeg", codec="mjpeg", pixel_format="yuvj420p")


FILES = {  # frames that are shown, and stored ones that are not
    "B-frames in AVI": (b_frames_in_avi, 40, 0),
    "clips with other time bases": (clips_with_other_time_bases, 40, 0),
    "joined ts": (joined("ts"), 80, 0),
    "joined h264": (joined("h264"), 80, 0),
    "joined mjpeg": (joined("mjpeg", codec="mjpeg", pixel_format="yuvj420p"), 80, 0),
    "cut HEVC, mkv": (cut_hevc("mkv"), None, None),
    "cut HEVC, ts": (cut_hevc("ts"), None, None),
    "cut open groups, mkv": (cut_open_groups("mkv"), None, None),
    "cut open groups, avi": (cut_open_groups("avi", "ts"), None, None),
    "cut MPEG-2": (cut_mpeg, None, None),
    "begins within a group, ts": (begins_within_a_group("ts"), 28, 7),
    "begins within a group, h264": (begins_within_a_group("h264"), 28, 7),
    "begins within a group, HEVC": (begins_within_a_group("ts", "libx265"), None, None),
    "lost packets, mkv": (lost("mkv"), 37, 0),
    "lost packets, avi": (lost("avi", source_extension="ts"), 37, 0),
    "lost packets, HEVC": (lost("mkv", "libx265"), None, None),
    "raw motion JPEG": (raw_motion_jpeg, 40, 0),
}


@pytest.mark.parametrize("name", FILES)
def test_frames_are_those_that_opencv_and_ffmpeg_show(write_video, remux, name):
    make, n_shown, n_hidden = FILES[name]
    path = make(write_video, remux)
    video = probe_video(path, frame_rate_hz=50)
    frames = list(iterate_rgb_frames(path))
    assert len(frames) == video.n_frames
    players, opencv = as_players_show(path), as_opencv_shows(path)
    assert np.array_equal(frames, players)
    assert np.array_equal(frames, opencv)
    assert n_shown in (None, video.n_frames)
    assert n_hidden in (None, video.n_hidden_frames)
    with av.open(str(path)) as container:
        n_stored = sum(packet.size > 0 for packet in container.demux(video=0))
    assert video.n_frames + video.n_hidden_frames == n_stored
    for start in (1, 7, 13, 20, len(frames) - 1):
        assert np.array_equal(read_rgb_frame(path, start), frames[start]), start


def test_leading_pictures_after_a_cut_are_told_and_not_counted(write_video, remux, colour_frames):
    path = cut_hevc("mkv")(write_video, remux)
    video = probe_video(path)
    assert (video.n_frames, video.n_hidden_frames) == (28, 3)
    whole = list(iterate_rgb_frames(write_video("c.mp4", codec="libx265")))
    assert np.array_equal(list(iterate_rgb_frames(path)), whole[12:])


def test_stamps_that_hold_are_times_and_others_are_none(write_video, remux):
    sound = scan_packets(write_video("a.mkv"))
    assert np.allclose(sound.times_s - sound.times_s[0], np.arange(40) / 50, atol=5e-4)
    assert not sound.is_lenient, "nothing but a keyframe was decoded"
    delayed = remux(write_video("b.mp4"), "c.mp4", _later(1 << 20))
    assert scan_packets(delayed).times_s[0] > 20
    for make in (b_frames_in_avi, clips_with_other_time_bases, joined("ts"), joined("h264")):
        index = scan_packets(make(write_video, remux))
        assert index.pts is None and index.times_s is None
    assert scan_packets(raw_motion_jpeg(write_video, remux)).times_s is None
    cut = scan_packets(cut_hevc("mkv")(write_video, remux))
    assert len(cut.times_s) == cut.n_frames and (np.diff(cut.times_s) > 0).all()


def _later(ticks):
    def change(number, packet):
        packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        return packet

    return change


def test_stream_of_which_nothing_can_be_shown_is_refused(write_video, remux):
    path = remux(
        write_video("a.mp4"), "b.ts", lambda number, p: p if number in range(5, 11) else None
    )
    assert as_players_show(path) == []
    with pytest.raises(VideoError, match="not one of its keyframes can be decoded"):
        probe_video(path)


@pytest.mark.parametrize("options", [{}, SHORT_LOOK_BACK, OPEN])
@pytest.mark.parametrize("first", [14, 26])
def test_frames_after_lost_packets_are_known(write_video, remux, options, first):
    """Frames outside the ranges are those of the whole video; the first wrong one lies in a range."""
    source = write_video("a.mp4", encoder_options=options)
    whole = list(iterate_rgb_frames(source))
    with av.open(str(source)) as container:
        stamps = [p.pts for p in container.demux(video=0) if p.size]
    gone = {first, first + 1, first + 2, first + 3}
    path = remux(source, "b.mkv", without(*gone))
    video = probe_video(path)
    left = [i for i, pts in enumerate(sorted(stamps)) if stamps.index(pts) not in gone]
    frames = list(iterate_rgb_frames(path))
    assert len(frames) == len(left) == 36
    wrong = {i for i, place in enumerate(left) if not np.array_equal(frames[i], whole[place])}
    suspect = {i for start, stop in video.suspect_frames for i in range(start, stop)}
    assert wrong and wrong <= suspect and len(suspect) <= 16
    assert video.n_suspect_frames == len(suspect)
    for start in range(36):
        assert np.array_equal(read_rgb_frame(path, start), frames[start]), start


def test_packets_that_nothing_is_predicted_from_do_no_harm(write_video, remux):
    """A lost frame that no other needs leaves no wrong one."""
    source = write_video("a.mp4", encoder_options={"x264-params": "log-level=none:b-pyramid=none"})
    with av.open(str(source)) as container:
        packets = [bytes(p) for p in container.demux(video=0) if p.size]
    # the first byte of a picture, after its length, says whether it is a reference
    alone = next(i for i, p in enumerate(packets) if i > 14 and not p[4] & 0x60)
    assert probe_video(remux(source, "b.mkv", without(alone))).suspect_frames == ()
