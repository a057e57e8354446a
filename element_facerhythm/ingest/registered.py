"""The result of a registration."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from element_facerhythm.ingest.rows import TableRows

if TYPE_CHECKING:
    from element_facerhythm.parameters import FittedValue


@dataclass
class Registered:
    """The result of a registration.

    Attributes
    ----------
    key
        Of the task.
    new_rows
        Rows that were new, by table.
    notes
        Remarks.
    parameters_fitted
        What the run will take where the parameters left it open, and why.
    rows
        Where its rows went.
    """

    key: dict[str, Any] = field(default_factory=dict)
    new_rows: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    parameters_fitted: "tuple[FittedValue, ...]" = ()
    rows: TableRows = field(default_factory=TableRows)
