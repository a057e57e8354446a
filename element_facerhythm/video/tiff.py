"""Pages of a TIFF stack: found by walking its directories, each cut out within the limits of videos.

A page is cut out of the file with the tags that say how it is stored, and given to OpenCV as a small TIFF
of one page: nothing else of the file is looked at, and stacks may be larger than memory.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Literal

from element_facerhythm.errors import VideoError
from element_facerhythm.video.limits import max_frames, max_packet_bytes

_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8, 17: 8}
_WIDTH, _HEIGHT, _SUBFILE = 256, 257, 254
_OFFSETS = {273: 279, 324: 325}  # strips and tiles: the tag of their lengths
_KEPT = frozenset(
    {256, 257, 258, 259, 262, 266, 277, 278, 279, 284, 317, 320, 322, 323, 325, 338, 339, 347}
    | {530, 532}
)
_MAX_TAGS = 512
_LONG, _LONG8 = 4, 16


@dataclass(frozen=True)
class _Field:
    kind: int
    count: int
    raw: bytes

    def numbers(self, order: str) -> tuple[int, ...]:
        code = {1: "B", 3: "H", _LONG: "I", _LONG8: "Q"}.get(self.kind)
        return struct.unpack(f"{order}{self.count}{code}", self.raw) if code else ()


class TiffPages:
    """Pages of one TIFF.

    Parameters
    ----------
    path
        Names the file in messages.
    file
        The opened file.

    Raises
    ------
    VideoError
        It is no TIFF, is damaged, or has more pages than videos may have frames.
    """

    def __init__(self, path: Path, file: BufferedReader) -> None:
        self._path, self._file = path, file
        self._size = os.fstat(file.fileno()).st_size
        head = self._read(0, 16)
        self._order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        magic = int.from_bytes(head[2:4], "little" if self._order == "<" else "big")
        if not self._order or magic not in (42, 43):
            raise VideoError(f"{path} is no TIFF.")
        self._is_big = magic == 43
        self._first = int.from_bytes(head[8:16] if self._is_big else head[4:8], self._byteorder)

    def offsets(self) -> list[int]:
        """Where the directory of each page begins, in order; reduced copies of pages are passed over."""
        found, seen, at = [], set(), self._first
        while at:
            if at in seen:
                raise self._damaged("its pages go round in a circle")
            seen.add(at)
            if len(seen) > max_frames():
                raise VideoError(
                    f"{self._path} holds {len(seen)} pages or more, and {max_frames()} are read at most."
                )
            fields, following = self._directory(at, {_SUBFILE})
            subfile = fields[_SUBFILE].numbers(self._order) if _SUBFILE in fields else ()
            if not (subfile and subfile[0] & 1):
                found.append(at)
            at = following
        return found

    def size(self, at: int) -> tuple[int, int]:
        """Width and height of the page whose directory begins at `at`."""
        fields, _ = self._directory(at, {_WIDTH, _HEIGHT})
        try:
            return (
                fields[_WIDTH].numbers(self._order)[0],
                fields[_HEIGHT].numbers(self._order)[0],
            )
        except (KeyError, IndexError) as error:
            raise self._damaged("a page has no size") from error

    def page(self, at: int) -> bytes:
        """Cut the page out as a TIFF of its own.

        Raises
        ------
        VideoError
            Its data lie outside the file, or are larger than those of the largest frame.
        """
        fields, _ = self._directory(at, _KEPT | set(_OFFSETS))
        parts: list[bytes] = []
        for tag, length_tag in _OFFSETS.items():
            if tag not in fields:
                continue
            starts = fields[tag].numbers(self._order)
            lengths = fields[length_tag].numbers(self._order) if length_tag in fields else ()
            if len(starts) != len(lengths):
                raise self._damaged("a page does not say where its pixels end")
            if sum(lengths) > max_packet_bytes():
                raise self._damaged("a page is larger than the largest frame")
            parts = [
                self._read(start, length) for start, length in zip(starts, lengths, strict=True)
            ]
            fields[tag] = _Field(_LONG, len(starts), bytes(4 * len(starts)))
            fields[length_tag] = self._longs(lengths)
        return self._written(fields, parts)

    def _written(self, fields: dict[int, _Field], parts: list[bytes]) -> bytes:
        """Lay out a classic TIFF: header, directory, values, pixels."""
        start = 8 + 2 + 12 * len(fields) + 4
        at = start + sum(len(_padded(f.raw)) for f in fields.values() if len(f.raw) > 4)
        starts = []
        for part in parts:
            starts.append(at)
            at += len(part)
        entries, place, out = [], start, bytearray()
        for tag, field in sorted(fields.items()):
            is_place = tag in _OFFSETS
            written = self._longs(tuple(starts)) if is_place else field
            if len(written.raw) > 4:
                where = struct.pack(f"{self._order}I", place)
                out += _padded(written.raw)
                place += len(_padded(written.raw))
            else:
                where = written.raw.ljust(4, b"\0")
            entries.append(
                struct.pack(f"{self._order}HHI", tag, written.kind, written.count) + where
            )
        mark = b"II" if self._order == "<" else b"MM"
        header = mark + struct.pack(f"{self._order}HIH", 42, 8, len(entries))
        return b"".join([header, *entries, bytes(4), bytes(out), *parts])

    def _longs(self, values: tuple[int, ...]) -> _Field:
        return _Field(_LONG, len(values), struct.pack(f"{self._order}{len(values)}I", *values))

    def _directory(
        self, at: int, wanted: set[int] | frozenset[int]
    ) -> tuple[dict[int, _Field], int]:
        """Fields of a directory, and where the next one begins."""
        n_head, n_number, code = (8, 8, "Q") if self._is_big else (2, 4, "I")
        n_tags = int.from_bytes(self._read(at, n_head), self._byteorder)
        if not 0 < n_tags <= _MAX_TAGS:
            raise self._damaged("a page has no directory")
        n_entry = 4 + 2 * n_number
        table = self._read(at + n_head, n_tags * n_entry + n_number)
        fields = {}
        for i in range(n_tags):
            entry = table[i * n_entry : (i + 1) * n_entry]
            tag, kind, count = struct.unpack(f"{self._order}HH{code}", entry[: 4 + n_number])
            if tag in wanted and kind in _BYTES:
                fields[tag] = self._field(kind, count, entry[4 + n_number :])
        following = table[n_tags * n_entry :]
        return fields, int.from_bytes(following, self._byteorder)

    def _field(self, kind: int, count: int, inline: bytes) -> _Field:
        n_bytes = count * _BYTES[kind]
        if n_bytes <= len(inline):
            return _Field(kind, count, inline[:n_bytes])
        if n_bytes > max_packet_bytes():
            raise self._damaged("a tag of it is larger than the largest frame")
        raw = self._read(int.from_bytes(inline, self._byteorder), n_bytes)
        return _Field(kind, count, raw)

    @property
    def _byteorder(self) -> Literal["little", "big"]:
        return "little" if self._order == "<" else "big"

    def _read(self, at: int, n_bytes: int) -> bytes:
        if at + n_bytes > self._size:
            raise self._damaged("it ends in the midst of a page")
        self._file.seek(at)
        return self._file.read(n_bytes)

    def _damaged(self, why: str) -> VideoError:
        return VideoError(f"{self._path} is truncated or damaged: {why}; save the stack again.")


def _padded(raw: bytes) -> bytes:
    return raw + bytes(len(raw) % 2)
