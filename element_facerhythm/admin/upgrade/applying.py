"""Applying a plan, once, by one process, while no worker runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from element_facerhythm.admin.upgrade.definitions import DeclaredTable, declared_tables
from element_facerhythm.admin.upgrade.planning import (
    Plan,
    make_plan,
    module_of,
    schemas_with_tables,
)
from element_facerhythm.admin.upgrade.steps import Step
from element_facerhythm.admin.upgrade.workers import working
from element_facerhythm.database.connection import is_collision
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.database.schema_version import SCHEMA_VERSION, record_version
from element_facerhythm.database.table_creation import alone, read_headings_anew
from element_facerhythm.errors import ConfigurationError, ProcessingError

logger = logging.getLogger(__name__)

LONGEST_WAIT_S = 30


def apply_plan(
    schemas: Sequence[Any], on_step: Callable[[Step, int, int], None] = lambda *_: None
) -> Plan:
    """Bring tables to the version of this package; return the plan that was applied.

    Every step is done at once or not at all, and no step that was done is repeated: after an interruption,
    the same call continues from there. No other process can use the tables before it has ended.

    Parameters
    ----------
    schemas
        As of `make_plan`.
    on_step
        Called with each step before it is done, its number from 1 and the number of all.

    Raises
    ------
    ConfigurationError
        As of `make_plan`, or a worker is there.
    ProcessingError
        Another connection holds a table, or a check afterwards fails; the message says what.
    """
    connection = schemas[0].connection
    schemas = schemas_with_tables(schemas)
    _require_rest(schemas)
    with ExitStack() as stack:
        for schema in schemas:
            stack.enter_context(alone(connection, schema.database, create_schema=False))
        plan = make_plan(schemas)
        if plan.is_done:
            return plan
        _require_rest(schemas)
        _set_patience(connection)
        declared = {table.full_name: table for table in declared_tables(schemas)}
        counts = _row_counts(declared.values(), plan)
        _record(declared.values(), plan, complete=False)
        for number, step in enumerate(plan.steps, 1):
            on_step(step, number, len(plan.steps))
            _do(connection, step, declared)
        for schema in schemas:
            read_headings_anew(schema)
        _check(schemas, declared.values(), counts)
        _record(declared.values(), plan, complete=True)
    return plan


def _require_rest(schemas: Sequence[Any]) -> None:
    """Refuse while workers are running."""
    busy = working(schemas)
    if busy:
        raise ConfigurationError(
            f"{len(busy)} workers are running ({', '.join(busy)}): stop them, and everything else that uses "
            "the tables, before these are changed"
        )


def _set_patience(connection: Any) -> None:
    """Limit how long a change of a table waits for its readers, since all other statements wait for it."""
    if connection.adapter.backend == "mysql":
        connection.query(f"SET SESSION lock_wait_timeout = {LONGEST_WAIT_S}")
    else:
        connection.query(f"SET lock_timeout = '{LONGEST_WAIT_S}s'")


def _do(connection: Any, step: Step, declared: dict[str, DeclaredTable]) -> None:
    try:
        with _at_once(connection):
            for statement in step.statements:
                connection.query(statement)
            if step.fill is not None:
                for table in declared.values():
                    _forget_heading(table.cls)
                _update_rows(declared[step.table], step)
    except Exception as error:
        if is_collision(error):
            raise ProcessingError(
                f"{step.table} is in use by another connection, which did not end within {LONGEST_WAIT_S} s; "
                "what was done so far stays: end what reads it, and run `facerhythm admin upgrade --apply` "
                "again"
            ) from error
        if isinstance(error, import_datajoint().errors.AccessError):
            raise ConfigurationError(
                f"the account {connection.conn_info['user']} may not change {step.table}: `facerhythm admin "
                "upgrade` needs the account that ran `facerhythm admin init`"
            ) from error
        raise


@contextmanager
def _at_once(connection: Any) -> Iterator[None]:
    """Run the statements in one transaction; on MySQL each change of a table is one by itself."""
    connection.start_transaction()
    try:
        yield
    except BaseException:
        connection.cancel_transaction()
        raise
    connection.commit_transaction()


def _update_rows(table: DeclaredTable, step: Step) -> None:
    """Write the values that a function yields."""
    assert step.fill is not None and step.fill.rows is not None
    for row in list(step.fill.rows(table.cls)):
        table.cls().update1(row)


def _forget_heading(cls: Any) -> None:
    cls._heading = type(cls._heading)(table_info=cls._heading.table_info)


def _row_counts(tables: Any, plan: Plan) -> dict[str, int]:
    """Count the rows of tables that are there."""
    new = {step.table for step in plan.steps if step.kind == "create"}
    return {t.full_name: _count(t) for t in tables if t.full_name not in new}


def _count(table: DeclaredTable) -> int:
    query = f"SELECT COUNT(*) FROM {table.full_name}"
    return int(table.cls.connection.query(query).fetchone()[0])


def _check(schemas: Sequence[Any], tables: Any, counts: dict[str, int]) -> None:
    """Make sure that no row is lost and that nothing is left to do."""
    for table in tables:
        if table.full_name in counts and _count(table) != counts[table.full_name]:
            raise ProcessingError(
                f"{table.full_name} has {_count(table)} rows after the upgrade, and had "
                f"{counts[table.full_name]}: another connection wrote into it meanwhile, or rows were lost; "
                "compare it with the backup"
            )
    left = [step for step in make_plan(schemas).steps if step.kind != "fill"]
    if left:
        raise ProcessingError(
            f"{left[0].table} is not as its definition says after the upgrade ({left[0].text}); the "
            f"tables are not marked as version {SCHEMA_VERSION}"
        )


def _record(tables: Any, plan: Plan, *, complete: bool) -> None:
    places = {module_of(table.cls): table for table in tables}
    for module in plan.versions:
        table = places[module]
        record_version(table.cls.connection, table.schema, module, complete=complete)
