"""The tables of the fault matrix, as they stand in the documentation."""

import fcntl
import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

BEGIN, END = "<!-- matrix: written by the test run -->", "<!-- end of matrix -->"


@dataclass(frozen=True)
class Cell:
    """One fault at one point, how the tasks ended, and the commit that was tried."""

    fault: str
    point: str
    end: str
    seconds: float
    commit: str = ""


def tried_commit() -> str:
    """Name the commit that is checked out, and whether code was changed since."""
    root = Path(__file__).parents[2]

    def git(*arguments: str) -> str:
        run = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=True
        )
        return run.stdout.strip()

    changed = git("diff", "--name-only", "HEAD", "--", "element_facerhythm", "tests")
    return git("rev-parse", "--short", "HEAD") + ("+changes" if changed else "")


def tables_of(cells: Sequence[Cell], server: str, points: Sequence[str]) -> str:
    """Write what came of every cell.

    Faults that struck at every point are the columns of one table; the others follow, a row each.
    """
    at = {(cell.fault, cell.point): cell for cell in cells}
    faults = list(dict.fromkeys(cell.fault for cell in cells))
    everywhere = [f for f in faults if all((f, point) in at for point in points)]
    single = [cell for cell in cells if cell.fault not in everywhere]
    commits = ", ".join(dict.fromkeys(cell.commit for cell in cells))
    lines = [f"{len(cells)} cells, all passed, on {server}, at {commits}."]
    if everywhere:
        lines += ["", f"| where | {' | '.join(everywhere)} |", "|---|" + "---|" * len(everywhere)]
        lines += [
            f"| `{point}` | " + " | ".join(text_of(at[fault, point]) for fault in everywhere) + " |"
            for point in points
        ]
    lines += ["", "| fault | where | tasks ended |", "|---|---|---|"]
    lines += [f"| {cell.fault} | {cell.point} | {text_of(cell)} |" for cell in single]
    return "\n".join(lines)


def text_of(cell: Cell) -> str:
    """Write how a cell ended, and after how long."""
    return f"{cell.end}, {cell.seconds:.0f} s"


def write_tables(
    page: Path, cells: Sequence[Cell], server: str, points: Sequence[str], commit: str
) -> None:
    """Put the tables between the marks of a page.

    Cells are kept in a file beside the other results, so that a part of the matrix that is run anew replaces
    its own cells only.
    """
    results = page.parents[1] / "benchmarks" / "results" / "faults.json"
    results.touch()
    with results.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        known = [Cell(**row) for row in json.loads(text)["cells"]] if text else []
        ours = [replace(cell, commit=commit) for cell in cells]
        merged = {(cell.fault, cell.point): cell for cell in (*known, *ours)}
        file.seek(0)
        file.truncate()
        rows = [asdict(cell) for cell in merged.values()]
        json.dump({"server": server, "cells": rows}, file, indent=1)
        before, rest = page.read_text(encoding="utf-8").split(BEGIN)
        _, after = rest.split(END)
        middle = tables_of(list(merged.values()), server, points)
        page.write_text(f"{before}{BEGIN}\n\n{middle}\n\n{END}{after}", encoding="utf-8")
