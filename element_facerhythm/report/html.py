"""Pieces of an HTML page that needs nothing else: no script, no font, no file and no network."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from element_facerhythm.report.style import STYLE

_LONG = 40
"""Letters of a text that needs a wide column."""


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes
    ----------
    heading
        Plain text.
    body
        HTML.
    anchor
        What a link leads to; empty for none.
    """

    heading: str
    body: str
    anchor: str = ""


@dataclass(frozen=True)
class Html:
    """A cell of a table that is HTML already."""

    text: str


def html_page(
    title: str, sections: Iterable[Section], *, lead: Sequence[str] = (), level: int = 2
) -> str:
    """Return a whole page.

    Parameters
    ----------
    title
        Heading of the page, and its name in a browser.
    sections
        In order.
    lead
        Sentences below the title.
    level
        Of the sections' headings.
    """
    parts = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(text)}</p>" for text in lead)]
    body = "".join([*parts, *(section_html(section, level) for section in sections)])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>{body}</main></body></html>\n"
    )


def section_html(section: Section, level: int = 2) -> str:
    """Return a section with its heading.

    Parameters
    ----------
    section
        What stands in it.
    level
        Of the heading, 1 to 6.
    """
    anchor = f' id="{escape(section.anchor)}"' if section.anchor else ""
    heading = f"<h{level}>{escape(section.heading)}</h{level}>"
    return f"<section{anchor}>{heading}{section.body}</section>\n"


def plain_cell(value: Any) -> str:
    """Return a value as a person reads it: four digits for a fraction, a dash for what is not known."""
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def cell_html(value: Any) -> str:
    """Return a cell's content; a number carries all its digits beside those that are shown."""
    if isinstance(value, Html):
        return value.text
    if isinstance(value, float) and value == value:
        return f'<data value="{value!r}">{plain_cell(value)}</data>'
    return escape(plain_cell(value))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, caption: str = "") -> str:
    """Return a table; a column whose first known value is a number is aligned right.

    Parameters
    ----------
    columns
        Headings.
    rows
        A value for each column: text, numbers, None for what is not known, or `Html`.
    caption
        What the table shows, in a sentence; empty for none.
    """
    marks = [_mark([row[i] for row in rows]) for i in range(len(columns))]

    def line(cells: Sequence[str], tag: str) -> str:
        joined = (f"<{tag}{m}>{cell}</{tag}>" for m, cell in zip(marks, cells, strict=True))
        return f"<tr>{''.join(joined)}</tr>"

    head = line([escape(column) for column in columns], "th")
    body = "".join(line([cell_html(value) for value in row], "td") for row in rows)
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table>{said}<thead>{head}</thead><tbody>{body}</tbody></table></div>'
    )


def _mark(column: Sequence[Any]) -> str:
    """Return the class of a column: of numbers, or of long texts, which small screens do not squeeze."""
    known = next((value for value in column if value is not None), "")
    if isinstance(known, int | float) and not isinstance(known, bool):
        return ' class="number"'
    is_long = any(isinstance(value, str) and len(value) > _LONG for value in column)
    return ' class="long"' if is_long else ""


def facts(rows: Iterable[tuple[str, Any]]) -> str:
    """Return pairs of a name and a value; those without a value are left out."""
    lines = (
        f"<div><dt>{escape(name)}</dt><dd>{cell_html(value)}</dd></div>"
        for name, value in rows
        if value is not None
    )
    return f"<dl>{''.join(lines)}</dl>"


def folded(summary: str, body: str) -> str:
    """Return something that is shown when its summary is clicked.

    Parameters
    ----------
    summary
        Plain text.
    body
        HTML.
    """
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def code(text: str) -> str:
    """Return text in the letters of a program."""
    return f"<pre>{escape(text)}</pre>"


def bullets(texts: Iterable[str]) -> str:
    """Return sentences as a list."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


def figure(content: str, caption: str = "") -> str:
    """Return a picture with its caption.

    Parameters
    ----------
    content
        HTML: SVG, or a video.
    caption
        Plain text; empty for none.
    """
    said = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{content}{said}</figure>"


def file_link(name: str, content: bytes, media_type: str) -> str:
    """Return a link that saves a file, which the page itself contains.

    Parameters
    ----------
    name
        Of the file.
    content
        All of it.
    media_type
        Such as ``text/yaml``.
    """
    data = base64.b64encode(content).decode()
    return f'<a download="{escape(name)}" href="data:{media_type};base64,{data}">{escape(name)}</a>'
