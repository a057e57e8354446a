"""Size that the header of a container claims (mp4/mov, avi, mkv/webm), read without ffmpeg."""

from __future__ import annotations

import os
from io import BufferedReader
from pathlib import Path

from element_facerhythm.video.mp4 import mp4_end

_TS_PACKET, _TS_SYNC, _N_SYNC = 188, b"G", 4


def declared_size(path: Path, file: BufferedReader) -> int | None:
    """Size in bytes that the container claims; None where it claims none.

    A file shorter than this was cut off.

    Parameters
    ----------
    path
        Names the file in messages.
    file
        The file, opened; the position in it moves.

    Raises
    ------
    VideoError
        An mp4 is cut into more boxes than any recorder writes.
    """
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _riff_end(file)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _matroska_end(file)
    return mp4_end(path, file)


def ends_within_ts_packet(file: BufferedReader, size: int) -> bool:
    """Whether an MPEG transport stream is cut within one of its packets of 188 bytes.

    Parameters
    ----------
    file
        The file, opened; one that does not begin as such a stream is not cut. The position in it moves.
    size
        Of the file in bytes.
    """
    file.seek(0)
    if size < _N_SYNC * _TS_PACKET or file.read(1) != _TS_SYNC:
        return False  # other sizes of packets are not looked at
    for number in range(1, _N_SYNC + 1):
        file.seek(size - number * _TS_PACKET)
        if file.read(1) != _TS_SYNC:
            return True
    return False


def _riff_end(file: BufferedReader) -> int | None:
    """End of the last RIFF chunk; a large avi has several. None while the size is not filled in."""
    start, size = 0, os.fstat(file.fileno()).st_size
    while start + 8 <= size:
        file.seek(start)
        head = file.read(8)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):
            break
        start += 8 + length + length % 2
    # The last chunk's padding byte is often left out.
    return start - 1 if start else None


def _matroska_end(file: BufferedReader) -> int | None:
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


def _matroska_length(file: BufferedReader) -> int | None:
    """Read a length; its first byte says how many bytes it takes. All ones means unknown."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    n_more = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(n_more), "big") & ((1 << (7 * (n_more + 1))) - 1)
    return None if value == (1 << (7 * (n_more + 1))) - 1 else value
