"""Opening a video file: one of the formats below, and nothing but the file itself."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from element_facerhythm.errors import VideoError
from element_facerhythm.files.regular import kind_of, open_regular
from element_facerhythm.video.limits import (
    FRAME_PIXELS_VARIABLE,
    FRAMES_VARIABLE,
    max_frame_pixels,
    max_frames,
    max_packet_bytes,
)
from element_facerhythm.video.mp4 import mp4_samples
from element_facerhythm.video.png import PNG_CODECS
from element_facerhythm.video.refusals import not_a_video, refusal

RE_ENCODE = "re-encode it (ffmpeg -i IN -c:v libx264 -crf 12 OUT.mp4) or copy it again"

# ffmpeg's readers of formats that hold a film themselves. What refers to other files (playlists, lists,
# manifests, numbered pictures) or is no file (devices, filters) is not among them.
_FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mxf,gxf,nut,ivf,wtv,rm,dv,ser,cine,dhav,hxvs,smjpeg,mxg,"
    "yuv4mpegpipe,mjpeg,h261,h263,h264,hevc,vvc,av1,obu,m4v,mpegvideo,vc1,vc1test,dirac,dnxhd,cavsvideo,"
    "avs2,avs3,apng,gif,swf"
)
_MAX_STREAMS = 100
# Decoders that may run while a file is opened: PNG frames are looked at first, see `video.png`.
_OPENING_DECODERS = ",".join(sorted(av.codecs_available - PNG_CODECS))

_JPEG = b"\xff\xd8\xff"
_JPEG_AFTER_JPEG = re.compile(rb"\xff\xd9\0*\xff\xd8\xff")
_MAX_JPEG = 16 << 20  # of the first picture, in which the second is searched for


def require_file(path: Path) -> None:
    """Raise VideoError unless the path is a regular file with something in it; nothing is opened."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VideoError(f"Video {path} does not exist; check the path.") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise VideoError(f"Video {path} cannot be found: {why}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise VideoError(
            f"Video {path} is not a file but a {kind_of(status.st_mode)}; give the path of one video file."
        )
    if status.st_size == 0:
        raise VideoError(f"Video {path} is empty (0 bytes); copy it again.")


@contextmanager
def open_video_file(path: Path) -> Iterator[BufferedReader]:
    """Open a video's file, as bytes; VideoError where that is not possible."""
    require_file(path)
    try:
        file = open_regular(path)
    except OSError as error:
        why = "no permission to read it" if isinstance(error, PermissionError) else error.strerror
        raise VideoError(f"Video {path} cannot be opened as a video: {why}.") from error
    with file:
        yield file


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and choose its moving picture; closed on leaving.

    Raises
    ------
    VideoError
        The file is missing, empty, no video, has no moving picture, or no decoder is there for it.
    """
    with open_video_file(path) as file, open_stream(path, file) as opened:
        yield opened


class ReadBudget:
    """Bytes that may still be read before the next packet is there.

    A parser gathers bytes until a frame ends; where none does, it would gather the whole file.
    """

    def __init__(self) -> None:
        self.most = max_packet_bytes()
        self.renew()

    def renew(self) -> None:
        """Allow as much again: a packet came."""
        self._left = self.most

    @property
    def is_used_up(self) -> bool:
        """Whether more was read than may be."""
        return self._left < 0

    def spend(self, n_bytes: int) -> None:
        """Take bytes off; OSError where there are not so many left."""
        self._left -= n_bytes
        if self._left < 0:
            raise OSError(
                errno.EFBIG,
                f"more than {self.most >> 20} MB without the end of a frame (a frame that needs more is read "
                f"where {FRAME_PIXELS_VARIABLE} is higher)",
            )


@contextmanager
def open_stream(
    path: Path, file: BufferedReader, budget: ReadBudget | None = None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Read an opened file as a video; ffmpeg reads the bytes through `file` and can open nothing itself.

    Parameters
    ----------
    path
        Names the file in messages.
    file
        The file.
    budget
        What may be read, renewed by the caller with each packet; None does not limit it, which is for files
        that were read to their end with one.

    Raises
    ------
    VideoError
        As of `open_video`, or what may be read is used up.
    """
    with _container(path, file, {}, budget) as container:
        cover = Disposition.attached_pic
        streams = [s for s in container.streams.video if not s.disposition & cover]
        if not streams:
            content = "only sound" if container.streams.audio else "no frame"
            raise VideoError(f"Video {path} holds {content}; a stream of frames is needed.")
        if streams[0].codec_context is None:
            raise VideoError(f"Video {path}: there is no decoder for its codec; {RE_ENCODE}.")
        streams[0].codec_context.options = decoder_options()
        yield container, streams[0]


def decoder_options() -> dict[str, str]:
    """Options of every decoder: one that meets a larger frame fails before it makes room for it."""
    return {"max_pixels": str(max_frame_pixels())}


def require_within_limits(path: Path, file: BufferedReader) -> None:
    """Refuse a video whose frames are too large or too many, before anything is made room for.

    Parameters
    ----------
    path
        Names the file in messages.
    file
        The file, opened; the position in it moves.

    Raises
    ------
    VideoError
        The message names the limit and the setting that raises it. Also where an mp4 counts more frames than
        it has bytes, or ffmpeg does not open the file.
    """
    n_samples, most = mp4_samples(path, file), max_frames()
    if n_samples > os.fstat(file.fileno()).st_size:
        raise VideoError(
            f"Video {path} is damaged: its header counts {n_samples} frames, more than it has bytes; "
            f"{RE_ENCODE}."
        )
    if n_samples > most:
        raise too_many_frames(path, n_samples)
    # without decoders: what the header says of the frames, and what parsers find in the first ones
    with _container(path, file, {"codec_whitelist": "none"}, ReadBudget()) as container:
        for stream in container.streams.video:
            context = stream.codec_context
            if context is not None and context.width * context.height > max_frame_pixels():
                raise VideoError(
                    f"Video {path} has frames of {context.width} x {context.height} px, more than "
                    f"{max_frame_pixels()} pixels; crop or scale it, or set {FRAME_PIXELS_VARIABLE} higher."
                )


def too_many_frames(path: Path, n_frames: int) -> VideoError:
    """Return the error for a video of more frames than are read.

    Parameters
    ----------
    path
        The video.
    n_frames
        Frames that were counted so far, or that its header claims.
    """
    return VideoError(
        f"Video {path} holds {n_frames} frames or more, and {max_frames()} are read at most; split it, or "
        f"set {FRAMES_VARIABLE} higher."
    )


class _Source:
    """What ffmpeg reads a file through; seeking to a place that a damaged header invents fails.

    `name` is the file's: where contents leave the format open, its ending decides.
    """

    def __init__(self, file: BufferedReader, budget: ReadBudget | None) -> None:
        self.name = file.name
        self.read = file.read if budget is None else self._read
        self._budget = budget
        self.tell = file.tell
        self._file = file

    def _read(self, n_bytes: int) -> bytes:
        if self._budget is None or self._budget.is_used_up:
            return b""  # PyAV prints what is raised while it has not raised the first
        data = self._file.read(n_bytes)
        self._budget.spend(len(data))
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Seek as a file does; a negative number, by which ffmpeg knows an error, for impossible places."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -errno.EINVAL


def _container(
    path: Path, file: BufferedReader, options: dict[str, str], budget: ReadBudget | None
) -> InputContainer:
    is_raw_mjpeg = _is_jpeg_after_jpeg(file)
    file.seek(0)
    try:
        container = av.open(
            _Source(file, budget),
            format="mjpeg" if is_raw_mjpeg else None,
            metadata_errors="ignore",
            options={
                "format_whitelist": _FORMATS,
                "protocol_whitelist": "none",
                "codec_whitelist": _OPENING_DECODERS,
                "max_streams": str(_MAX_STREAMS),
                **decoder_options(),
                **options,
            },
        )
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(refusal(path, file, error)) from error
    if set(_FORMATS.split(",")).isdisjoint(container.format.name.split(",")):
        container.close()
        raise VideoError(not_a_video(path, file))
    return container


def _is_jpeg_after_jpeg(file: BufferedReader) -> bool:
    """Whether pictures follow each other without a container; ffmpeg may take that for one picture."""
    file.seek(0)
    return file.read(3) == _JPEG and _JPEG_AFTER_JPEG.search(file.read(_MAX_JPEG)) is not None
