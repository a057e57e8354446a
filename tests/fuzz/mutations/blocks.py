"""Changes to bytes that know nothing of what the bytes mean."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.mutations.context import WHOLE_NUMBERS, Context


def mutate_bytes(path: Path, context: Context) -> None:
    """Make a few changes to the bytes of a file."""
    data = bytearray(path.read_bytes())
    for _ in range(1 + int(context.rng.expovariate(0.5))):
        data = context.rng.choice(_CHANGES)(data, context)
    path.write_bytes(data)


def _place(data: bytearray, context: Context) -> int:
    """Some offset: half of them at the beginning, where headers are."""
    n = max(len(data), 1)
    return context.rng.randrange(min(n, 512) if context.rng.random() < 0.5 else n)


def _flip(data: bytearray, context: Context) -> bytearray:
    for _ in range(context.rng.choice((1, 1, 2, 8, 64))):
        if data:
            data[_place(data, context)] ^= 1 << context.rng.randrange(8)
    return data


def _overwrite(data: bytearray, context: Context) -> bytearray:
    start, n = _place(data, context), context.rng.choice((1, 2, 4, 16, 256))
    fill = context.rng.choice((b"\0", b"\xff", b"A", context.rng.randbytes(n)))
    data[start : start + n] = (fill * n)[: len(data[start : start + n])]
    return data


def _write_number(data: bytearray, context: Context) -> bytearray:
    size = context.rng.choice((1, 2, 4, 8))
    number = context.rng.choice(WHOLE_NUMBERS) & ((1 << 8 * size) - 1)
    start = _place(data, context)
    value = number.to_bytes(size, context.rng.choice(("big", "little")))
    data[start : start + size] = value[: len(data[start : start + size])]
    return data


def _truncate(data: bytearray, context: Context) -> bytearray:
    return data[: _place(data, context)]


def _insert(data: bytearray, context: Context) -> bytearray:
    start = _place(data, context)
    n = context.rng.choice((1, 4, 100, 5000))
    data[start:start] = context.rng.choice((bytes(n), context.rng.randbytes(n)))
    return data


def _delete(data: bytearray, context: Context) -> bytearray:
    start = _place(data, context)
    del data[start : start + context.rng.choice((1, 2, 4, 16, 256))]
    return data


def _repeat(data: bytearray, context: Context) -> bytearray:
    start, n = _place(data, context), context.rng.choice((4, 64, 1024))
    to = _place(data, context)
    data[to:to] = data[start : start + n] * context.rng.choice((1, 2, 50))
    return data


def _transplant(data: bytearray, context: Context) -> bytearray:
    """Take a block from another good file, at its place or at any other."""
    donor = context.rng.choice(context.donors).read_bytes() if context.donors else bytes(data)
    start = context.rng.randrange(max(len(donor), 1))
    block = donor[start : start + context.rng.choice((16, 256, 4096))]
    to = context.rng.choice((start, _place(data, context)))
    data[to : to + len(block)] = block
    return data


def _exchange(data: bytearray, context: Context) -> bytearray:
    """Exchange the halves, or append the file to itself."""
    middle = _place(data, context)
    halves = data[middle:], data[:middle]
    return context.rng.choice((halves[0] + halves[1], data + data, halves[0]))


_CHANGES = (
    _flip,
    _flip,
    _overwrite,
    _write_number,
    _write_number,
    _truncate,
    _insert,
    _delete,
    _repeat,
    _transplant,
    _exchange,
)
