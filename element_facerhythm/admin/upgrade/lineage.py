"""The origin of each column of a key in DataJoint's tables `~lineage`, which its joins use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from element_facerhythm.admin.upgrade.definitions import DeclaredTable
from element_facerhythm.admin.upgrade.steps import Step
from element_facerhythm.database.schema_version import tables_there

LINEAGE_TABLE = "~lineage"


def lineage_steps(connection: Any, declared: Sequence[DeclaredTable]) -> Iterator[Step]:
    """Yield a step for each table whose entries are not those that DataJoint would write of it.

    Parameters
    ----------
    connection
        DataJoint connection.
    declared
        Upstream first.
    """
    schemas = dict.fromkeys(table.schema for table in declared)
    there = {name: _entries(connection, name) for name in schemas}
    origins: dict[tuple[str, str, str], str] = {}
    for table in declared:
        wanted = dict(_wanted(connection, table, origins))
        for column, origin in wanted.items():
            origins[table.schema, table.name, column] = origin
        if there[table.schema].get(table.name, {}) != wanted:
            statements = tuple(_statements(connection, table, wanted))
            yield Step(
                "lineage", table.full_name, "where the columns of its keys come from", statements
            )


def _entries(connection: Any, schema_name: str) -> dict[str, dict[str, str]]:
    """Origin of each column, by table and column, of a schema."""
    if LINEAGE_TABLE not in tables_there(connection, schema_name):
        return {}
    place = connection.adapter.make_full_table_name(schema_name, LINEAGE_TABLE)
    entries: dict[str, dict[str, str]] = {}
    for table, column, origin in connection.query(
        f"SELECT table_name, attribute_name, lineage FROM {place}"
    ).fetchall():
        entries.setdefault(table, {})[column] = origin
    return entries


def _wanted(
    connection: Any, table: DeclaredTable, origins: dict[tuple[str, str, str], str]
) -> Iterator[tuple[str, str]]:
    from datajoint.lineage import get_lineage

    for column, (parent, name) in table.parents.items():
        place = (*connection.adapter.split_full_table_name(parent), name)
        yield column, origins.get(place) or get_lineage(connection, *place) or ".".join(place)
    for column in table.layout.primary_key:
        if column not in table.parents:
            yield column, f"{table.schema}.{table.name}.{column}"


def _statements(connection: Any, table: DeclaredTable, wanted: dict[str, str]) -> Iterator[str]:
    place = connection.adapter.make_full_table_name(table.schema, LINEAGE_TABLE)
    text = connection.adapter.quote_string
    yield f"DELETE FROM {place} WHERE table_name = {text(table.name)}"
    rows = (
        f"({text(table.name)}, {text(column)}, {text(origin)})" for column, origin in wanted.items()
    )
    yield f"INSERT INTO {place} (table_name, attribute_name, lineage) VALUES {', '.join(rows)}"
