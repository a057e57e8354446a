"""Printing of verdicts, for `run` and `qc`."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from element_facerhythm.cli.output import print_table

if TYPE_CHECKING:
    from rich.text import Text

    from element_facerhythm.pipeline.records import Verdict

STYLES = {"ok": "green", "warn": "yellow", "red": "bold red", "unknown": "dim"}


def quality_dicts(verdicts: "Sequence[Verdict]") -> list[dict[str, Any]]:
    """Return verdicts as plain values for JSON."""
    return [dict(vars(verdict)) for verdict in verdicts]


def is_red(verdicts: "Sequence[Verdict]") -> bool:
    """Return whether one of them is red."""
    return any(verdict.verdict == "red" for verdict in verdicts)


def print_quality(verdicts: "Sequence[Verdict]") -> None:
    """Print how many checks there were, and those that are not ok, the red ones first."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    console.print(Text(f"quality: {counted(verdicts)}"))
    grid = Table.grid(padding=(0, 2))
    for level in ("red", "warn"):
        for verdict in (v for v in verdicts if v.verdict == level):
            grid.add_row("", coloured(level), Text(f"{verdict.name}: {verdict.message}"))
    reasons: dict[str, list[str]] = {}
    for verdict in (v for v in verdicts if v.verdict == "unknown"):
        reasons.setdefault(verdict.message, []).append(verdict.name)
    for reason, names in reasons.items():
        grid.add_row("", coloured("unknown"), Text(f"{', '.join(names)}: {reason}"))
    if grid.row_count:
        console.print(grid)


def print_checks(verdicts: "Sequence[Verdict]", title: str) -> None:
    """Print every check with what was measured, and below what `print_quality` prints."""
    from element_facerhythm.parameters.quality import FLAGGED_BELOW

    rows = [
        (
            coloured(verdict.verdict),
            verdict.name,
            "-" if verdict.value is None else f"{verdict.value:.3g}",
            f"at {'least' if verdict.name in FLAGGED_BELOW else 'most'} {verdict.threshold:g}",
        )
        for verdict in verdicts
    ]
    print_table(title, ("", "check", "value", "wanted"), rows, right=("value",), whole=("check",))
    print_quality(verdicts)


def counted(verdicts: "Sequence[Verdict]") -> str:
    """Return the number of checks, and of each verdict among them."""
    counts = Counter(verdict.verdict for verdict in verdicts)
    if counts["ok"] == len(verdicts):
        return f"{len(verdicts)} checks, all ok"
    found = [
        f"{counts[level]} {level}" for level in ("red", "warn", "unknown", "ok") if counts[level]
    ]
    return f"{len(verdicts)} checks, {', '.join(found)}"


def coloured(verdict: str) -> "Text":
    """Return the word in its colour."""
    from rich.text import Text

    return Text(verdict, style=STYLES.get(verdict, ""))
