"""What a mutation works with."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.surroundings import MARKER, Surroundings

Mutation = Callable[[Path, "Context"], None]
"""Changes the file or directory at a path; all chance comes from the context."""


@dataclass(frozen=True)
class Context:
    """Chance, and what lies around.

    Attributes
    ----------
    rng
        The only source of chance.
    place
        Where the input lies.
    donors
        Good files to take blocks from.
    """

    rng: random.Random
    place: Surroundings
    donors: Sequence[Path] = ()

    @property
    def canary(self) -> Path:
        """Directory that nothing may touch."""
        return self.place.canary

    def secret(self) -> str:
        """Path of some canary, absolute or climbing up from the input."""
        names = ("secret", "secret.h5", "secret.ts", "secret.json", "victim", "victim/TCA.h5")
        name = self.rng.choice(names)
        return self.rng.choice((str(self.canary / name), f"../canary/{name}"))

    def address(self) -> str:
        """Address that nothing may read, in one of the ways that libraries know."""
        secret = self.canary / "secret"
        return self.rng.choice(
            (
                self.place.url,
                f"file://{secret}",
                f"concat:{secret}",
                f"subfile,,start,0,end,0,,:{secret}",
                str(secret),
            )
        )


def odd_values(context: Context) -> list[Any]:
    """Values of every type at the edge of what a reader expects."""
    rng = context.rng
    return [
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**63,
        -(2**63) - 1,
        2**64,
        10**308,
        10**400,
        0.5,
        -0.0,
        1e-320,
        1e308,
        -1e308,
        float("nan"),
        float("inf"),
        float("-inf"),
        "",
        "0",
        "nan",
        "1e-7",
        MARKER,
        "/",
        "..",
        "a/b",
        "\0",
        "\x1b[2J",
        "\u202e",
        "\ud800",
        "é" * 70,
        "x" * 100_000,
        "{}{0.__class__}%s%n",
        [],
        {},
        [[]],
        [None],
        [1, "a", None],
        {"": 0},
        {"a": {"b": {"c": 1}}},
        list(range(50_000)),
        [[0, 0]] * 3,
        context.secret(),
        context.address(),
        rng.random(),
        rng.randrange(-100, 100),
        nested(rng.choice((50, 500, 5000))),
    ]


def nested(depth: int) -> list[Any]:
    """Lists within lists."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


WHOLE_NUMBERS = (
    0,
    1,
    2,
    7,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    0x7FFFFFFFFFFFFFFF,
    0xFFFFFFFFFFFFFFFF,
)
"""Lengths and counts at the edges of their types."""
