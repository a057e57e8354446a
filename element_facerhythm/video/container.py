"""Opening a video file, and how long its container says that it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from element_facerhythm.errors import VideoError

RE_ENCODE = "re-encode it (ffmpeg -i IN -c:v libx264 -crf 12 OUT.mp4) or copy it again"

# Demuxers that read a picture or a text as if it were a film.
_NOT_A_VIDEO = frozenset({"tty", "bin", "xbin", "adf", "idf", "image2", "ico"})
_MP4_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


def require_file(path: Path) -> None:
    """Raise VideoError unless the path is a file with something in it."""
    if not path.exists():
        raise VideoError(f"Video {path} does not exist; check the path.")
    if not path.is_file():
        raise VideoError(f"Video {path} is not a file; give the path of one video file.")
    if path.stat().st_size == 0:
        raise VideoError(f"Video {path} is empty (0 bytes); copy it again.")


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and choose its moving picture; closed on leaving.

    Raises
    ------
    VideoError
        The file is missing, empty, no video, has no moving picture, or no decoder is there for it.
    """
    require_file(path)
    try:
        container = av.open(str(path), metadata_errors="ignore")
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(
            f"Video {path} cannot be opened as a video: {_why(path, error)}"
        ) from error
    with container:
        name = container.format.name
        if name in _NOT_A_VIDEO or name.endswith("_pipe"):
            raise VideoError(f"{path} is not a video (it reads as '{name}'); give a video file.")
        cover = Disposition.attached_pic
        streams = [s for s in container.streams.video if not s.disposition & cover]
        if not streams:
            held = "only sound" if container.streams.audio else "no frame"
            raise VideoError(f"Video {path} holds {held}; a stream of frames is needed.")
        if streams[0].codec_context is None:
            raise VideoError(f"Video {path}: there is no decoder for its codec; {RE_ENCODE}.")
        yield container, streams[0]


def _why(path: Path, error: av.error.FFmpegError | OSError) -> str:
    if isinstance(error, PermissionError):
        return "no permission to read it."
    if isinstance(error, av.error.EOFError):
        return "it holds no frame, the file ends with its header."
    with path.open("rb") as file:
        boxes = [kind for kind, _, _ in _mp4_boxes(file, path.stat().st_size)]
    if b"ftyp" in boxes and b"moov" not in boxes:
        return f"it is truncated, the index of the mp4 (moov) is missing; {RE_ENCODE}."
    return f"{error.strerror or error}. The file is no video, or its beginning is damaged."


def declared_size(path: Path) -> int | None:
    """Size in bytes that the container (mp4/mov, avi, mkv/webm) claims; None where it claims none.

    A file shorter than this was cut off.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[4:8] in _MP4_FIRST_BOXES:
            ends = [start + length for _, start, length in _mp4_boxes(file, size)]
            return max(ends, default=None)
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            return _riff_end(file, size)
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return _matroska_end(file)
    return None


def _mp4_boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and length of each outermost box."""
    start = 0
    while start + 8 <= size:
        file.seek(start)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if start == 0 and kind not in _MP4_FIRST_BOXES:
            return
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        elif length == 0:
            length = size - start
        if length < 8:
            return
        yield kind, start, length
        start += length


def _riff_end(file: BinaryIO, size: int) -> int | None:
    """End of the last RIFF chunk; a large avi has several. None while the size is not filled in."""
    start = 0
    while start + 8 <= size:
        file.seek(start)
        head = file.read(8)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):
            break
        start += 8 + length + length % 2
    # The last chunk's padding byte is often left out.
    return start - 1 if start else None


def _matroska_end(file: BinaryIO) -> int | None:
    """End of the segment, or None where it was written as a stream of unknown length."""
    file.seek(4)
    header = _matroska_length(file)
    if header is None:
        return None
    file.seek(header, 1)
    if file.read(4) != b"\x18\x53\x80\x67":
        return None
    length = _matroska_length(file)
    return None if length is None else file.tell() + length


def _matroska_length(file: BinaryIO) -> int | None:
    """Read a length; its first byte says how many bytes it takes. All ones means unknown."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    n_more = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(n_more), "big") & ((1 << (7 * (n_more + 1))) - 1)
    return None if value == (1 << (7 * (n_more + 1))) - 1 else value
