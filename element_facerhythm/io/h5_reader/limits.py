"""What an HDF5 file may hold to be read: limits of size, and datasets whose numbers lie in the file itself.

HDF5 lets a file of a few bytes declare terabytes, point at other files, and name filters that allocate what
the file says. Nothing of that occurs in the files that trackers and face-rhythm write.
"""

from __future__ import annotations

import errno
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py

from element_facerhythm.errors import ConfigurationError

LIMIT_VARIABLE = "FACERHYTHM_H5_LIMIT_MB"
DEFAULT_LIMIT_MB = 256

MAX_EXPANSION = 20
"""Bytes that a dataset may declare per byte that its file takes on the disk (beyond the limit)."""
_MAX_STORED_BYTES = 2 << 30
_MAX_CHUNKS = 1_000_000
_MAX_PIECES = 10_000
_MAX_CHUNK_BYTES = 64 << 20
_MAX_LZF_CHUNK_BYTES = 4 << 20  # LZF gives up to 88 bytes per byte, and nothing bounds its output
_CHUNK_SLACK_BYTES = 1 << 16  # checksums, and what cannot be compressed

_FLETCHER32, _SHUFFLE, _DEFLATE = h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_SHUFFLE, 1
_LZF = h5py.h5z.FILTER_LZF
_COMPRESSORS = (_DEFLATE, _LZF)
_FILTERS = (_FLETCHER32, _SHUFFLE, *_COMPRESSORS)

Box = Sequence[tuple[int, int]]
"""Start and stop along each axis."""


class ByteBudget:
    """Bytes that may be read whole from one open file, and declared by a dataset that is read in parts.

    Both grow with what the file takes on the disk, so that a large file is no obstacle and a small one that
    declares much is. A file with holes takes little, whatever its length.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ConfigurationError
        `FACERHYTHM_H5_LIMIT_MB` is no positive number.
    """

    def __init__(self, path: Path) -> None:
        self._limit = _limit_bytes()
        self._length = path.stat().st_size
        on_disk = _bytes_on_disk(path, self._limit)
        self._whole = self._limit + min(on_disk, _MAX_STORED_BYTES)
        self._declared = self._limit + MAX_EXPANSION * on_disk
        self._n_bytes_read = 0

    def fault_of_file(self) -> str | None:
        """Reason why the file as a whole is refused; None where it is not."""
        if self._length > self._declared:
            return self._too_much(f"is {self._length / 1e6:,.0f} MB long, nearly all of it holes")
        return None

    def fault_of_part(self, n_bytes: int) -> str | None:
        """Reason why a dataset that declares `n_bytes` is refused; None where it is not."""
        if n_bytes > self._declared:
            return self._too_much(f"declares {n_bytes / 1e6:,.0f} MB")
        return None

    def claim(self, n_bytes: int) -> str | None:
        """Count `n_bytes` that are about to be read; reason why that is too much, or None."""
        self._n_bytes_read += n_bytes
        if self._n_bytes_read > self._whole:
            return self._too_much(
                f"would bring what is read of this file to {self._n_bytes_read / 1e6:,.0f} MB"
            )
        return None

    def _too_much(self, what: str) -> str:
        return (
            f"{what}, more than a file like this plausibly holds; if it is right, set {LIMIT_VARIABLE} above "
            f"{self._limit / 1e6:,.0f}"
        )


def fault_of_dataset(dataset: h5py.Dataset) -> str | None:
    """Reason why a dataset is refused whatever its size; None where its numbers lie in the file, plainly."""
    properties = dataset.id.get_create_plist()
    layout = properties.get_layout()
    if layout == h5py.h5d.VIRTUAL:
        return "is a virtual dataset, whose numbers lie in other datasets"
    if properties.get_external_count() > 0:
        return "has external storage: its numbers lie in another file"
    if dataset.shape is None:
        return "is empty (it has no dataspace)"
    kind = _fault_of_type(dataset.dtype)
    if kind is not None:
        return kind
    return _fault_of_chunks(dataset, properties) if layout == h5py.h5d.CHUNKED else None


def fault_of_stored_chunks(dataset: h5py.Dataset, box: Box) -> str | None:
    """Reason why compressed chunks within `box` are refused; None where each gives no more than it declares.

    HDF5's deflate filter enlarges its output for as long as there is input, whatever size the chunk has.

    Parameters
    ----------
    dataset
        One that `fault_of_dataset` found nothing wrong with; only deflate (gzip) is checked.
    box
        The part that is about to be read.
    """
    if not _is_deflated(dataset):
        return None
    chunk_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    stored: list[Any] = []

    def note(info: Any) -> None:
        starts = zip(info.chunk_offset, dataset.chunks, box, strict=True)
        if all(start < last and start + n > first for start, n, (first, last) in starts):
            stored.append(info)

    dataset.id.chunk_iter(note)
    for info in stored:
        if info.size > chunk_bytes + _CHUNK_SLACK_BYTES:
            return f"stores a chunk of {info.size:,} bytes where {chunk_bytes:,} are declared"
        _, raw = dataset.id.read_direct_chunk(info.chunk_offset)
        if info.filter_mask == 0 and not _inflates_within(raw, chunk_bytes + _CHUNK_SLACK_BYTES):
            return f"has a chunk that decompresses to more than the {chunk_bytes:,} bytes declared"
    return None


def _bytes_on_disk(path: Path, limit: int) -> int:
    """Return what a file takes on the disk; where that looks little, what lies between its holes.

    Some file systems count no blocks, and some (ZFS) count those of a new file seconds later.
    """
    status = path.stat()
    on_disk = min(status.st_blocks * 512, status.st_size)
    if status.st_size <= limit + MAX_EXPANSION * on_disk:
        return on_disk
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return max(on_disk, _bytes_between_holes(descriptor, status.st_size))
    except OSError:  # not available on this system
        return status.st_size
    finally:
        os.close(descriptor)


def _bytes_between_holes(descriptor: int, length: int) -> int:
    n_bytes = end = 0
    for _ in range(_MAX_PIECES):
        if end >= length:
            break
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                break
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        n_bytes += end - start
    return n_bytes


def _inflates_within(raw: bytes, n_bytes: int) -> bool:
    stream = zlib.decompressobj()
    return len(stream.decompress(raw, n_bytes + 1)) <= n_bytes


def _limit_bytes() -> int:
    given = os.environ.get(LIMIT_VARIABLE, str(DEFAULT_LIMIT_MB))
    try:
        megabytes = float(given)
    except ValueError:
        megabytes = -1.0
    if not 0 < megabytes < 1e9:
        raise ConfigurationError(
            f"{LIMIT_VARIABLE} is {given!r}; expected a positive number of megabytes"
        )
    return int(megabytes * 1e6)


def _fault_of_type(dtype: Any) -> str | None:
    if h5py.check_string_dtype(dtype) is not None:
        return None
    if h5py.check_ref_dtype(dtype) is not None:
        return "holds references"
    if dtype.hasobject:
        return "holds values of variable length other than text, or references"
    if dtype.kind not in "biufcSV" or (dtype.kind == "V" and dtype.names is None):
        return f"is of the type {dtype}, which is neither numbers nor text"
    return None


def _fault_of_chunks(dataset: h5py.Dataset, properties: Any) -> str | None:
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    strange = [f for f in filters if f not in _FILTERS]
    if strange:
        return f"is stored with HDF5 filter {strange[0]}; expected deflate (gzip), LZF or none"
    if sum(f in _COMPRESSORS for f in filters) > 1:
        return "is compressed more than once"
    limit = _MAX_LZF_CHUNK_BYTES if _LZF in filters else _MAX_CHUNK_BYTES
    n_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    if n_bytes > limit:
        return f"has chunks of {n_bytes / 1e6:,.0f} MB; expected {limit / 1e6:,.0f} MB at most"
    if dataset.id.get_num_chunks() > _MAX_CHUNKS:
        return f"has more than {_MAX_CHUNKS:,} chunks"
    return None


def _is_deflated(dataset: h5py.Dataset) -> bool:
    return dataset.chunks is not None and dataset.compression == "gzip"
