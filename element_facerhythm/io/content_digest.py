"""The digest of its own content that every file of this package carries.

It covers every dataset (name, type, shape, bytes) and the texts in attributes that say what the file was made
from. A product is used again only while it holds: a failing disk, or a write to the wrong place,
changes bytes and leaves name, size and fingerprint as they were.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from element_facerhythm.errors import ProjectError
from element_facerhythm.files.regular import FileMemory
from element_facerhythm.io.h5 import read_text_attribute, write_text_attribute
from element_facerhythm.io.h5_reader import H5Group, open_h5, root_of

ATTRIBUTE_CONTENT = "facerhythm_content_sha256"

COVERED_TEXTS = (
    "facerhythm_fingerprint",
    "facerhythm_inputs_sha256",
    "facerhythm_keypoints",
    "facerhythm_package_version",
    "facerhythm_record",
)
"""Attributes of the root group that the digest covers where they are."""

CHANGED_FILE_REMEDY = (
    "Restore it from a backup. Results of a task that computes (task_mode 'trigger') can be made anew: "
    "delete the entry and populate again, and what is damaged (see `facerhythm verify`) is computed again"
)
"""What to do about a file that is not what was entered. Entering it as it is now would only
record the damage as valid."""

_BLOCK_BYTES = 16 << 20


class Content(Enum):
    """What the digest in a file says: the content is as it was written, or not, or there is no digest."""

    INTACT = "intact"
    DAMAGED = "damaged"
    WITHOUT_DIGEST = "without digest"


_contents: FileMemory[Content] = FileMemory(max_entries=1024)


def seal(file: h5py.File) -> None:
    """Write the digest of all that a new file holds into it, as the last thing that is written."""
    write_text_attribute(file, ATTRIBUTE_CONTENT, content_sha256(root_of(file)))


def content_of(path: Path) -> Content:
    """State of a file's content; the answer is remembered for as long as the file does not change.

    A file that cannot be read as HDF5 is damaged.

    Raises
    ------
    PathError, OSError
        There is no regular file.
    """
    return _contents.recall(path, lambda _file: _look(path))


def _look(path: Path) -> Content:
    try:
        with open_h5(path) as file:
            stored = read_text_attribute(file, ATTRIBUTE_CONTENT)
            if stored is None:
                return Content.WITHOUT_DIGEST
            return Content.INTACT if content_sha256(file) == stored else Content.DAMAGED
    except ProjectError:
        return Content.DAMAGED


def content_sha256(file: H5Group) -> str:
    """SHA-256 of the datasets of an open file, and of the texts that `COVERED_TEXTS` names; 64 hex digits."""
    digest = hashlib.sha256()
    for name in COVERED_TEXTS:
        text = read_text_attribute(file, name)
        if text is not None:
            _add(digest, f"@{name}", text.encode())
    for node in file.datasets():
        name = node.name
        if h5py.check_string_dtype(node.dtype) is not None:
            _add(digest, f"{name} text {node.shape}", repr(node.value()).encode())
            continue
        _add(digest, f"{name} {node.dtype.str} {tuple(node.shape)}", b"")
        for block in blocks_of(node.shape, node.dtype.itemsize):
            digest.update(np.ascontiguousarray(node[block]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _add(digest: Any, what: str, data: bytes) -> None:
    """Add bytes with what they are and how many, so that no two contents give the same stream."""
    digest.update(f"{what};{len(data)};".encode())
    digest.update(data)


def blocks_of(shape: tuple[int, ...], item_bytes: int) -> Iterator[tuple[int | slice, ...]]:
    """Yield indices that read an array in C order, 16 MiB at a time at most.

    Parameters
    ----------
    shape
        Of the array; with a 0 in it, nothing is yielded, and ``()`` yields one empty index.
    item_bytes
        Size of one entry.
    """
    if 0 in shape:
        return
    axis = 0
    while axis < len(shape) and math.prod(shape[axis + 1 :]) * item_bytes > _BLOCK_BYTES:
        axis += 1
    if axis == len(shape):
        yield from itertools.product(*map(range, shape)) if shape else [()]
        return
    step = max(1, _BLOCK_BYTES // (math.prod(shape[axis + 1 :]) * item_bytes))
    for outer in itertools.product(*map(range, shape[:axis])):
        for first in range(0, shape[axis], step):
            yield (*outer, slice(first, first + step))
