"""What a column can hold, asked before the database cuts it off or refuses it."""

from typing import Any

from element_facerhythm.errors import RequestError


def require_length(table: Any, attribute: str, value: str) -> None:
    """Refuse a text that is longer than its column.

    Parameters
    ----------
    table
        DataJoint table, activated.
    attribute
        Name of the column.
    value
        What is to be entered.

    Raises
    ------
    RequestError
        The message says how long it is and may be.
    """
    declared = table.heading.attributes[attribute].type
    if declared.startswith("varchar(") and len(value) > (limit := int(declared[8:-1])):
        raise RequestError(
            f"{attribute} {value!r} has {len(value)} characters, the column of {table.__name__} takes "
            f"{limit}; shorten it"
        )
