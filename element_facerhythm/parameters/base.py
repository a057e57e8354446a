"""What every section of the parameter tree shares."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A frozen section: no unknown keys, no silent conversions, no NaN or infinity.

    An integer is taken where a real number is asked for; nothing else is converted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


_MAX_ITEMS = 10_000


def _list_to_tuple(value: Any) -> Any:
    """JSON and YAML know only lists; a frozen section holds tuples, and none of them is long."""
    if isinstance(value, (list, tuple)) and len(value) > _MAX_ITEMS:
        raise ValueError(f"given {len(value)} values, expected at most {_MAX_ITEMS}")
    return tuple(value) if isinstance(value, list) else value


AsTuple = BeforeValidator(_list_to_tuple)
"""Marks a tuple field that may be given as a list."""

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
CountOrZero = Annotated[int, Field(ge=0, le=2**32 - 1)]  # the largest seed that numpy takes
