"""The demo's page: a report of its project, with the truth, and the answers of the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from element_facerhythm.demo.questions import Answer
from element_facerhythm.report import ProjectFacts, Section, html_page, project_sections
from element_facerhythm.report.html import code, folded, table

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]


def report_html(
    of: ProjectFacts,
    *,
    title: str,
    places: Sequence[tuple[str, str]],
    notes: Sequence[str],
    truth: Sequence[tuple[str, Table]],
    answers: Sequence[Answer],
) -> str:
    """Return the page.

    Parameters
    ----------
    of
        The project that the demo made.
    title
        Heading of the page, and its name in a browser.
    places
        (what, where) pairs.
    notes
        Sentences below the title.
    truth
        (heading, (columns, rows)) tables; empty for a video whose truth is not known.
    answers
        Each shown with its question, and with its SQL where that is asked for.
    """
    sections, _ = project_sections(of)  # on figures that could not be drawn, the page has a note
    return html_page(
        title,
        [
            *(Section(heading, table(*content)) for heading, content in truth),
            *sections,
            Section("Questions to the database", "".join(map(_answer, answers))),
            Section("Where everything is", table(("what", "where"), places)),
        ],
        lead=notes,
    )


def _answer(answer: Answer) -> str:
    rows = table(answer.columns, answer.rows, caption=answer.question)
    return rows + folded("How it was asked, in SQL", code(f"{answer.sql};"))
