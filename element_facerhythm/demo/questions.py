"""What a lab asks of the rows, in SQL that MySQL and PostgreSQL both understand."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from element_facerhythm.report.html import plain_cell

_QUESTIONS = (
    (
        "Which recordings have more than 0.1 % violations?",
        """
        SELECT subject, session_id, recording_id, n_points, n_violations,
               100 * violation_fraction AS percent
        FROM {facial_rhythm}
        WHERE violation_fraction > 0.001
        ORDER BY violation_fraction DESC
        LIMIT 10
        """,
    ),
    (
        "Is it plausible? What was flagged, and what to do",
        """
        SELECT verdict, quality_name AS checked, value, threshold, message
        FROM {quality}
        WHERE {recording}
          AND verdict IN ('red', 'warn')
        ORDER BY verdict, quality_name
        """,
    ),
    (
        "What rhythms were found: how fast, where on the face, in which direction, how much?",
        """
        SELECT component_index AS component, peak_frequency_hz AS peak_hz,
               centroid_frequency_hz AS centroid_hz, bandwidth_hz, centroid_x_px AS x_px,
               centroid_y_px AS y_px, xy_ratio, weight, explained_variance AS explained, stability
        FROM {component}
        WHERE {recording}
        ORDER BY component_index
        """,
    ),
    (
        "Which 10 points move most?",
        """
        SELECT point_index AS point, x_px, y_px, rms_displacement_px AS rms_px,
               max_displacement_px AS max_px, mean_speed_px_s AS speed_px_s
        FROM {point}
        WHERE {recording}
        ORDER BY rms_displacement_px DESC
        LIMIT 10
        """,
    ),
    (
        "How long did each stage take, and on what device?",
        """
        SELECT stage, seconds, stage_device, completed_time
        FROM {stage}
        WHERE {recording}
        ORDER BY seconds DESC
        """,
    ),
    (
        "When was which component strong? Its bouts of half a second or more",
        """
        SELECT b.component_index AS component, b.onset_s, b.offset_s, b.n_cycles, b.bout_mean_hz AS mean_hz,
               b.bout_mean_px AS mean_px, b.onset_phase_rad AS phase_rad, c.centroid_x_px AS x_px,
               c.centroid_y_px AS y_px
        FROM {bout} AS b
        JOIN {component} AS c
          ON {same_component}
        WHERE {recording_of_bout}
          AND b.bout_paramset_id = 0 AND b.bout_duration_s >= 0.5
        ORDER BY b.component_index, b.onset_s
        LIMIT 30
        """,
    ),
)


@dataclass(frozen=True)
class Answer:
    """A question, the SQL that asks it, and what the database said."""

    question: str
    sql: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def ask_everything(tables: Any, key: Mapping[str, Any]) -> tuple[Answer, ...]:
    """Send every question to the database.

    Parameters
    ----------
    tables
        The activated `facial_behavior_estimation`.
    key
        Of the task whose components, points and stages are asked for.
    """
    names = {
        "facial_rhythm": _table_name(tables.FacialRhythm),
        "component": _table_name(tables.FacialRhythm.Component),
        "quality": _table_name(tables.FacialRhythm.Quality),
        "point": _table_name(tables.FacialRhythm.Point),
        "stage": _table_name(tables.FaceRhythmProcessing.Stage),
        "bout": _table_name(tables.RhythmBout.Bout),
        "recording": _condition(key),
        "recording_of_bout": _condition(key, "b."),
        "same_component": "\n AND ".join(
            f"c.{name} = b.{name}" for name in tables.FacialRhythm.Component.primary_key
        ),
    }
    connection = tables.schema.connection
    return tuple(
        _ask(connection, question, textwrap.dedent(sql).strip().format(**names))
        for question, sql in _QUESTIONS
    )


def _table_name(table: Any) -> str:
    """Return the name of a table, without quotes where it is plain and needs none."""
    quoted = str(table.full_table_name)
    plain = re.sub(r"[`\"]", "", quoted)
    return plain if re.fullmatch(r"[a-z0-9_.]+", plain) else quoted


def _condition(key: Mapping[str, Any], of: str = "") -> str:
    terms = [f"{of}{name} = {_literal(value)}" for name, value in key.items()]
    lines = (" AND ".join(terms[start : start + 3]) for start in range(0, len(terms), 3))
    return "\n  AND ".join(lines)


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(int(value))


def _ask(connection: Any, question: str, sql: str) -> Answer:
    cursor = connection.query(sql)
    columns = tuple(column[0] for column in cursor.description)
    return Answer(question, sql, columns, tuple(tuple(row) for row in cursor.fetchall()))


def text_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as a text table, 120 characters wide at most.

    Parameters
    ----------
    columns
        Headings.
    rows
        A value for each column, shown as by `plain_cell`; a column whose first value is no text stands to the
        right.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, column in enumerate(columns):
        is_number = bool(rows) and not isinstance(rows[0][index], str)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(plain_cell, row))
    buffer = io.StringIO()
    Console(file=buffer, width=120, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().rstrip().splitlines())
