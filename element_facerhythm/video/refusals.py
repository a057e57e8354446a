"""Why a file is not opened as a video, in a sentence."""

from __future__ import annotations

from io import BufferedReader
from pathlib import Path

import av

from element_facerhythm.video.mp4 import mp4_lost_its_index

_EXAMPLES = "mp4, mov, mkv, webm, avi, ts, mpg, wmv, ogg, mxf, y4m, mjpeg, h264"

# Beginnings of files that are often taken for a video, and what to call them.
_OTHER_FILES = (
    (b"#EXTM3U", "a playlist (hls): it names other files; give the video itself"),
    (
        b"ffconcat version",
        "a list of files (concat): it names other files; join them into one video",
    ),
    (
        b"<?xml",
        "an XML text, maybe a manifest (dash, imf) that names other files; give the video itself",
    ),
    (b"<MPD", "a manifest (dash): it names other files; give the video itself"),
    (b"v=0", "a session description (sdp): it names a network stream; give a recording of it"),
    (b"\x89PNG", "one picture (png)"),
    (b"II*\0", "a picture or a stack of them (tiff)"),
    (b"MM\0*", "a picture or a stack of them (tiff)"),
    (b"\xff\xd8\xff", "one picture (jpeg)"),
    (b"BM", "one picture (bmp)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"ID3", "a sound file: it holds only sound"),
    (b"fLaC", "a sound file: it holds only sound"),
)


def refusal(path: Path, file: BufferedReader, error: av.error.FFmpegError | OSError) -> str:
    """Return a sentence that says why ffmpeg does not open a file.

    Parameters
    ----------
    path
        Names the file in it.
    file
        The file, opened; its beginning shows what it may be instead. The position in it moves.
    error
        What ffmpeg, or reading for it, raised.

    Raises
    ------
    VideoError
        An mp4 has more boxes than any recorder writes.
    """
    if _other_kind(file) or isinstance(error, av.error.ArgumentError):
        return not_a_video(path, file)
    if isinstance(error, av.error.EOFError):
        why = "it holds no frame, the file ends with its header."
    elif mp4_lost_its_index(path, file):
        why = (
            "it is truncated, the index of the mp4 (moov) is missing, as where a recorder died; copy it "
            "again, or rebuild it with a whole video of the same camera (untrunc WHOLE.mp4 THIS.mp4)."
        )
    else:
        why = f"{error.strerror or error}. The file is no video, or its beginning is damaged."
    return f"Video {path} cannot be opened as a video: {why}"


def not_a_video(path: Path, file: BufferedReader) -> str:
    """Return a sentence that says what a file is that is no video.

    Parameters
    ----------
    path
        Names the file in it.
    file
        The file, opened; the position in it moves.
    """
    kind = _other_kind(file)
    if kind is None:
        return (
            f"{path} is not a video of a format that is read ({_EXAMPLES}, ...); give a video file."
        )
    return f"{path} is not a video: it is {kind}."


def _other_kind(file: BufferedReader) -> str | None:
    """Name what a file is that is no video; None where its beginning does not say."""
    file.seek(0)
    head = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"WEBP"):
        return {b"WAVE": "a sound file: it holds only sound", b"WEBP": "one picture (webp)"}[
            head[8:12]
        ]
    return next((kind for beginning, kind in _OTHER_FILES if head.startswith(beginning)), None)
