"""Whether workers are running, read from tables of any version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from element_facerhythm.admin.upgrade.layout import layouts_there
from element_facerhythm.admin.upgrade.versions import CHANGES

TITLE = "Worker"


def working(schemas: Sequence[Any]) -> list[str]:
    """Host and process of each worker that gave a heartbeat within its lease.

    Parameters
    ----------
    schemas
        DataJoint schemas of this package, of any version.
    """
    for schema in schemas:
        for cls, _ in schema.declare_list:
            layout = layouts_there(schema.connection, schema.database).get(cls.table_name)
            if cls.__name__ == TITLE and layout is not None:
                return _alive(cls, set(layout.columns))
    return []


def _alive(cls: Any, columns: set[str]) -> list[str]:
    connection = cls.connection
    names = {
        name: connection.adapter.quote_identifier(_name_there(name, columns))
        for name in ("host", "pid", "state", "heartbeat_time", "lease_s")
    }
    if connection.adapter.backend == "mysql":
        silence = "TIMESTAMPDIFF(MICROSECOND, {heartbeat_time}, UTC_TIMESTAMP(3)) / 1e6"
    else:
        silence = "EXTRACT(EPOCH FROM (now() AT TIME ZONE 'UTC') - {heartbeat_time})"
    query = (
        f"SELECT {{host}}, {{pid}} FROM {cls.full_table_name} WHERE {{state}} NOT IN ('stopped', 'lost') "
        f"AND {silence} <= {{lease_s}}"
    ).format(**names)
    return [f"{host}, process {pid}" for host, pid in connection.query(query).fetchall()]


def _name_there(name: str, columns: set[str]) -> str:
    """Name of a column, or the one that it had in an earlier version."""
    for number in sorted(CHANGES, reverse=True):
        if name in columns:
            break
        name = CHANGES[number].renamed.get(TITLE, {}).get(name, name)
    return name
