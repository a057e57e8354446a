"""HDF5 files in face-rhythm's conventions, written so that a reader never sees half a file.

A product is a tree of groups and plain, uncompressed, contiguous datasets that keep the order in
which they were written. A text is a scalar of fixed-length bytes, a list of texts an array of
variable-length ones. What we add stands in attributes of the root group, which face-rhythm's
reader does not look at.
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
from element_facerhythm.io.room import give_room_back, take_room

_ATTRIBUTE_BYTES = 60_000
_MARGIN_BYTES = 1 << 20


@contextmanager
def atomic_h5(path: Path) -> Iterator[h5py.File]:
    """Yield a new HDF5 file, open for writing, that appears under `path` when the block ends.

    Whoever adds datasets other than by `write_tree` calls `make_room` first.
    """
    with atomic_path(path) as temporary:
        with h5py.File(temporary, "w", track_order=True) as file:
            make_room(file, 0)
            yield file
        give_room_back(temporary)


def make_room(group: h5py.Group, n_bytes: int) -> None:
    """Take room on the disk for datasets of `n_bytes` in all, and for what HDF5 writes about them.

    Raises
    ------
    OSError
        There is no room.
    """
    file = group.file
    take_room(Path(file.filename), file.id.get_filesize() + n_bytes + _MARGIN_BYTES)


def write_tree(group: h5py.Group, tree: Mapping[str, Any]) -> None:
    """Write a nested mapping of arrays, numbers and texts into `group`, in its order."""
    make_room(group, sum(np.asarray(v).nbytes for v in tree.values() if not isinstance(v, Mapping)))
    for name, value in tree.items():
        if isinstance(value, Mapping):
            write_tree(group.create_group(name, track_order=True), value)
        else:
            group.create_dataset(name, data=_to_storable(value))


def read_tree(group: h5py.Group) -> dict[str, Any]:
    """Read a group into a nested dict of arrays; texts become ``str``, lists of texts lists."""
    return {
        name: read_tree(node) if isinstance(node, h5py.Group) else read_value(node)
        for name, node in group.items()
    }


def read_value(node: h5py.Dataset) -> Any:
    """Value of a dataset: ``str`` or a list of them where it holds text, else an array."""
    if h5py.check_string_dtype(node.dtype) is None:
        return node[()]
    value = node.asstr()[()]
    return value if isinstance(value, str) else list(value)


@contextmanager
def open_h5(path: Path, mend: str = "write it again") -> Iterator[h5py.File]:
    """Open an HDF5 file to read.

    Raises
    ------
    ProjectError
        The file is missing, truncated or not HDF5; the message ends with `mend`.
    """
    if not path.is_file():
        raise ProjectError(f"{path} does not exist; {mend}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ProjectError(
            f"{path} cannot be read as HDF5 (truncated or damaged: {error}); {mend}"
        ) from error
    with file:
        try:
            yield file
        except OSError as error:
            raise ProjectError(f"{path} is damaged: {error}; {mend}") from error


def write_text_attribute(file: h5py.File, name: str, text: str) -> None:
    """Store a text of any length as attributes of the root group.

    HDF5 keeps an attribute below 64 KiB; a longer text goes on in ``<name>.1``, ``<name>.2`` ...
    """
    data = text.encode("utf-8")
    for i, start in enumerate(range(0, max(len(data), 1), _ATTRIBUTE_BYTES)):
        part = np.bytes_(data[start : start + _ATTRIBUTE_BYTES])
        file.attrs[name if i == 0 else f"{name}.{i}"] = part


def read_text_attribute(file: h5py.File, name: str) -> str | None:
    """Text that `write_text_attribute` stored, or None where there is none."""
    if name not in file.attrs:
        return None
    parts = [_as_bytes(file.attrs[name])]
    while (key := f"{name}.{len(parts)}") in file.attrs:
        parts.append(_as_bytes(file.attrs[key]))
    return b"".join(parts).decode("utf-8")


def _as_bytes(value: Any) -> bytes:
    return value.encode("utf-8") if isinstance(value, str) else bytes(value)


def _to_storable(value: Any) -> Any:
    """Give a text as fixed-length bytes, a list of texts as variable-length ones."""
    if isinstance(value, str):
        return np.bytes_(value.encode("utf-8"))
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
        return np.array(value, dtype=h5py.string_dtype("utf-8"))
    return np.asarray(value)
