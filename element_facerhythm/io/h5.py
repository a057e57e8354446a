"""HDF5 files in face-rhythm's conventions, written so that a reader never sees half a file.

A product is a tree of groups and plain, uncompressed, contiguous datasets that keep the order in
which they were written. A text is a scalar of fixed-length bytes, a list of texts an array of
variable-length ones. What this package adds stands in attributes of the root group, which
face-rhythm's reader ignores. Reading is the work of `h5_reader`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from element_facerhythm.errors import ProjectError
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.io.disk_space import preallocate, trim_preallocation
from element_facerhythm.io.h5_reader import H5Group
from element_facerhythm.io.h5_reader import open_h5 as open_h5

_ATTRIBUTE_BYTES = 60_000
_MAX_TEXT_BYTES = 16 << 20
_MARGIN_BYTES = 1 << 20


@contextmanager
def atomic_h5(path: Path) -> Iterator[h5py.File]:
    """Yield a new HDF5 file, open for writing, that appears under `path` when the block ends.

    Code that adds datasets other than by `write_tree` calls `make_room` first.
    """
    with atomic_path(path) as temporary:
        with h5py.File(temporary, "w", track_order=True) as file:
            make_room(file, 0)
            yield file
        trim_preallocation(temporary)


def make_room(group: h5py.Group, n_bytes: int) -> None:
    """Allocate disk space for datasets of `n_bytes` in all, and for what HDF5 writes about them.

    Parameters
    ----------
    group
        Any group of a file that is open for writing.
    n_bytes
        What the datasets will take beyond the present size of the file.

    Raises
    ------
    OSError
        There is no room.
    """
    file = group.file
    preallocate(Path(file.filename), file.id.get_filesize() + n_bytes + _MARGIN_BYTES)


def write_tree(group: h5py.Group, tree: Mapping[str, Any]) -> None:
    """Write a nested mapping of arrays, numbers and texts into `group`, in its order.

    Parameters
    ----------
    group
        Of a file that is open for writing; none of the names may be in it yet.
    tree
        Name to value. A mapping becomes a group, a text a scalar of fixed-length bytes, a list of texts an
        array of variable-length ones, and everything else what numpy makes of it.

    Raises
    ------
    OSError
        There is no room.
    """
    make_room(group, sum(np.asarray(v).nbytes for v in tree.values() if not isinstance(v, Mapping)))
    for name, value in tree.items():
        if isinstance(value, Mapping):
            write_tree(group.create_group(name, track_order=True), value)
        else:
            group.create_dataset(name, data=_to_storable(value))


def write_text_attribute(file: h5py.File, name: str, text: str) -> None:
    """Store a text of any length as attributes of the root group.

    HDF5 keeps an attribute below 64 KiB; a longer text goes on in ``<name>.1``, ``<name>.2`` ...

    Parameters
    ----------
    file
        Open for writing.
    name
        Of the first attribute.
    text
        Stored in UTF-8. What an earlier, longer text left in further attributes stays.
    """
    data = text.encode("utf-8")
    for i, start in enumerate(range(0, max(len(data), 1), _ATTRIBUTE_BYTES)):
        part = np.bytes_(data[start : start + _ATTRIBUTE_BYTES])
        file.attrs[name if i == 0 else f"{name}.{i}"] = part


def read_text_attribute(file: H5Group, name: str) -> str | None:
    """Text that `write_text_attribute` stored, or None where there is none.

    Parameters
    ----------
    file
        Root group of an open file.
    name
        Of the first attribute; those that go on with it are found.

    Raises
    ------
    ProjectError
        The attribute holds something else, or more than any writer puts there.
    """
    first = file.attribute_bytes(name)
    if first is None:
        return None
    parts = [first]
    while (part := file.attribute_bytes(f"{name}.{len(parts)}")) is not None:
        parts.append(part)
        if len(parts) * _ATTRIBUTE_BYTES > _MAX_TEXT_BYTES:
            raise ProjectError(f"{file.path}: attribute {name} is longer than any that is written")
    try:
        return b"".join(parts).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProjectError(f"{file.path}: attribute {name} is no text in UTF-8") from error


def _to_storable(value: Any) -> Any:
    """Return a text as fixed-length bytes, a list of texts as variable-length ones."""
    if isinstance(value, str):
        return np.bytes_(value.encode("utf-8"))
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
        return np.array(value, dtype=h5py.string_dtype("utf-8"))
    return np.asarray(value)
