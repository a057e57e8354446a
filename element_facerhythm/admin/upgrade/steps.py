"""The steps of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from element_facerhythm.admin.upgrade.changes import Fill


@dataclass(frozen=True)
class Step:
    """One change, done at once or not at all.

    Attributes
    ----------
    kind
        What sort of change.
    table
        Schema and table.
    text
        What changes, and what existing rows get.
    statements
        SQL; of a step that a function does, none.
    n_rows
        Rows that are there and concerned; None where the step concerns none.
    fill
        Where a function yields the values.
    """

    kind: Literal["rename", "add", "create", "fill", "change", "lineage"]
    table: str
    text: str
    statements: tuple[str, ...] = ()
    n_rows: int | None = None
    fill: Fill | None = None
