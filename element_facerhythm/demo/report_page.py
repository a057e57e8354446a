"""The demo's page: answers, truth and figures in one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from element_facerhythm.demo.questions import Answer, plain_cell

_STYLE = """
body { font: 15px/1.55 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto;
       padding: 0 1.5rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left; border-bottom: 1px solid #ddd; }
th { font-weight: 600; } td.number, th.number { text-align: right; }
pre { background: #f5f5f3; padding: .8rem 1rem; overflow-x: auto; font-size: 13px; }
img { max-width: 100%; border: 1px solid #e5e5e5; } figure { margin: 1.2rem 0; }
figcaption { color: #666; font-size: 13px; } .places td:first-child { color: #666; }
"""

_CAPTIONS = {
    "rois": "Where points are seeded; dark pixels are hidden from the tracker.",
    "displacements": "Displacement of points that move much, and where they sit.",
    "violations": "Points that left their track were flagged and held in place.",
    "spectrogram": "Variable-Q spectrogram, averaged over points and both directions.",
    "components": "Each component: its place (x and y), its frequencies and its time course.",
}


def report_html(
    *,
    title: str,
    places: Sequence[tuple[str, str]],
    notes: Sequence[str],
    truth: Sequence[tuple[str, tuple[Sequence[str], Sequence[Sequence[Any]]]]],
    answers: Sequence[Answer],
    figures: Sequence[Path],
) -> str:
    """Return the page; figures are embedded.

    Parameters
    ----------
    title
        Heading of the page, and its name in a browser.
    places
        (what, where) pairs.
    notes
        Sentences below the title.
    truth
        (heading, (columns, rows)) tables; empty for a video whose truth is not known.
    answers
        Each shown with its question and its SQL.
    figures
        PNG files; the name of one says what its heading is.
    """
    parts = [
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(note)}</p>" for note in notes),
        *(_section(heading, _table(*table)) for heading, table in truth),
        *(_section(_caption(path), _picture(path)) for path in figures),
        *(_section(a.question, _answer(a)) for a in answers),
        _section("Where everything is", _table(("what", "where"), places)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>"
    )


def _section(heading: str, body: str) -> str:
    return f"<h2>{escape(heading)}</h2>{body}"


def _answer(answer: Answer) -> str:
    return f"<pre>{escape(answer.sql)};</pre>{_table(answer.columns, answer.rows)}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    numeric = [bool(rows) and not isinstance(rows[0][i], str) for i in range(len(columns))]

    def line(cells: Sequence[Any], tag: str) -> str:
        marks = (' class="number"' if is_number else "" for is_number in numeric)
        joined = (
            f"<{tag}{mark}>{escape(plain_cell(cell))}</{tag}>"
            for mark, cell in zip(marks, cells, strict=True)
        )
        return f"<tr>{''.join(joined)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table>{line(columns, 'th')}{body}</table>"


def _caption(path: Path) -> str:
    return _CAPTIONS.get(path.stem, path.stem.replace("_", " "))


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<figure><img alt="{escape(path.stem)}" src="data:image/png;base64,{data}"></figure>'
