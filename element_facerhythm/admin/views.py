"""Views with Element Facemap's names of tables and columns, in a schema of their own, for its SQL users.

They hold no rows: each is a SELECT of a table of this package. They are in a schema of their own, since
DataJoint would show views in a schema of tables as tables.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from element_facerhythm import facial_behavior_estimation, keypoint_inference
from element_facerhythm.admin.roles import KINDS, Right, Role
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.linking import active_link
from element_facerhythm.linking.element_facemap_names import CAMERA, TABLES, Table


def create_views(schema_name: str) -> list[str]:
    """Create the views, or recreate them from the present tables; return their names.

    On MySQL a view shows an account only what that may read of the tables.

    Parameters
    ----------
    schema_name
        Schema of the views, made where it is missing.

    Raises
    ------
    ConfigurationError
        The account may not create them, or something else has one of their names.
    """
    connection = facial_behavior_estimation.VideoRecording.connection
    names = [table.in_sql for table, _ in _viewed()]
    _require_free(connection, schema_name, names)
    errors = import_datajoint().errors
    try:
        # what follows is one change on PostgreSQL; on MySQL each statement is
        with nullcontext() if connection.in_transaction else connection.transaction:
            for statement in _statements(connection, schema_name):
                connection.query(statement)
    except errors.AccessError as error:
        raise ConfigurationError(
            f"the account may not create views in {schema_name} ({error}): `facerhythm admin views` needs "
            "one that may create schemas and views, and may read the tables"
        ) from error
    return names


def view_rights(role: Role, schema_name: str) -> list[Right]:
    """Return what a role may do with the views that are there.

    Parameters
    ----------
    role
        One of `roles.ROLES`.
    schema_name
        Schema of the views, which need not exist.
    """
    connection = facial_behavior_estimation.VideoRecording.connection
    there = _kinds_of_tables(connection, schema_name)
    return [
        Right(schema_name, table.in_sql, "views", KINDS["views"][role])
        for table, _ in _viewed()
        if there.get(table.in_sql) == "VIEW"
    ]


def _viewed() -> Iterator[tuple[Table, Any]]:
    """Yield each table of Element Facemap that has a counterpart, with that."""
    for table in TABLES:
        if table.here is not None:
            yield table, _class_of(table.here)


def _class_of(name: str) -> Any:
    master, _, part = name.partition(".")
    module = (
        facial_behavior_estimation
        if hasattr(facial_behavior_estimation, master)
        else keypoint_inference
    )
    cls = getattr(module, master)
    return getattr(cls, part) if part else cls


def _statements(connection: Any, schema_name: str) -> Iterator[str]:
    adapter = connection.adapter
    on_mysql = adapter.backend == "mysql"
    if not _has_schema(connection, schema_name):
        yield adapter.create_schema_sql(schema_name)
    for table, cls in _viewed():
        view = adapter.make_full_table_name(schema_name, table.in_sql)
        columns = ", ".join(
            f"{adapter.quote_identifier(column)} AS {adapter.quote_identifier(in_view)}"
            for in_view, column in _columns(table, cls)
        )
        select = f"SELECT {columns} FROM {cls().full_table_name}"
        if on_mysql:
            yield f"CREATE OR REPLACE SQL SECURITY INVOKER VIEW {view} AS {select}"
        else:  # which replaces no view by one of other columns
            yield f"DROP VIEW IF EXISTS {view}"
            yield f"CREATE VIEW {view} AS {select}"


def _columns(table: Table, cls: Any) -> Iterator[tuple[str, str]]:
    """Yield names in the view and in the table: those of the key, then those of other columns.

    Columns that identify a camera have the lab's own names in both.
    """
    renamed = {column: name for name, column in table.columns.items() if column is not None}
    for name in cls().primary_key:
        yield renamed.pop(name, name), name
    camera: Any = active_link().device
    if renamed.pop(CAMERA, None) is not None:
        renamed |= {name: name for name in camera.primary_key}
    for column, in_view in renamed.items():
        yield in_view, column


def _require_free(connection: Any, schema_name: str, names: list[str]) -> None:
    there = _kinds_of_tables(connection, schema_name)
    taken = [name for name in names if there.get(name, "VIEW") != "VIEW"]
    if taken:
        raise ConfigurationError(
            f"{schema_name} holds tables of these names already ({', '.join(taken)}): it is no schema of "
            "views. Is it Element Facemap's own? Choose another prefix for these views"
        )


def _kinds_of_tables(connection: Any, schema_name: str) -> dict[str, str]:
    rows = connection.query(
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s",
        args=(schema_name,),
    ).fetchall()
    return dict(rows)


def _has_schema(connection: Any, schema_name: str) -> bool:
    found = connection.query(
        "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", args=(schema_name,)
    )
    return found.fetchone() is not None
