"""Values of the lab's columns, read and checked before anything is entered."""

from collections.abc import Iterator, Mapping
from typing import Any

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm.database.column_values import value_of_text
from element_facerhythm.database.columns import require_length
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.errors import RequestError
from element_facerhythm.ingest.rows import instance_of
from element_facerhythm.linking import active_link

dj: Any = import_datajoint()


def typed_value(table: Any, name: str, value: Any) -> Any:
    """Value of a column; a text is read as the column's type.

    Parameters
    ----------
    table
        Table class or instance, activated.
    name
        Name of the column.
    value
        A text as the user types it; any other value is returned as it is.

    Raises
    ------
    RequestError
        It is none of the type, or too long.
    """
    if isinstance(value, str):
        value = value_of_text(instance_of(table), name, value)
    if isinstance(value, str):
        require_length(table, name, value)
    return value


def typed_key(table: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Primary key of a table, with texts read as its columns' types.

    Parameters
    ----------
    table
        Table class or instance, activated.
    values
        By column; all of the primary key are among them.

    Raises
    ------
    RequestError
        A value is none of its column's type, or too long.
    """
    return {name: typed_value(table, name, values[name]) for name in table.primary_key}


def known_columns() -> dict[str, Any]:
    """Columns that can be given for a recording: those of the session, the device, and what both depend on.

    Columns that hold more than one value (blobs, JSON) are left out: they cannot be given as text.

    Returns
    -------
    Table of each column, by the column's name.
    """
    link = active_link()
    found: dict[str, Any] = {}
    for table in (link.session(), link.device()):
        for one in (table, *_ancestors(table)):
            for name, about in one.heading.attributes.items():
                if not (about.is_blob or about.codec or about.json):
                    found.setdefault(name, one)
    return found


def inherited_key() -> tuple[str, ...]:
    """Columns of the key of `Session` that refer to other tables: those of the subject, as a rule."""
    session = active_link().session
    refers = {
        own
        for _, about in session().parents(as_objects=True, foreign_key_info=True)
        for own in about["attr_map"]
    }
    return tuple(name for name in session.primary_key if name in refers)


def name_of(table: Any) -> str:
    """Name of a table as its class has it, also of one that is known by its name in the database."""
    if isinstance(table, type):
        return table.__name__
    if not isinstance(table, dj.table.FreeTable):
        return type(table).__name__
    return str(dj.utils.to_camel_case(table.table_name.lstrip("#_")))


def number_of_recording(text: str) -> int:
    """Read the number of a recording.

    Raises
    ------
    RequestError
        It is none, or too large.
    """
    number = int(value_of_text(fbe.VideoRecording(), "recording_id", text))
    if number < 0:
        raise RequestError(f"recording is {text!r}; expected a whole number, from 0")
    return number


def _ancestors(table: Any) -> Iterator[Any]:
    for parent in table.parents(as_objects=True):
        yield parent
        yield from _ancestors(parent)
