"""A promise, and how it is held against what was measured."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Result = Mapping[str, Any]
Relation = Literal[">=", "<=", "="]

_RELATIONS: dict[Relation, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
}


@dataclass(frozen=True)
class Target:
    """A promise: the value read from a result file stands in a relation to a limit."""

    result: str
    name: str
    relation: Relation
    limit: float
    read: Callable[[Result], float | None]
    unit: str = ""


@dataclass(frozen=True)
class Outcome:
    """A promise and what was measured; `measured` and `met` are None where it was not."""

    target: Target
    measured: float | None

    @property
    def met(self) -> bool | None:
        """Whether the promise holds."""
        if self.measured is None:
            return None
        return _RELATIONS[self.target.relation](self.measured, self.target.limit)

    def cells(self) -> list[str]:
        """Name, goal, measured value and verdict, for a table."""
        target = self.target
        goal = f"{target.relation} {target.limit:g}{target.unit}"
        if self.measured is None:
            return [target.name, goal, "not measured", ""]
        digits = ".4f" if abs(self.measured) < 0.1 else ".2f"
        return [
            target.name,
            goal,
            f"{self.measured:{digits}}{target.unit}",
            "met" if self.met else "missed",
        ]
