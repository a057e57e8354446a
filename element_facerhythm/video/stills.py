"""Stacks (TIFF of several pages) and sets of single pictures, read as the frames of a video."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame

from element_facerhythm.errors import VideoError
from element_facerhythm.files.regular import FileMemory
from element_facerhythm.video.container import open_video_file
from element_facerhythm.video.levels import require_room
from element_facerhythm.video.limits import (
    FRAME_PIXELS_VARIABLE,
    max_frame_pixels,
    max_packet_bytes,
)
from element_facerhythm.video.packet_index import PacketIndex
from element_facerhythm.video.png import require_small_texts
from element_facerhythm.video.still_files import still_files
from element_facerhythm.video.tiff import TiffPages

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG = b"\x89PNG\r\n\x1a\n"
_FORMATS = {
    ("uint8", 2): "gray",
    ("uint16", 2): "gray16le",
    ("uint8", 3): "rgb24",
    ("uint16", 3): "rgb48le",
}
_HEAD_BYTES = 1 << 20  # in which a picture's size must stand


@dataclass(frozen=True)
class Stack:
    """Pages of one TIFF, by the place of each one's directory in the file."""

    path: Path
    offsets: tuple[int, ...]
    codec: str = "tiff"

    def frames(self, start: int, stop: int) -> Iterator[VideoFrame]:
        """Yield decoded pages.

        Parameters
        ----------
        start, stop
            First page, and the one after the last.

        Raises
        ------
        VideoError
            One cannot be decoded, or is too large.
        """
        with open_video_file(self.path) as file:
            pages = TiffPages(self.path, file)
            for number in range(start, stop):
                at = self.offsets[number]
                _require_size(self.path, pages.size(at))
                yield _decoded(f"{self.path}, page {number}", pages.page(at))


@dataclass(frozen=True)
class Stills:
    """Single pictures, each in a file."""

    path: Path
    files: tuple[Path, ...]

    @property
    def codec(self) -> str:
        """What the pictures are, by their ending."""
        suffix = self.files[0].suffix.lower().removeprefix(".")
        return {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix)

    def frames(self, start: int, stop: int) -> Iterator[VideoFrame]:
        """Yield decoded pictures.

        Parameters
        ----------
        start, stop
            First picture, and the one after the last.

        Raises
        ------
        VideoError
            One cannot be decoded, or is too large.
        """
        for file in self.files[start:stop]:
            yield _decoded(str(file), _content(file))


_indices: FileMemory[PacketIndex] = FileMemory(max_entries=64)


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF."""
    with open_video_file(path) as file:
        return file.read(4) in _TIFF


def scan_stills(path: Path) -> PacketIndex:
    """Index of a directory or pattern of pictures; kept for as long as no file of it changes.

    Raises
    ------
    VideoError
        See `still_files`; or a picture is none, or too large.
    """
    files = still_files(path)
    return _indices.recall_all(files, lambda: _scan_files(path, files))


def scan_stack(path: Path, file: BufferedReader) -> PacketIndex:
    """Index of a TIFF of several pages.

    Parameters
    ----------
    path
        The file, which is opened again where its pages are read.
    file
        The same, opened.

    Raises
    ------
    VideoError
        It has one page, too many or too large ones, or is damaged.
    """
    pages = TiffPages(path, file)
    offsets = tuple(pages.offsets())
    if len(offsets) < 2:
        raise VideoError(
            f"{path} is not a video: it is one picture (tiff); give a stack of several pages, or the "
            "directory of all pictures."
        )
    sizes = _different(_require_size(path, pages.size(at)) for at in offsets)
    return _index(Stack(path, offsets), len(offsets), sizes)


def _scan_files(path: Path, files: tuple[Path, ...]) -> PacketIndex:
    return _index(Stills(path, files), len(files), _different(_size_of_file(f) for f in files))


def _index(stills: Stack | Stills, n_frames: int, sizes: Any) -> PacketIndex:
    first = next(stills.frames(0, 1))
    return PacketIndex(
        n_frames=n_frames,
        pts=None,
        sizes=sizes,
        pixel_format=first.format.name,
        n_damaged=0,
        stills=stills,
    )


def _different(sizes: Iterator[tuple[int, int]]) -> tuple[tuple[int, tuple[int, int]], ...]:
    found: list[tuple[int, tuple[int, int]]] = []
    for number, size in enumerate(sizes):
        if not found or found[-1][1] != size:
            found.append((number, size))
    return tuple(found)


def _size_of_file(path: Path) -> tuple[int, int]:
    with open_video_file(path) as file:
        head = file.read(4)
        if head in _TIFF:
            pages = TiffPages(path, file)
            offsets = pages.offsets()
            if len(offsets) != 1:
                raise VideoError(
                    f"{path} holds {len(offsets)} pages; give such a stack as a video of its own."
                )
            return _require_size(path, pages.size(offsets[0]))
        return _require_size(path, _stated_size(path, head + file.read(_HEAD_BYTES)))


def _content(path: Path) -> bytes:
    """Bytes of one picture, within the limits."""
    with open_video_file(path) as file:
        head = file.read(4)
        if head in _TIFF:
            pages = TiffPages(path, file)
            at = pages.offsets()[0]
            _require_size(path, pages.size(at))
            return pages.page(at)
        content = head + file.read(max_packet_bytes())
    _require_size(path, _stated_size(path, content[:_HEAD_BYTES]))
    if content.startswith(_PNG):
        require_small_texts(path, content)
    return content


def _require_size(path: Path, size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    if width < 1 or height < 1 or width * height > max_frame_pixels():
        raise VideoError(
            f"{path} has {width} x {height} px, and 1 to {max_frame_pixels()} pixels are read; crop or scale "
            f"it, or set {FRAME_PIXELS_VARIABLE} higher."
        )
    return size


def _stated_size(path: Path, head: bytes) -> tuple[int, int]:
    """Width and height that the header of a PNG, JPEG or BMP states."""
    if head.startswith(_PNG) and head[12:16] == b"IHDR" and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    if head.startswith(b"BM") and len(head) >= 26:
        width, height = struct.unpack("<ii", head[18:26])
        return abs(width), abs(height)
    if head.startswith(b"\xff\xd8"):
        size = _jpeg_size(head)
        if size is not None:
            return size
    raise VideoError(f"{path} is no picture that is read (png, jpeg, tiff, bmp), or is damaged.")


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        else:
            at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


def _decoded(name: str, content: bytes) -> VideoFrame:
    try:
        picture = cv2.imdecode(
            np.frombuffer(content, np.uint8),
            cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION,
        )
    except cv2.error as error:
        raise VideoError(f"{name} cannot be decoded: {error.err}.") from error
    if picture is None:
        raise VideoError(f"{name} cannot be decoded; save it again.")
    pixel_format = _FORMATS.get((picture.dtype.name, picture.ndim))
    if pixel_format is None:
        raise VideoError(
            f"{name} holds numbers of type {picture.dtype}; save it with 8 or 16 bits without sign."
        )
    require_room(name, pixel_format, picture.shape[1], picture.shape[0])
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=pixel_format)
