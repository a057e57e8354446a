"""What names other files, or is no file, is refused by name, and no other file is opened."""

import ctypes
import os
import socket
import struct

import av
import pytest

from element_facerhythm.errors import VideoError
from element_facerhythm.video import probe_video, read_rgb_frame

IN_OPEN = 0x20


class Watch:
    """Tells whether anybody opened a file since, by the kernel's inotify."""

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self.descriptor, os.fsencode(path), IN_OPEN) > 0

    def was_opened(self):
        try:
            return bool(os.read(self.descriptor, 4096))
        except BlockingIOError:
            return False


@pytest.fixture
def secret(write_video):
    """A video that only a list of files names, and a watch on it."""
    path = write_video("secret.ts")
    watch = Watch(path)
    assert probe_video(path).n_frames == 40 and watch.was_opened(), "the watch works"
    return path, watch


LISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n",
    "list.mp4": "ffconcat version 1.0\nfile secret.ts\n",
    "list.mpd": '<?xml version="1.0"?><MPD profiles="urn:mpeg:dash:profile:isoff-main:2011" '
    'type="static"><Period><AdaptationSet><Representation id="0" bandwidth="1"><BaseURL>{secret}'
    "</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("extension", ["", ".ts"])
def test_list_of_other_files_is_refused(tmp_path, secret, name, extension):
    video, watch = secret
    path = tmp_path / f"{name}{extension}"
    path.write_text(LISTS[name].format(secret=video))
    with pytest.raises(
        VideoError, match=r"is not a video: it is an?( \w+)+.*(names|name) "
    ) as refusal:
        probe_video(path)
    assert str(path) in str(refusal.value) and "secret" not in str(refusal.value)
    assert not watch.was_opened()


def external_track(content, target):
    """The mp4 with a track that says its frames lie in another file (`dref`, `alis`-less `url `)."""
    start = content.index(b"dref") - 4
    length = int.from_bytes(content[start : start + 4], "big")
    url = target + b"\0"
    entry = struct.pack(">I4sI", 12 + len(url), b"url ", 0) + url
    dref = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    content = content[:start] + dref + content[start + length :]
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        at = content.index(parent) - 4
        size = int.from_bytes(content[at : at + 4], "big") + len(dref) - length
        content = content[:at] + size.to_bytes(4, "big") + content[at + 4 :]
    return content


def test_track_in_another_file_is_not_followed(write_video, secret):
    video, watch = secret
    path = write_video("a.mov")
    path.write_bytes(external_track(path.read_bytes(), os.fsencode(video)))
    try:
        probe_video(path)
    except VideoError as refusal:
        assert "secret" not in str(refusal)
    assert not watch.was_opened()


@pytest.mark.parametrize(
    "name",
    [
        "cam1:mouse.mp4",
        "concat:b.mp4|b.mp4",
        "subfile,,start,0,end,9,,:b.mp4",
        "-i",
        "a\nb.mp4",
        "%d.mp4",
    ],
)
def test_name_of_a_file_is_a_name_and_no_address(write_video, tmp_path, monkeypatch, name):
    write_video("b.mp4", codec="mpeg4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert probe_video(name).n_frames == 40
    assert read_rgb_frame(name, 39).shape == (48, 64, 3)


def test_addresses_are_no_files(tmp_path, monkeypatch, write_video):
    write_video("b.mp4")
    monkeypatch.chdir(tmp_path)
    for address in ("concat:b.mp4", "file:b.mp4", "http://127.0.0.1:9/b.mp4", "pipe:0"):
        with pytest.raises(VideoError, match="does not exist"):
            probe_video(address)


def test_what_is_no_regular_file_is_refused_and_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.mp4"))
        for path, kind in (
            (tmp_path / "pipe.mp4", "named pipe"),
            (tmp_path / "s.mp4", "socket"),
            ("/dev/zero", "device"),
        ):
            with pytest.raises(VideoError, match=f"{path} is not a file but a {kind}"):
                probe_video(path)
    with pytest.raises(VideoError, match="cannot be found"):
        probe_video(tmp_path / "a\0b.mp4")


def test_matroska_with_an_attachment_is_read(write_video, tmp_path):
    """What a container carries itself is no reference to another file."""
    source = write_video("a.mkv", codec="mpeg4")
    path = tmp_path / "b.mkv"
    with av.open(str(source)) as container, av.open(str(path), "w") as output:
        stream = container.streams.video[0]
        copied = output.add_stream_from_template(stream)
        output.add_attachment("notes.txt", "text/plain", b"notes")
        for packet in container.demux(stream):
            if packet.dts is not None:
                packet.stream = copied
                output.mux(packet)
    assert probe_video(path).n_frames == 40
