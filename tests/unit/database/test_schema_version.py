"""Definitions of tables do not change without a version, and what a version changed is about what is
there."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from element_facerhythm import facial_behavior_estimation as fbe
from element_facerhythm import fleet
from element_facerhythm import keypoint_inference as kpi
from element_facerhythm.admin.upgrade.definitions import classes_of
from element_facerhythm.admin.upgrade.versions import CHANGES
from element_facerhythm.database.schema_version import SCHEMA_VERSION

DIGEST_OF_VERSION_2 = ""
COLUMN = re.compile(r"^\s*(\w+)\s*(?:=\s*\S+)?\s*:", re.MULTILINE)


def definitions() -> Iterator[tuple[str, str]]:
    """Name of each class of a table with its definition, however it is spaced."""
    for module in (fbe, kpi, fleet):
        for cls in classes_of(module.schema):
            lines = (" ".join(line.split()) for line in cls.definition.split("\n"))
            yield cls.__qualname__, "\n".join(line for line in lines if line)


def test_a_definition_has_its_version() -> None:
    text = "\n\n".join(f"{title}\n{definition}" for title, definition in sorted(definitions()))
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert (SCHEMA_VERSION, digest) == (2, DIGEST_OF_VERSION_2), (
        "a table's definition changed: raise SCHEMA_VERSION, say in admin/upgrade/versions.py which columns "
        "were renamed and what rows of before get (nothing, where it may be NULL or has a default), "
        "and put the new digest here. While version 2 is not released, the digest alone is enough, with the "
        "renames and values in admin/upgrade/version_2.py"
    )


def test_changes_speak_of_columns_that_are_there() -> None:
    columns: dict[str, list[str]] = {
        title: COLUMN.findall(definition) for title, definition in definitions()
    }
    assert sorted(CHANGES) == list(range(2, max(CHANGES) + 1)) and max(CHANGES) <= SCHEMA_VERSION
    for number, changes in CHANGES.items():
        for title, renamed in changes.renamed.items():
            # what a later version renamed once more is not there any more
            later = [CHANGES[n].renamed.get(title, {}) for n in CHANGES if n > number]
            gone = {old for names in later for old in names.values()}
            assert set(renamed) - gone <= set(columns[title])
            assert not set(renamed) & set(renamed.values())
        named: list[Any] = [(fill.table, fill.column) for fill in changes.filled]
        for fill in changes.filled:
            assert bool(fill.sql) != bool(fill.rows)
            named += (
                tuple(place.rsplit(".", 1)) for place in re.findall(r"\{([\w.]+)\}", fill.sql)
            )
        assert all(column in columns[title] for title, column in named)
