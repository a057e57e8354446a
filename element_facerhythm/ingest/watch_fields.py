"""Fields of a watched pattern: their columns of the pipeline, and their values for a file."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from element_facerhythm.database.column_values import (
    declared_type,
    is_date,
    is_time,
    is_whole_number,
)
from element_facerhythm.errors import RequestError
from element_facerhythm.files.path_pattern import Field, PathPattern
from element_facerhythm.ingest.open_session import can_be_completed, time_column
from element_facerhythm.ingest.session_choice import SessionChoice
from element_facerhythm.ingest.typed_values import known_columns, name_of, number_of_recording
from element_facerhythm.linking import active_link

NUMBER_FIELDS = ("recording", "recording_id")
DAY_FIELD = "session_date"
"""Field for the day of the session, also where the pipeline has no column of that name."""


class PatternFields:
    """The fields of a pattern, checked against the columns of the active pipeline.

    Parameters
    ----------
    pattern
        Text of the pattern.
    key_texts
        Columns that are given beside it.

    Raises
    ------
    RequestError
        The pattern is malformed, a field is no column, or a part of the session's key is left open.
    """

    def __init__(self, pattern: str, key_texts: Mapping[str, str]) -> None:
        self._columns = known_columns()
        self.pattern = PathPattern(pattern, _shapes(self._columns))
        self._require_known(key_texts)

    def choice(self, texts: Mapping[str, str]) -> SessionChoice:
        """Session of the given texts of columns; times are read by the formats of the pattern.

        Raises
        ------
        RequestError
            A text is no time of its format.
        """
        link = active_link()
        keys = {*link.session.primary_key, *link.device.primary_key}
        values: dict[str, Any] = {}
        day = None
        for name, text in texts.items():
            given = self.pattern.fields.get(name, Field(name, None))
            if name in self._columns:
                read = given.read(text)
                values[name] = self._as_column(name, read, text)
            elif name == DAY_FIELD:
                day = _day(given.read(text), text)
        key = {name: value for name, value in values.items() if name in keys}
        facts = {name: value for name, value in values.items() if name not in keys}
        return SessionChoice(key, facts, day=day, is_open=True)

    def _as_column(self, name: str, value: str | datetime, text: str) -> Any:
        """Value of a column that was read by a format; a column that is no time keeps the text."""
        if isinstance(value, str):
            return value
        declared = declared_type(self._columns[name], name)
        if is_date(declared):
            return value.date()
        return value if is_time(declared) else text

    def _require_known(self, key_texts: Mapping[str, str]) -> None:
        """Refuse fields that are no column, and a pattern that leaves the session open."""
        said = {*self.pattern.fields, *key_texts}
        has_day = DAY_FIELD in said and DAY_FIELD not in self._columns and time_column() is not None
        known = {*self._columns, *NUMBER_FIELDS, *([DAY_FIELD] if has_day else [])}
        unknown = [name for name in said if name not in known]
        session = active_link().session
        key = f"the key of {name_of(session)} is {', '.join(session.primary_key)}"
        if unknown:
            raise RequestError(
                f"{', '.join(unknown)} is no column of this pipeline: {key}; further fields are "
                f"{', '.join(sorted(known - set(session.primary_key)))}"
            )
        missing = [name for name in session.primary_key if name not in said]
        if missing and not can_be_completed(said, missing, has_day=has_day):
            raise RequestError(
                f"pattern {self.pattern.text} does not say {', '.join(missing)}: {key}. Put "
                f"{' and '.join(f'{{{name}}}' for name in missing)} into it, or add --key NAME=VALUE"
            )


def _shapes(columns: Mapping[str, Any]) -> dict[str, str]:
    """Regular expressions of texts that can be read as columns."""
    shapes = dict.fromkeys(NUMBER_FIELDS, r"\d+") | {DAY_FIELD: r"\d{4}-\d{2}-\d{2}"}
    for name, table in columns.items():
        declared = declared_type(table, name)
        if is_whole_number(declared):
            shapes[name] = r"-?\d+"
        elif is_date(declared):
            shapes[name] = r"\d{4}-\d{2}-\d{2}"
        elif name == DAY_FIELD:
            del shapes[name]
    return shapes


def recording_number(texts: Mapping[str, str]) -> int | None:
    """Return the number of the recording in texts of columns; None where they have none.

    Raises
    ------
    RequestError
        It is no number.
    """
    text = next((texts[name] for name in NUMBER_FIELDS if name in texts), None)
    return None if text is None else number_of_recording(text)


def _day(value: str | datetime, text: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise RequestError(
            f"{DAY_FIELD} is {text!r}; expected a date such as 2026-03-01, or say its format in the pattern, "
            f"as {{{DAY_FIELD}:%Y%m%d}}"
        ) from error
