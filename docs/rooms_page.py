"""Hook of MkDocs: the page on architecture lists and draws the rooms of the package as the code has them now.

The drawing shows an import where no other path of imports leads from the one room to the other; what may be
imported is what the arrows lead to. Rows, and the order within them, follow the contract in `pyproject.toml`.
"""

import ast
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "element_facerhythm"
PAGE = "explanation/architecture.md"
LIST, DRAWING = "<!-- list of the rooms -->", "<!-- drawing of the rooms -->"

ROW_PX, BOX_PX, GAP_PX, LETTER_PX, LANE_PX = 66, 30, 18, 7.3, 18

Arrow = tuple[str, str]


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Put list and drawing into the page on architecture."""
    if page.file.src_uri != PAGE:
        return markdown
    return markdown.replace(LIST, room_list()).replace(DRAWING, drawing())


def contracts() -> list[dict[str, Any]]:
    """Return what import-linter holds."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return settings["tool"]["importlinter"]["contracts"]


def rooms() -> list[str]:
    """Return the rooms from the top down, without `__main__`, which only starts the command."""
    (layers,) = (contract["layers"] for contract in contracts() if contract["type"] == "layers")
    return [room for layer in layers for room in layer.split(" | ") if room != "__main__"]


def rooms_without_database() -> set[str]:
    """Return the rooms in which DataJoint may not be imported."""
    names = next(
        c["source_modules"] for c in contracts() if "datajoint" in c.get("forbidden_modules", ())
    )
    return {name.removeprefix(f"{PACKAGE.name}.") for name in names} & set(rooms())


def purpose(room: str) -> str:
    """Return the first line of a room's docstring."""
    path = PACKAGE / f"{room}.py"
    text = (path if path.is_file() else PACKAGE / room / "__init__.py").read_text("utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def room_list() -> str:
    """Return the rooms with what each is for, as a table."""
    return "\n".join(
        [
            "| room | what it is for |",
            "|---|---|",
            *(f"| `{room}` | {purpose(room)} |" for room in rooms()),
        ]
    )


def imports() -> set[Arrow]:
    """Return every pair of rooms of which the first imports from the second, anywhere in a file."""
    known = set(rooms())
    found = {
        (path.relative_to(PACKAGE).parts[0].removesuffix(".py"), name.split(".")[1])
        for path in PACKAGE.rglob("*.py")
        for name in imported_names(ast.parse(path.read_text("utf-8")))
        if name.startswith(f"{PACKAGE.name}.")
    }
    return {(one, other) for one, other in found if one != other and {one, other} <= known}


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield the full names that a file imports; in this package all imports are absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reached(arrows: Iterable[Arrow]) -> dict[str, set[str]]:
    """Return the rooms that paths of arrows lead to from each room."""
    arrows = set(arrows)
    below: dict[str, set[str]] = {}
    for room in reversed(rooms()):  # arrows point down: what is below is known already
        direct = {other for one, other in arrows if one == room}
        below[room] = direct.union(*(below[other] for other in direct))
    return below


def drawn_arrows() -> list[Arrow]:
    """Return the imports that no path over another room stands for."""
    arrows = imports()
    below = reached(arrows)
    return [
        (one, other)
        for one in rooms()
        for other in rooms()
        if (one, other) in arrows
        and not any(other in below[between] for start, between in arrows if start == one)
    ]


@dataclass(frozen=True)
class Box:
    """A room in the drawing: its row, and where its middle and its edges are."""

    row: int
    x: float
    width: float

    @property
    def top(self) -> float:
        return self.row * ROW_PX + 8

    @property
    def bottom(self) -> float:
        return self.top + BOX_PX


def rows_of(arrows: Iterable[Arrow]) -> list[list[str]]:
    """Return the rooms in rows: one below the lowest of those that import it."""
    row: dict[str, int] = {}
    arrows = list(arrows)
    for room in rooms():
        row[room] = max((row[one] + 1 for one, other in arrows if other == room), default=0)
    rows = [[room for room in rooms() if row[room] == n] for n in range(max(row.values()) + 1)]
    outside = {room for one, other in arrows if row[other] - row[one] > 1 for room in (one, other)}
    for above, here in pairwise(rows):
        here.sort(key=lambda room: (room not in outside, _mean_place(room, above, arrows)))
    return rows


def _mean_place(room: str, above: list[str], arrows: Iterable[Arrow]) -> float:
    places = [above.index(one) for one, other in arrows if other == room and one in above]
    return sum(places) / len(places) if places else len(above)


def boxes_of(rows: list[list[str]]) -> tuple[dict[str, Box], float]:
    """Return the box of each room, and half of the width of the widest row; 0 is the middle."""
    boxes = {}
    widths = {room: len(room) * LETTER_PX + 22 for row in rows for room in row}
    for number, row in enumerate(rows):
        left = -(sum(widths[room] for room in row) + GAP_PX * (len(row) - 1)) / 2
        for room in row:
            boxes[room] = Box(number, left + widths[room] / 2, widths[room])
            left += widths[room] + GAP_PX
    return boxes, max(abs(box.x) + box.width / 2 for box in boxes.values())


def drawing() -> str:
    """Return the rooms and their arrows as SVG, coloured by the style sheet of the site."""
    arrows = drawn_arrows()
    rows = rows_of(arrows)
    boxes, half = boxes_of(rows)
    free = rooms_without_database()
    left, right = half, half + 4
    lines = []
    for one, other in arrows:
        start, end = boxes[one], boxes[other]
        if end.row - start.row == 1:
            path = _straight(start, end)
        else:  # the ends of such arrows stand first in their rows
            left += LANE_PX
            path = _around(start, end, -left)
        lines.append(f'<path d="{path}"><title>{one} imports {other}</title></path>')
    left += 4
    height = len(rows) * ROW_PX - ROW_PX + BOX_PX + 16
    return (
        f'<div class="rooms"><svg viewBox="{-left:.0f} 0 {left + right:.0f} {height}" role="img" '
        f'style="max-width: {left + right:.0f}px" aria-label="Rooms of the package and their imports">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>'
        f'<g class="arrows">{"".join(lines)}</g>{"".join(_drawn_boxes(boxes, free))}</svg></div>'
    )


def _straight(start: Box, end: Box) -> str:
    middle = (start.bottom + end.top) / 2
    return (
        f"M{start.x:.0f} {start.bottom:.0f}C{start.x:.0f} {middle:.0f} "
        f"{end.x:.0f} {middle:.0f} {end.x:.0f} {end.top - 1:.0f}"
    )


def _around(start: Box, end: Box, lane: float) -> str:
    """Return a path past the rows between, on the left."""
    out, back = (box.x - box.width / 2 for box in (start, end))
    y0, y1, bend = start.top + BOX_PX / 2, end.top + BOX_PX / 2, 12
    return (
        f"M{out:.0f} {y0:.0f}H{lane + bend:.0f}Q{lane:.0f} {y0:.0f} {lane:.0f} {y0 + bend:.0f}"
        f"V{y1 - bend:.0f}Q{lane:.0f} {y1:.0f} {lane + bend:.0f} {y1:.0f}H{back - 1:.0f}"
    )


def _drawn_boxes(boxes: Mapping[str, Box], free: set[str]) -> Iterator[str]:
    for room, box in boxes.items():
        kind = "free" if room in free else "bound"
        yield (
            f'<g class="{kind}"><title>{escape(purpose(room))}</title>'
            f'<rect x="{box.x - box.width / 2:.0f}" y="{box.top:.0f}" width="{box.width:.0f}" '
            f'height="{BOX_PX}" rx="5"/>'
            f'<text x="{box.x:.0f}" y="{box.top + BOX_PX / 2:.0f}">{room}</text></g>'
        )
