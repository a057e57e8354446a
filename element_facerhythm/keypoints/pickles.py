"""Pickles inside HDF5 files, looked at without being opened.

PyTables, through which pandas reads DeepLabCut's files, unpickles attributes as it meets them, and a
pickle can run anything. pandas itself only keeps lists, numbers and names that way; a file whose pickles
call anything beyond numpy's own types is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from element_facerhythm.errors import KeypointError
from element_facerhythm.io.h5 import open_h5

_LOOKED_UP = frozenset({"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"})
"""Steps that find what to call in a registry of the reader's."""
_HARMLESS = frozenset(
    f"{module} {name}"
    for module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric")
    for name in ("dtype", "scalar", "_reconstruct", "ndarray")
)
"""Globals that numpy's own scalars and types are pickled with."""


def require_harmless(path: Path) -> None:
    """Refuse an HDF5 file with a pickle that would call something when it is read.

    Raises
    ------
    KeypointError
        There is one; the message names the attribute and what would be called.
    """
    with open_h5(path, "copy it again") as file:
        for place, data in _byte_strings(file):
            called = _foreign_call(data)
            if called is not None:
                raise KeypointError(
                    f"{path} is not opened: {place} is a pickle that would call {called}, which no tracker "
                    "writes and which could run code of whoever made it"
                )


def _byte_strings(file: h5py.File) -> Iterator[tuple[str, bytes]]:
    nodes: list[tuple[str, Any]] = [("/", file)]
    file.visititems(lambda name, node: nodes.append((name, node)))
    for name, node in nodes:
        for attribute in node.attrs:
            yield from _as_bytes(f"attribute {attribute} of {name}", _attribute(node, attribute))
        if isinstance(node, h5py.Dataset) and node.dtype.kind == "O":
            for index, value in enumerate(np.ravel(node[()])):
                yield from _as_bytes(f"{name}[{index}]", value)


def _attribute(node: Any, name: str) -> Any:
    try:
        return node.attrs[name]
    except (
        OSError,
        TypeError,
        ValueError,
    ):  # of a type that h5py cannot read, and that is no pickle
        return None


def _as_bytes(place: str, value: Any) -> Iterator[tuple[str, bytes]]:
    if isinstance(value, (bytes, np.bytes_)):
        yield place, bytes(value)
    elif isinstance(value, np.void) or (isinstance(value, np.ndarray) and value.dtype == np.uint8):
        yield place, value.tobytes()


def _foreign_call(data: bytes) -> str | None:
    """Tell what a pickle would call beyond numpy's types; None where it calls nothing, or is no pickle.

    A pickle runs up to where it breaks off, so what comes before counts.
    """
    pushed: list[str | None] = []  # texts that the last steps put on the stack
    try:
        for opcode, argument, _ in pickletools.genops(data):
            foreign = None
            if opcode.name in ("GLOBAL", "INST"):
                foreign = _unless_harmless(str(argument))
            elif opcode.name == "STACK_GLOBAL":
                module, name = [None, None, *pushed][-2:]
                known = module is not None and name is not None
                foreign = (
                    _unless_harmless(f"{module} {name}") if known else "something by reference"
                )
            elif opcode.name in _LOOKED_UP:
                foreign = f"something ({opcode.name})"
            if foreign is not None:
                return foreign
            if opcode.name not in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
                pushed.append(argument if isinstance(argument, str) else None)
    except ValueError:
        return None  # no pickle, or one that breaks off here
    return None


def _unless_harmless(name: str) -> str | None:
    return None if name in _HARMLESS else name.replace(" ", ".")
