"""Files of frame times that lie beside a video, or in the archive of its session.

A camera's software knows when it took each frame; the container of the video often does not. What counts:

- `<video>_timestamps.csv`, `<video>.times.npy` and the like: the name of the video, then a word for times;
- `<video>.csv`, `.txt`, `.tsv` or `.npy`, if it holds one time for each frame;
- `timestamps.csv`, `depth_ts.txt` (moseq2), `times.npy` and the like, in a directory with one video;
- the same in a .tar, .tar.gz or .tgz there, named after the video or its directory, or the only one.

Links are not followed. A file that has not one time for each frame is refused, not fitted.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import math
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from element_facerhythm.errors import PathError, TextError, VideoError
from element_facerhythm.files.regular import open_regular
from element_facerhythm.files.texts import parse_json
from element_facerhythm.video.time_columns import TimeColumn, times_in_array, times_in_text

logger = logging.getLogger(__name__)

FROM_STAMPS = "stamps"
"""What is given in place of a file where those beside the video do not count."""

_TEXTS = frozenset({".csv", ".txt", ".tsv"})
_ARRAYS = frozenset({".npy"})
_ARCHIVES = (".tar", ".tar.gz", ".tgz")
_VIDEOS = frozenset(
    {
        *(".avi", ".mp4", ".m4v", ".mkv", ".mov", ".mpg", ".mpeg", ".ts", ".webm", ".wmv", ".flv"),
        *(".h264", ".h265", ".hevc", ".mjpeg", ".mjpg", ".mj2"),
    }
)
_WORDS = frozenset({"timestamps", "timestamp", "times", "time", "ts", "frametimes", "frametime"})
_ACQUISITION = "metadata.json"
_SEPARATORS = re.compile(r"[^a-z]+")
_MAX_BYTES = 256 << 20
_MAX_METADATA_BYTES = 64 << 10
_MAX_ENTRIES = 20_000
_MAX_UNPACKED = 1 << 30


@dataclass(frozen=True, eq=False)
class FrameTimes:
    """Times of a video's frames, from a file of the camera's.

    Attributes
    ----------
    times_s
        (T,) seconds after the first one, strictly rising.
    source
        The file; of an archive, its name, a colon and the member.
    sha256
        Digest of the file, or of the member.
    column, unit, first_s
        See `TimeColumn`.
    """

    times_s: NDArray[np.float64]
    source: str
    sha256: str
    column: str
    unit: str
    first_s: float = 0.0


@dataclass(frozen=True)
class _Found:
    """A file beside the video, or in an archive, and its content."""

    source: str
    name: str
    content: bytes


def look_beside(
    video: Path, n_frames: int, rate_hz: float | None, choice: Path | str | None = None
) -> tuple[FrameTimes | None, dict[str, Any] | None]:
    """Read times of a video's frames, and what its recorder says of the session, from files beside it.

    Parameters
    ----------
    video
        The video.
    n_frames
        Its number of frames.
    rate_hz
        About its frame rate; None where it is not known.
    choice
        The file of times; `FROM_STAMPS` for none; None looks for one.

    Returns
    -------
    tuple
        The times, and the content of `metadata.json`; None each where there is no such file.

    Raises
    ------
    VideoError
        A file of times has not one for each frame, or there are several; or a file cannot be read.
    """
    beside = _Beside(video)
    acquisition = beside.acquisition(in_archives=choice is None)
    if choice == FROM_STAMPS:
        return None, acquisition
    if choice is not None:
        path = Path(choice)
        found = _Found(str(path), path.name, _content(path))
        return _times(video, found, n_frames, rate_hz), acquisition
    for files in (list(beside.own()), list(beside.general()), list(beside.archived(_is_general))):
        if len(files) > 1:
            raise VideoError(
                f"Video {video}: several files beside it hold times ({', '.join(f.source for f in files)}); "
                f"say which with --times FILE, or --times {FROM_STAMPS} for none."
            )
        if files:
            return _times(video, files[0], n_frames, rate_hz), acquisition
    return _times_of_namesake(video, beside, n_frames, rate_hz), acquisition


def read_frame_times(path: Path, rate_hz: float | None = None) -> FrameTimes:
    """Read a camera's file of frame times by itself, without the video that they are of.

    Parameters
    ----------
    path
        A text of rows, or an array (.npy).
    rate_hz
        About the frame rate, which decides the unit; None where it is not known.

    Raises
    ------
    VideoError
        It cannot be read, or holds no column of rising times.
    """
    found = _Found(str(path), path.name, _content(path))
    column = _column(found, rate_hz)
    if column is None:
        raise VideoError(
            f"{path} holds no column of rising times in s, ms, us, ns or dates that fit a camera"
            f"{'' if rate_hz is None else f' of about {rate_hz:g} frames/s'}; correct it, or give "
            "another file"
        )
    digest = hashlib.sha256(found.content).hexdigest()
    return FrameTimes(
        column.times_s, found.source, digest, column.name, column.unit, column.first_s
    )


def _times_of_namesake(
    video: Path, beside: _Beside, n_frames: int, rate_hz: float | None
) -> FrameTimes | None:
    """Read times of a file that is called as the video is; it may hold anything else as well."""
    for found in beside.namesakes():
        try:
            return _times(video, found, n_frames, rate_hz)
        except VideoError as error:
            logger.info("no frame times are taken from a file of the video's name: %s", error)
    return None


class _Beside:
    """What lies in the directory of a video."""

    def __init__(self, video: Path) -> None:
        self._video = video
        with os.scandir(video.absolute().parent) as entries:
            listed = [
                entry.name
                for entry, _ in zip(entries, range(_MAX_ENTRIES), strict=False)
                if entry.is_file(follow_symlinks=False) and entry.name != video.name
            ]
        self._names = sorted(listed)

    @property
    def is_alone(self) -> bool:
        """Whether there is no other video."""
        return not any(Path(name).suffix.lower() in _VIDEOS for name in self._names)

    def own(self) -> Iterator[_Found]:
        """Files of times that bear the video's name."""
        stem = self._video.stem.lower()
        for name in self._names:
            rest = Path(name).stem.lower().removeprefix(stem)
            if name.lower().startswith(stem) and _is_table(name) and rest and _says_times(rest):
                yield self._file(name)

    def namesakes(self) -> Iterator[_Found]:
        """Tables that are called as the video is."""
        for name in self._names:
            if _is_table(name) and Path(name).stem.lower() == self._video.stem.lower():
                yield self._file(name)

    def general(self) -> Iterator[_Found]:
        """Files of times in a directory with one video."""
        if self.is_alone:
            for name in self._names:
                if _is_general(name):
                    yield self._file(name)

    def acquisition(self, *, in_archives: bool) -> dict[str, Any] | None:
        """Content of `metadata.json`, in a directory with one video."""
        if not self.is_alone:
            return None
        files = [self._file(name) for name in self._names if name == _ACQUISITION]
        if in_archives:
            files += self.archived(lambda name: name == _ACQUISITION)
        if not files:
            return None
        try:
            value = parse_json(files[0].content[:_MAX_METADATA_BYTES].decode())
        except (TextError, UnicodeDecodeError) as error:
            raise VideoError(
                f"{files[0].source} is not valid JSON of at most {_MAX_METADATA_BYTES >> 10} kB; correct it, "
                "or take it away"
            ) from error
        return value if isinstance(value, dict) else None

    def archived(self, wanted: Callable[[str], bool]) -> Iterator[_Found]:
        """Members that are wanted, of the archive of this video's session."""
        return (found for found in self._archived if wanted(found.name))

    @cached_property
    def _archived(self) -> tuple[_Found, ...]:
        archives = [name for name in self._names if name.lower().endswith(_ARCHIVES)]
        titles = {self._video.stem, self._video.absolute().parent.name}
        own = [name for name in archives if _without_suffix(name) in titles]
        archives = own or archives
        if len(archives) != 1 or not self.is_alone:
            return ()
        return tuple(_members(self._video.parent / archives[0]))

    def _file(self, name: str) -> _Found:
        path = self._video.parent / name
        return _Found(str(path), name, _content(path))


def _content(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            content = file.read(_MAX_BYTES + 1)
    except (OSError, PathError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise VideoError(f"File of frame times {path} cannot be read: {why}") from error
    if len(content) > _MAX_BYTES:
        raise VideoError(
            f"File of frame times {path} is larger than {_MAX_BYTES >> 20} MB; no times are read of it"
        )
    return content


class _Unpacked(io.RawIOBase):
    """A compressed archive as it is unpacked, up to a limit."""

    def __init__(self, archive: Path, file: BufferedReader) -> None:
        self._archive, self._stream, self._n_left = (
            archive,
            gzip.GzipFile(fileobj=file),
            _MAX_UNPACKED,
        )

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(min(size, self._n_left + 1) if size >= 0 else self._n_left + 1)
        self._n_left -= len(content)
        if self._n_left < 0:
            raise VideoError(
                f"{self._archive} unpacks to more than {_MAX_UNPACKED >> 30} GB, which is not searched for "
                f"frame times; unpack its file of times beside the video, or say --times {FROM_STAMPS}"
            )
        return content


def _members(archive: Path) -> Iterator[_Found]:
    packed = not archive.name.lower().endswith(".tar")
    try:
        with (
            open_regular(archive) as file,
            tarfile.open(fileobj=_Unpacked(archive, file), mode="r|")
            if packed
            else tarfile.open(fileobj=file, mode="r:") as tar,
        ):
            for member, _ in zip(tar, range(_MAX_ENTRIES), strict=False):
                name = Path(member.name).name
                if member.isfile() and member.size <= _MAX_BYTES and _is_wanted(name):
                    content = tar.extractfile(member)
                    assert content is not None  # it is a file
                    yield _Found(f"{archive}:{name}", name, content.read())
    except (OSError, EOFError, zlib.error, tarfile.TarError, PathError) as error:
        raise VideoError(
            f"{archive} beside the video cannot be searched for frame times: {error}. Repair it, or say "
            f"--times {FROM_STAMPS}"
        ) from error


def _times(video: Path, found: _Found, n_frames: int, rate_hz: float | None) -> FrameTimes:
    column = _column(found, rate_hz)
    if column is None:
        raise VideoError(
            f"{found.source} holds no column of rising times in s, ms, us, ns or dates that fit the rate of "
            f"{video}; correct it, or say --times {FROM_STAMPS} if it is not of this video"
        )
    if len(column.times_s) != n_frames:
        raise VideoError(
            f"{found.source} holds {len(column.times_s)} times and video {video} has {n_frames} frames, so "
            "that it is not known which frame was taken when; give the right file with --times FILE, or say "
            f"--times {FROM_STAMPS} to take the video's own"
        )
    digest = hashlib.sha256(found.content).hexdigest()
    return FrameTimes(
        column.times_s, found.source, digest, column.name, column.unit, column.first_s
    )


def _column(found: _Found, rate_hz: float | None) -> TimeColumn | None:
    if Path(found.name).suffix.lower() in _ARRAYS:
        return times_in_array(_array(found), rate_hz)
    try:
        return times_in_text(found.content.decode("utf-8-sig"), rate_hz)
    except UnicodeDecodeError as error:
        raise VideoError(f"{found.source} is not a text in UTF-8; save it as UTF-8") from error


def _array(found: _Found) -> NDArray[np.generic]:
    """Array of a .npy file; its header is compared with its length before memory is taken."""
    stream = io.BytesIO(found.content)
    try:
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[
            npy.read_magic(stream)
        ]
        shape, by_columns, dtype = read(stream)
        array = np.frombuffer(found.content, dtype, math.prod(shape), stream.tell())
        return array.reshape(shape, order="F" if by_columns else "C")
    except (KeyError, ValueError, TypeError, SyntaxError, OverflowError, TokenError) as error:
        raise VideoError(f"{found.source} is no array of numbers; save it again") from error


def _is_wanted(name: str) -> bool:
    return name == _ACQUISITION or _is_general(name)


def _is_general(name: str) -> bool:
    return _is_table(name) and _says_times(Path(name).stem.lower())


def _is_table(name: str) -> bool:
    return Path(name).suffix.lower() in _TEXTS | _ARRAYS


def _says_times(words: str) -> bool:
    return not _WORDS.isdisjoint(_SEPARATORS.split(words))


def _without_suffix(name: str) -> str:
    ends = sorted(_ARCHIVES, key=len, reverse=True)
    return next(name[: -len(end)] for end in ends if name.lower().endswith(end))
