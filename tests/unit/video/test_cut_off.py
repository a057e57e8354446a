"""What a recorder that died has left: refused, or read to the last whole frame on request."""

import av
import numpy as np
import pytest

from element_facerhythm.errors import VideoError
from element_facerhythm.pipeline.run.video_notes import video_notes
from element_facerhythm.video import iterate_gray_frames, probe_video

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
FILES = {
    "mkv": ("a.mkv", {"codec": "mpeg4"}),
    "avi": ("a.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "mp4 with its index first": ("a.mp4", {"muxer_options": {"movflags": "faststart"}}),
    "mp4 in fragments": ("a.mp4", {"muxer_options": FRAGMENTS}),
    "ts": ("a.ts", {}),
    "mjpeg": ("a.mjpeg", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "y4m of ffv1 in nut": ("a.nut", {"codec": "ffv1"}),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0.613, 0.871])
def test_whole_frames_are_read_where_asked_for(write_video, name, kept):
    file, options = FILES[name]
    path = write_video(file, **options)
    whole = list(iterate_gray_frames(path))
    assert not probe_video(path, frame_rate_hz=50).is_incomplete
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(
        VideoError, match=r"is truncated: .*--incomplete takes the \d+ frames"
    ) as refusal:
        probe_video(path, frame_rate_hz=50)
    video = probe_video(path, frame_rate_hz=50, allow_incomplete=True)
    frames = list(iterate_gray_frames(path))
    assert video.is_incomplete and 12 <= video.n_frames == len(frames) < 40
    assert np.array_equal(frames, whole[: len(frames)])
    assert f"takes the {len(frames)} frames" in str(refusal.value)
    assert "was cut off" in "\n".join(video_notes([video]))


def test_recording_whose_length_was_never_filled_in_is_read(write_video):
    """A Matroska of unknown length, cut between two frames, is all that there is."""
    path = write_video("a.mkv", codec="mpeg4", muxer_options={"live": "1"})
    assert probe_video(path).n_frames == 40
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    path.write_bytes(path.read_bytes()[: packets[30].pos])
    video = probe_video(path, allow_incomplete=True)
    assert video.n_frames == 30 == len(list(iterate_gray_frames(path)))


def test_mp4_without_its_index_says_what_helps(write_video):
    path = write_video("a.mp4")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])
    with pytest.raises(VideoError, match=r"index of the mp4 .moov. is missing.*untrunc WHOLE.mp4"):
        probe_video(path, allow_incomplete=True)
