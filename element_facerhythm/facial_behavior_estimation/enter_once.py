"""Rows that are entered once: entering the same row again changes nothing, another content is refused."""

import json
from collections.abc import Mapping
from typing import Any

from element_facerhythm.database.keys import key_text
from element_facerhythm.errors import ConfigurationError


def enter_once(table: Any, row: Mapping[str, Any]) -> bool:
    """Insert a row, or find it there with the same content; return whether it was new.

    Parameters
    ----------
    table
        DataJoint class.
    row
        Values of the key, and of the columns that count.

    Raises
    ------
    ConfigurationError
        The key is there with another content; the message names the columns.
    """
    key = {name: row[name] for name in table.primary_key}
    stored = (table() & key).to_dicts()
    if not stored:
        table.insert1(dict(row))
        return True
    other = [name for name in row if name not in key and not _same(stored[0][name], row[name])]
    if other:
        values = "; ".join(f"{name} {stored[0][name]!r}, not {row[name]!r}" for name in other)
        raise ConfigurationError(
            f"{table.__name__} {key_text(key)} is entered already with another content ({values}); take "
            "another key, or delete that entry with what was computed from it"
        )
    return False


def _same(stored: Any, given: Any) -> bool:
    """Whether a column holds what is given, lists and numbers as JSON keeps them."""
    if stored == given:
        return True
    try:
        return json.dumps(stored, sort_keys=True) == json.dumps(given, sort_keys=True)
    except TypeError:  # neither is JSON
        return False
