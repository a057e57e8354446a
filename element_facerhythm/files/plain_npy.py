"""Values of a ``.npy`` file that `numpy.save` made of a Python object, built without unpickling.

Such a file is a pickle of dicts, lists, texts, numbers and arrays. The instructions that these need are
carried out here. No class or function is ever looked up: it is only a name, and what is made by calling it is
unknown, but for a few names of numpy's, whose arrays are built from their bytes.
"""

from __future__ import annotations

import math
import pickletools
import re
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

import numpy as np

from element_facerhythm.files.plain_pickle import PlainMachine

SIGNATURE = b"\x93NUMPY"

LARGEST_BYTES = 16 << 20
"""Of one array; a larger one, such as the time courses of hundreds of components, is passed over."""

_MOST_BYTES = 512 << 20
_TYPE = re.compile(r"(b1|[iu][1248]|f[248]|O8?)")
_HEADER = re.compile(rb"\{'descr': '\|O', 'fortran_order': (True|False), 'shape': \(\), \} *\n")
_LONGEST_HEADER = 1000


@dataclass(eq=False)
class Held:
    """Something that a pickle lays out first and fills later: an array, or the type of one.

    Attributes
    ----------
    value
        The array, or the object in it; None for what is not built.
    """

    value: Any = None


@dataclass(frozen=True)
class _Name:
    text: str


def read_npy_object(
    file: BufferedReader, *, largest_bytes: int = LARGEST_BYTES, strict: bool = False
) -> Any:
    """Value of a file that `numpy.save` made of an object.

    Parameters
    ----------
    file
        Opened at its beginning.
    largest_bytes
        Of one array; a larger one is passed over. With more than the usual, all arrays together may take as
        much as the file.
    strict
        Refuse a file that would call something when it is unpickled, other than what builds arrays.

    Returns
    -------
    Any
        Dicts, lists, tuples, texts and numbers; in them each array, and whatever is not built, is `Held`.

    Raises
    ------
    ValueError
        It is no such file, breaks off, or holds more than 512 MB of small arrays; or, with `strict`, would
        call something, whose name the message gives.
    """
    _pass_header(file)
    machine = _Machine(largest_bytes, strict=strict)
    for opcode, argument, _ in pickletools.genops(_Bounded(file)):  # type: ignore[arg-type]
        if opcode.name == "STOP":
            value = machine.pop()
            return value.value if isinstance(value, Held) else value
        machine.step(opcode.name, argument)
    raise ValueError("it breaks off")


def _pass_header(file: BufferedReader) -> None:
    """Read the header, of which an object has one that is known; nothing in it is evaluated."""
    signature, version = file.read(len(SIGNATURE)), file.read(2)
    n_bytes = int.from_bytes(file.read({b"\x01": 2, b"\x02": 4}.get(version[:1], 0)), "little")
    header = file.read(min(n_bytes, _LONGEST_HEADER))
    if signature != SIGNATURE or not _HEADER.fullmatch(header):
        raise ValueError("it is no object that numpy saved")


class _Bounded:
    """A file whose reads are no longer than what is left of it, whatever length a pickle states."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        position = file.tell()
        self._n_bytes = file.seek(0, 2)
        file.seek(position)

    def read(self, n: int) -> bytes:
        """Read at most `n` bytes."""
        return self._file.read(max(min(n, self._n_bytes - self._file.tell()), 0))

    def readline(self) -> bytes:
        """Read a line, of a bounded length."""
        return self._file.readline(LARGEST_BYTES)

    def tell(self) -> int:
        """Where the next read begins."""
        return self._file.tell()


class _Machine(PlainMachine):
    """Plain values, and arrays of numpy."""

    def __init__(self, largest_bytes: int, *, strict: bool) -> None:
        super().__init__()
        self._n_bytes = 0
        self._largest_bytes = largest_bytes
        self._most_bytes = max(_MOST_BYTES, largest_bytes)
        self._strict = strict
        self._instructions |= {
            "BINBYTES": self._bytes, "SHORT_BINBYTES": self._bytes, "BINBYTES8": self._bytes,
            "GLOBAL": lambda name: self._stack.append(_Name(name.replace(" ", "."))),
            "STACK_GLOBAL": lambda _: self._global(),
            "REDUCE": lambda _: self._call(),
            "NEWOBJ": lambda _: self._call(),
            "BUILD": lambda _: self._build(),
        }  # fmt: skip

    def _bytes(self, value: bytes) -> None:
        if len(value) > self._largest_bytes:
            self._stack.append(None)
            return
        self._n_bytes += len(value)
        if self._n_bytes > self._most_bytes:
            raise ValueError(f"it holds more than {self._most_bytes >> 20} MB of arrays")
        self._stack.append(value)

    def _global(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("it names something by other than texts")
        self._stack.append(_Name(f"{module}.{name}"))

    def _call(self) -> None:
        arguments, called = self.pop(), self.pop()
        known = isinstance(called, _Name) and isinstance(arguments, tuple)
        name = _old_name(called.text) if isinstance(called, _Name) else "something that it made"
        if self._strict and name not in _BUILDING:
            raise ValueError(f"it would call {name} when it is unpickled")
        self._stack.append(_result(called.text, arguments) if known else Held())

    def _build(self) -> None:
        state, target = self.pop(), self.pop()
        if isinstance(target, Held) and isinstance(state, tuple):
            if isinstance(target.value, np.dtype):
                target.value = _ordered(target.value, state)
            elif target.value is None:
                target.value = _array(state)
        self._stack.append(target)


_BUILDING = frozenset(
    {
        "numpy.dtype", "numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct",
        "_codecs.encode",
    }
)  # fmt: skip
"""Names that build numbers and arrays, and do nothing else."""


def _old_name(name: str) -> str:
    """Return a name of numpy as before numpy 2."""
    return name.replace("numpy._core.", "numpy.core.")


def _result(name: str, arguments: tuple[Any, ...]) -> Any:
    """Return what a call gives, where it is one of a few that are known; nothing is called."""
    name = _old_name(name)
    first = arguments[0] if arguments else None
    if name == "numpy.dtype" and isinstance(first, str) and _TYPE.fullmatch(first):
        return Held(np.dtype(first))
    if name == "numpy.core.multiarray.scalar" and len(arguments) == 2:
        return _scalar(*arguments)
    if name == "_codecs.encode" and isinstance(first, str):
        return first.encode("latin1")  # so bytes stand in the pickles of protocol 2
    return Held()  # `_reconstruct`, whose array is filled next, or something that stays unknown


def _ordered(dtype: np.dtype[Any], state: tuple[Any, ...]) -> np.dtype[Any]:
    order = state[1] if len(state) > 1 else None
    return dtype.newbyteorder(order) if order in ("<", ">") else dtype


def _scalar(dtype: Any, data: Any) -> Any:
    if not isinstance(dtype, Held) or not isinstance(dtype.value, np.dtype):
        return Held()
    if dtype.value.hasobject or not isinstance(data, bytes) or len(data) != dtype.value.itemsize:
        raise ValueError("it has a number of another length than its type")
    return np.frombuffer(data, dtype.value)[0].item()


def _array(state: tuple[Any, ...]) -> Any:
    """Array from the state that numpy pickles: version, shape, type, order and content."""
    if len(state) != 5:
        return None
    _, shape, held, in_columns, content = state
    dtype = held.value if isinstance(held, Held) else None
    if not isinstance(dtype, np.dtype) or content is None:
        return None
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("it has an array without a shape")
    if dtype.hasobject:
        is_single = shape == () and isinstance(content, list) and len(content) == 1
        return content[0] if is_single else content
    if not isinstance(content, bytes) or len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError("it has an array of another length than its shape and type")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if in_columns else "C")
