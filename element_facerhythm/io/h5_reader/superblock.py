"""The beginning of an HDF5 file, checked before the library opens it.

Files of the first format can name a block for another storage driver, of a size that the library takes
memory for before it has checked the length of the file: four gigabytes for 28 kB. No file that lies in one
piece has such a block.

Layout: HDF5 File Format Specification, version 3.0, section II.A (Superblock, versions 0 and 1).
"""

from __future__ import annotations

from pathlib import Path

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FIRST_PLACE = 512  # after a user block of this size, or of twice, four times, ... as much
_SIZE_OF_OFFSETS = 13
_ADDRESSES = {0: 24, 1: 28}  # where they begin, by version
_DRIVER = 3  # after base, free space, and end of file


def fault_of_superblock(path: Path) -> str | None:
    """Reason why a file is not given to the library; None where nothing is wrong, or it is no HDF5 file."""
    length = path.stat().st_size
    with path.open("rb") as file:
        place = 0
        while place < length:
            file.seek(place)
            head = file.read(_ADDRESSES[1] + 4 * 255)
            if head.startswith(_SIGNATURE):
                return _fault_of(head)
            place = 2 * place or _FIRST_PLACE
    return None


def _fault_of(head: bytes) -> str | None:
    if len(head) <= _SIZE_OF_OFFSETS or head[len(_SIGNATURE)] not in _ADDRESSES:
        return None
    size = head[_SIZE_OF_OFFSETS]
    first = _ADDRESSES[head[len(_SIGNATURE)]] + _DRIVER * size
    driver = head[first : first + size]
    if driver == b"\xff" * size:  # undefined
        return None
    return "is stored by another driver than that for single files, or its beginning is damaged"
