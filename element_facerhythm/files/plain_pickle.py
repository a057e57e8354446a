"""Lists, texts and numbers of a pickle, built without unpickling.

PyTables keeps the column labels of a table as pickled attributes. A pickle is a program, and Python's
unpickler runs it. Here the few instructions that build lists, tuples, dicts, texts and numbers are carried
out by this module; any other one, among them all that look something up or call it, ends the reading.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = frozenset(
    {
        "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT",
        "STRING", "BINSTRING", "SHORT_BINSTRING",
        "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    }
)  # fmt: skip
_WITHOUT_EFFECT = frozenset({"PROTO", "FRAME"})
_MARK = object()


def plain_value(data: bytes) -> Any:
    """Value of a pickle that holds lists, tuples, dicts, texts and numbers.

    Raises
    ------
    ValueError
        It does anything else, or is no pickle; the message names the instruction.
    """
    machine = PlainMachine()
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "STOP":
            return machine.pop()
        machine.step(opcode.name, argument)
    raise ValueError("it breaks off")


class PlainMachine:
    """A stack, a memo, and the instructions that build plain values on them."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._instructions: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self._stack.append(_MARK),
            "EMPTY_LIST": lambda _: self._stack.append([]),
            "EMPTY_DICT": lambda _: self._stack.append({}),
            "LIST": lambda _: self._stack.append(self._since_mark()),
            "TUPLE": lambda _: self._stack.append(tuple(self._since_mark())),
            "DICT": lambda _: self._stack.append(_pairs(self._since_mark())),
            "TUPLE1": lambda _: self._tuple(1),
            "TUPLE2": lambda _: self._tuple(2),
            "TUPLE3": lambda _: self._tuple(3),
            "APPEND": lambda _: self._extend([self.pop()]),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "SETITEM": lambda _: self._update([self.pop(), self.pop()][::-1]),
            "SETITEMS": lambda _: self._update(self._since_mark()),
            "PUT": self._put, "BINPUT": self._put, "LONG_BINPUT": self._put,
            "MEMOIZE": lambda _: self._put(len(self._memo)),
            "GET": self._get, "BINGET": self._get, "LONG_BINGET": self._get,
        }  # fmt: skip

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction.

        Parameters
        ----------
        name, argument
            As `pickletools.genops` names them.

        Raises
        ------
        ValueError
            It builds nothing plain.
        """
        if name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            self._stack.append(argument)
        elif name in self._instructions:
            self._instructions[name](argument)
        elif name not in _WITHOUT_EFFECT:
            raise ValueError(f"it has the instruction {name}")

    def pop(self) -> Any:
        """Take the uppermost value."""
        if not self._stack or self._stack[-1] is _MARK:
            raise ValueError("it takes a value where there is none")
        return self._stack.pop()

    def _since_mark(self) -> list[Any]:
        values: list[Any] = []
        while self._stack:
            value = self._stack.pop()
            if value is _MARK:
                return values[::-1]
            values.append(value)
        raise ValueError("it takes values where there are none")

    def _tuple(self, n: int) -> None:
        values = [self.pop() for _ in range(n)]
        self._stack.append(tuple(values[::-1]))

    def _top(self, kind: type) -> Any:
        if not self._stack or type(self._stack[-1]) is not kind:
            raise ValueError(f"it changes a {kind.__name__} where there is none")
        return self._stack[-1]

    def _extend(self, values: list[Any]) -> None:
        self._top(list).extend(values)

    def _update(self, values: list[Any]) -> None:
        self._top(dict).update(_pairs(values))

    def _put(self, index: int) -> None:
        value = self.pop()
        self._stack.append(value)
        self._memo[index] = value

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise ValueError("it refers to a value that it does not hold")
        self._stack.append(self._memo[index])


def _pairs(values: list[Any]) -> dict[Any, Any]:
    """Return a dict of alternating keys and values; keys are texts or numbers."""
    keys = values[::2]
    if len(values) % 2 or not all(isinstance(key, (str, int, float)) for key in keys):
        raise ValueError("it has a dict with other keys than texts and numbers")
    return dict(zip(keys, values[1::2], strict=True))
