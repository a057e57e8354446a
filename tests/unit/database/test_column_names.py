"""One name, one meaning: no two tables have a column of the same name that is not the same key."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm import fleet
from element_facerhythm import keypoint_inference as kpi
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.table_creation import parts_of
from element_facerhythm.linking.elements import import_elements

COLUMN = re.compile(r"^\s*(\w+)\s*(?:=\s*\S+)?\s*:", re.MULTILINE)


def tables_of(module: Any) -> Iterator[tuple[str, Any]]:
    """Name and class of every table and part that a module defines."""
    table_class = import_datajoint().Table
    for name, cls in vars(module).items():
        if isinstance(cls, type) and issubclass(cls, table_class) and hasattr(cls, "definition"):
            yield name, cls
            yield from ((f"{name}.{part.__name__}", part) for part in parts_of(cls))


def own_columns() -> Iterator[tuple[str, str]]:
    """Table and name of every column that a definition of ours brings in, beside those of its parents."""
    for module in (fbe, kpi, fleet):
        for name, cls in tables_of(module):
            yield from ((name, column) for column in COLUMN.findall(cls.definition))


def test_no_name_stands_for_two_things() -> None:
    owners: dict[str, list[str]] = {}
    for table, column in own_columns():
        owners.setdefault(column, []).append(table)
    assert len(owners) > 200
    assert {name: tables for name, tables in owners.items() if len(tables) > 1} == {}


@pytest.mark.parametrize("session_key", ["id", "datetime"])
def test_no_name_is_one_of_the_released_elements(session_key: str) -> None:
    elements = import_elements(session_key)  # type: ignore[arg-type]
    theirs = Counter(
        column
        for module in (elements.lab, elements.subject, elements.session)
        for _, cls in tables_of(module)
        for column in COLUMN.findall(cls.definition)
    )
    assert {"subject", "session_datetime", "device", "description", "source"} <= set(theirs)
    assert {column for _, column in own_columns()} & set(theirs) == set()
