"""How long texts of variable length say they are, before HDF5 takes memory for them.

HDF5 stores of each the length (4 bytes) and where it lies (12 bytes), and allocates what the length says.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from element_facerhythm.files.regular import open_regular

_REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
_MAX_PIECES = 10_000


def fault_of_texts(raw: h5py.Dataset, path: Path) -> str | None:
    """Reason why texts of variable length are refused: one is longer than its file; None where none is.

    Texts in filtered chunks are not checked.

    Parameters
    ----------
    raw
        A dataset of texts of variable length.
    path
        The file that it lies in, which is read as it is, beside HDF5.

    Raises
    ------
    PathError, OSError
        The file is gone, is no regular file, or cannot be read.
    """
    pieces = _pieces(raw)
    if not pieces:
        return None
    size = path.stat().st_size
    with open_regular(path) as file:
        for start, n_bytes in pieces:
            file.seek(start)
            content = file.read(min(n_bytes, size))
            n_whole = len(content) // _REFERENCE.itemsize
            lengths = np.frombuffer(content, _REFERENCE, n_whole)["length"]
            if n_whole and lengths.max() > size:
                return f"holds a text of {int(lengths.max()):,} bytes, and the file has {size:,}"
    return None


def _pieces(raw: h5py.Dataset) -> list[tuple[int, int]]:
    """Place and length in the file of what is stored of a dataset, where it is stored as it is."""
    start = raw.id.get_offset()
    if start is not None:
        return [(start, raw.id.get_storage_size())]
    if raw.chunks is None or raw.id.get_create_plist().get_nfilters():
        return []
    n_chunks = min(raw.id.get_num_chunks(), _MAX_PIECES)
    chunks = (raw.id.get_chunk_info(i) for i in range(n_chunks))
    return [(chunk.byte_offset, chunk.size) for chunk in chunks if chunk.byte_offset is not None]
