"""The table of the fault matrix, as it stands in the documentation."""

from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- matrix: written by the test run -->", "<!-- end of matrix -->"


@dataclass(frozen=True)
class Cell:
    """One fault at one point, and how the tasks ended."""

    fault: str
    point: str
    end: str
    seconds: float


def table_of(cells: list[Cell]) -> str:
    """Write the cells as a table, one row per fault and point."""
    lines = ["| fault | where | tasks ended | took |", "|---|---|---|---|"]
    lines += [f"| {c.fault} | {c.point} | {c.end} | {c.seconds:.0f} s |" for c in cells]
    return "\n".join(lines)


def write_table(page: Path, cells: list[Cell]) -> None:
    """Put the table between the marks of a page."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{table_of(cells)}\n\n{END}{after}", encoding="utf-8")
