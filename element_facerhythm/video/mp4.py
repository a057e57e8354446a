"""Boxes of an mp4 or mov, read without ffmpeg: where the file ends, and how many samples it indexes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import numpy as np

from element_facerhythm.errors import VideoError

_FIRST_KINDS = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
# Boxes that hold boxes, as ffmpeg reads them.
_PARENTS = frozenset(
    b"moov hoov trak mdia minf stbl edts moof traf mvex udta meta dinf tref wave sinf schi iprp "
    b"ipco".split()
)
_TABLES = frozenset({b"stsz", b"stz2", b"stsc", b"stco", b"co64", b"stts", b"elst", b"hdlr"})
_NOT_IN_A_DESCRIPTION = (*_TABLES, b"trun", b"trak", b"moov", b"cmov")
_MAX_BOXES = 1_000_000
_MAX_DEPTH = 12
_MAX_DESCRIPTION = 1 << 20
# Sound without compression is indexed in pieces of at least this many samples.
_SOUND_PIECE = 160


class _Box(NamedTuple):
    kind: bytes
    content: int
    stop: int


def mp4_end(path: Path, file: BufferedReader) -> int | None:
    """End of the last outermost box, also where it lies beyond the file's; None for no mp4.

    Parameters
    ----------
    path
        Names the file in messages.
    file
        The file, opened; the position in it moves.

    Raises
    ------
    VideoError
        There are more boxes than any recorder writes.
    """
    end = None
    for box in _boxes(path, file, 0, _size(file)):
        if end is None and box.kind not in _FIRST_KINDS:
            return None
        end = max(end or 0, box.stop)
    return end


def mp4_lost_its_index(path: Path, file: BufferedReader) -> bool:
    """Whether the file begins as an mp4 and has no `moov`: its recorder was cut off.

    Parameters
    ----------
    path, file
        As for `mp4_end`.

    Raises
    ------
    VideoError
        There are more boxes than any recorder writes.
    """
    kinds = {box.kind for box in _boxes(path, file, 0, _size(file))}
    return b"ftyp" in kinds and b"moov" not in kinds


def mp4_samples(path: Path, file: BufferedReader) -> int:
    """Count the samples (frames, pieces of sound) that ffmpeg will index; 0 where it is no mp4.

    ffmpeg makes room for each as soon as it meets the table, although 20 bytes can claim thousands of
    millions.

    Parameters
    ----------
    path, file
        As for `mp4_end`.

    Raises
    ------
    VideoError
        The header is compressed, nested deeper than any recorder nests it, or in too many boxes.
    """
    size = _size(file)
    tracks, n_fragmented, n_boxes = [_Track()], 0, 0
    waiting = [(box, 1) for box in _boxes(path, file, 0, size)]
    while waiting:
        box, depth = waiting.pop()
        n_boxes += 1
        _require(n_boxes <= _MAX_BOXES and depth <= _MAX_DEPTH, path)
        if box.kind == b"trak":
            tracks.append(_Track())
        if box.kind in _PARENTS:
            start = box.content + 4 * (box.kind == b"meta")  # it has a version first
            inner = _boxes(path, file, start, min(box.stop, size))
            waiting.extend((child, depth + 1) for child in inner)
        elif box.kind in _TABLES:
            tracks[-1].note(file, box)
        elif box.kind == b"trun":
            n_fragmented += _number(_content(file, box, 8), 4)
        else:
            _require(not _hides_tables(file, box), path)
    return n_fragmented + sum(track.n_indexed() for track in tracks)


@dataclass
class _Track:
    """Claims of one track; of what is there twice, the larger counts."""

    n_samples: int = 0
    n_chunks: int = 0
    n_edits: int = 1
    handlers: set[bytes] = field(default_factory=set)
    timings: set[tuple[int, int]] = field(default_factory=set)
    chunk_table: tuple[int, bytes] = (0, b"")

    def note(self, file: BufferedReader, box: _Box) -> None:
        """Take in a table."""
        if box.kind in (b"stsz", b"stz2"):
            self.n_samples += _number(_content(file, box, 12), 8)
        elif box.kind in (b"stco", b"co64"):
            self.n_chunks += _number(_content(file, box, 8), 4)
        elif box.kind == b"elst":
            self.n_edits = max(self.n_edits, _number(_content(file, box, 8), 4))
        elif box.kind == b"hdlr":
            self.handlers.add(_content(file, box, 12)[8:])
        elif box.kind == b"stts":
            head = _content(file, box, 16)
            self.timings.add((_number(head, 4), _number(head, 12)))
        else:
            self.chunk_table = max(self.chunk_table, self._chunks(file, box))

    @staticmethod
    def _chunks(file: BufferedReader, box: _Box) -> tuple[int, bytes]:
        content = _content(file, box, box.stop - box.content)
        return len(content), content[8:]

    def n_indexed(self) -> int:
        """Entries of the index: one for each sample and edit, or piece of uncompressed sound."""
        is_sound = b"soun" in self.handlers and b"vide" not in self.handlers
        if not (is_sound and self.timings == {(1, 1)}):
            return self.n_samples * self.n_edits
        table = np.frombuffer(self.chunk_table[1], ">u4")
        table = table[: len(table) // 3 * 3].reshape(-1, 3).astype(np.float64)
        runs = np.diff(table[:, 0], append=self.n_chunks + 1)
        in_chunks = float(np.clip(runs, 0, self.n_chunks) @ table[:, 1]) if len(table) else 0.0
        return (int(in_chunks) // _SOUND_PIECE + self.n_chunks) * self.n_edits


def _boxes(path: Path, file: BufferedReader, start: int, stop: int) -> Iterator[_Box]:
    """Boxes side by side, up to the first that is none."""
    for _ in range(_MAX_BOXES):
        if start + 8 > stop:
            return
        file.seek(start)
        head = file.read(16)
        length, kind, header = _number(head, 0), head[4:8], 8
        if length == 1:
            length, header = int.from_bytes(head[8:16], "big"), 16
        elif length == 0:
            length = stop - start
        if length < header:
            return
        yield _Box(kind, start + header, start + length)
        start += length
    _require(start + 8 > stop, path)


def _hides_tables(file: BufferedReader, box: _Box) -> bool:
    """Whether ffmpeg would find tables in a box that holds none: compressed, or in a description."""
    if box.kind != b"stsd":
        return box.kind == b"cmov"
    content = _content(file, box, _MAX_DESCRIPTION)
    return len(content) == _MAX_DESCRIPTION or any(t in content for t in _NOT_IN_A_DESCRIPTION)


def _require(is_plain: bool, path: Path) -> None:
    if not is_plain:
        raise VideoError(
            f"Video {path} has a header that no recorder writes (compressed, nested too deeply, or in too "
            "many pieces), and is not read; copy it with ffmpeg (ffmpeg -i IN -c copy OUT.mp4)."
        )


def _content(file: BufferedReader, box: _Box, n_bytes: int) -> bytes:
    file.seek(box.content)
    return file.read(min(n_bytes, box.stop - box.content))


def _number(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "big")


def _size(file: BufferedReader) -> int:
    return os.fstat(file.fileno()).st_size
