"""netCDF's classic formats (CDF-1, CDF-2 and CDF-5), read within the bytes of the file.

The header is read field by field, and a variable where it says: nothing is believed that lies outside of the
file. xarray reads CDF-1 and CDF-2 by scipy, which knows no CDF-5, and sizes arrays by what the header claims.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from element_facerhythm.errors import KeypointError

MAX_BYTES = 1 << 30
_TYPES = {
    1: "i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8",
    7: "u1", 8: ">u2", 9: ">u4", 10: ">i8", 11: ">u8",
}  # fmt: skip
_DIMENSION, _VARIABLE, _ATTRIBUTE = 10, 11, 12
_MAX_LIST = 10_000
_MAX_NAME = 1024
_MAX_AXES = 32


@dataclass(frozen=True)
class ClassicVariable:
    """A variable: names of its axes, its numbers (texts as arrays of single bytes), and its attributes."""

    axes: tuple[str, ...]
    values: NDArray[Any]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class _Declared:
    name: str
    axes: tuple[int, ...]
    attributes: dict[str, Any]
    type: str
    start: int


def read_classic(path: Path) -> tuple[dict[str, ClassicVariable], dict[str, Any]]:
    """Read all variables of a file, and its attributes.

    Raises
    ------
    KeypointError
        It is larger than 1 GB, or its header does not fit its bytes.
    """
    if path.stat().st_size > MAX_BYTES:
        raise KeypointError(f"{path} is larger than 1 GB; write it as netCDF 4")
    return _File(path, path.read_bytes()).content()


class _File:
    """The bytes of a file, and the place up to which they were read."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path, self._data, self._at = path, data, 4
        version = data[3] if len(data) > 3 else 0
        if data[:3] != b"CDF" or version not in (1, 2, 5):
            self._refuse(f"has version {version} of the classic format; expected 1, 2 or 5")
        self._wide = version == 5  # counts of 8 bytes
        self._far = version in (2, 5)  # places of 8 bytes
        self._n_claimed = 0

    def content(self) -> tuple[dict[str, ClassicVariable], dict[str, Any]]:
        n_records = self._count()
        names, lengths = self._dimensions()
        attributes = self._attributes()
        declared = self._variables(len(names))
        if 2 ** (64 if self._wide else 32) - 1 == n_records:
            self._refuse("was not closed by its writer: it does not say how many records it has")
        records = [v for v in declared if v.axes and lengths[v.axes[0]] == 0]
        sizes = [self._record_bytes(v, lengths) for v in records]
        # a single record variable is not padded
        stride = sizes[0] if len(sizes) == 1 else sum(-(-size // 4) * 4 for size in sizes)
        found = {}
        for variable in declared:
            shape = tuple(
                lengths[axis] if lengths[axis] or place else n_records
                for place, axis in enumerate(variable.axes)
            )
            step = stride if variable in records else None
            values = self._values(variable, shape, step)
            axes = tuple(names[axis] for axis in variable.axes)
            found[variable.name] = ClassicVariable(axes, values, variable.attributes)
        return found, attributes

    def _record_bytes(self, variable: _Declared, lengths: list[int]) -> int:
        shape = [lengths[axis] for axis in variable.axes[1:]]
        return math.prod(shape) * np.dtype(variable.type).itemsize

    def _values(
        self, variable: _Declared, shape: tuple[int, ...], stride: int | None
    ) -> NDArray[Any]:
        kind = np.dtype(variable.type)
        n_bytes = math.prod(shape) * kind.itemsize
        self._n_claimed += n_bytes
        rows = shape[0] if stride is not None and shape else 1
        one = n_bytes // rows if rows else 0
        last = variable.start + (0 if not rows else (rows - 1) * (stride or 0) + one)
        if variable.start < 0 or last > len(self._data) or self._n_claimed > 2 * len(self._data):
            self._refuse(
                f"has a variable {variable.name[:60]!r} of shape {shape} that is not in it"
            )
        if not n_bytes:
            return np.empty(shape, kind)
        if stride is None:
            flat = np.frombuffer(self._data, kind, math.prod(shape), variable.start)
            return flat.reshape(shape).astype(kind.newbyteorder("="))
        raw = np.frombuffer(self._data, np.uint8)
        rows_of_bytes = np.lib.stride_tricks.as_strided(
            raw[variable.start :], (rows, one), (stride, 1), writeable=False
        )
        packed = np.ascontiguousarray(rows_of_bytes).view(kind)
        return packed.reshape(shape).astype(kind.newbyteorder("="))

    def _dimensions(self) -> tuple[list[str], list[int]]:
        names, lengths = [], []
        for _ in range(self._list(_DIMENSION)):
            names.append(self._name())
            lengths.append(self._count())
        return names, lengths

    def _variables(self, n_dimensions: int) -> list[_Declared]:
        found = []
        for _ in range(self._list(_VARIABLE)):
            name = self._name()
            n_axes = self._count()
            if n_axes > _MAX_AXES:
                self._refuse(f"has a variable of {n_axes} axes")
            axes = tuple(self._count() for _ in range(n_axes))
            if any(axis >= n_dimensions for axis in axes):
                self._refuse(f"has a variable {name[:60]!r} along an axis that it does not declare")
            attributes = self._attributes()
            kind = self._type()
            self._count()  # its size, which follows from the shape
            found.append(
                _Declared(name, axes, attributes, kind, self._integer(8 if self._far else 4))
            )
        return found

    def _attributes(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(self._list(_ATTRIBUTE)):
            name, kind, n = self._name(), self._type(), self._count()
            data = self._take(n * np.dtype(kind).itemsize, padded=True)
            if kind == "S1":
                found[name] = data.decode("utf-8", "replace")
            else:
                values = np.frombuffer(data, kind).tolist()
                found[name] = values[0] if len(values) == 1 else values
        return found

    def _list(self, tag: int) -> int:
        said, n = self._integer(4), self._count()
        if (said, n) == (0, 0):
            return 0
        if said != tag or n > _MAX_LIST:
            self._refuse(f"has a list {said} of {n} where {tag} is expected")
        return n

    def _name(self) -> str:
        n = self._count()
        if n > _MAX_NAME:
            self._refuse(f"has a name of {n} bytes")
        return self._take(n, padded=True).decode("utf-8", "replace")

    def _type(self) -> str:
        number = self._integer(4)
        if number not in _TYPES:
            self._refuse(f"has values of type {number}")
        return _TYPES[number]

    def _count(self) -> int:
        return self._integer(8 if self._wide else 4)

    def _integer(self, n_bytes: int) -> int:
        return int.from_bytes(self._take(n_bytes), "big")

    def _take(self, n_bytes: int, *, padded: bool = False) -> bytes:
        end = self._at + n_bytes
        if end > len(self._data):
            self._refuse("ends within its header")
        data = self._data[self._at : end]
        self._at = -(-end // 4) * 4 if padded else end
        return data

    def _refuse(self, fault: str) -> NoReturn:
        raise KeypointError(f"{self._path} is refused: it {fault}; write the dataset again")
