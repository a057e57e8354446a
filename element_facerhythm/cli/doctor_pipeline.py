"""The checks of `facerhythm doctor` on the pipeline: its linking module, and jobs that no worker will do."""

from collections.abc import Iterator, Sequence
from typing import Any

from element_facerhythm.cli.doctor_finding import FAIL, OK, WARN, Finding

_RESULTS = (
    ("video_recording", "_recording_info"),
    ("face_rhythm_task", "__face_rhythm_processing"),
    ("__face_rhythm_processing", "_facial_rhythm"),
)
"""Tables of `facial_behavior_estimation`, and what is populated from each, by their names in the database."""
_FLEET = {"worker", "active_job", "job_attempt"}
_STOPPED = ("stopped", "lost")
_MOST_LISTED = 12


def check_pipeline() -> Finding:
    """Whether the configured pipeline can be imported, and its keys fit the tables."""
    from element_facerhythm.errors import NotSetUpError, RequestError

    if not _is_reachable():
        return Finding("pipeline", OK, "not checked: no database answers")
    try:
        from element_facerhythm.cli.database_access import pipeline_to_read

        pipeline = pipeline_to_read()
    except NotSetUpError as error:
        return Finding("pipeline", WARN, str(error), "run `facerhythm admin init`")
    except RequestError as error:
        return Finding("pipeline", FAIL, str(error), "see the message")
    session = pipeline.link.session()
    return Finding(
        "pipeline", OK,
        f"{pipeline.link.name}: sessions in {session.full_table_name} by {', '.join(session.primary_key)}; "
        f"tables in {', '.join(schema.database for schema in pipeline.own_schemas)}",
    )  # fmt: skip


def check_jobs() -> Sequence[Finding]:
    """Look for jobs that wait, in any schema of the server, and for workers that would do them."""
    from element_facerhythm.database.connection import connect
    from element_facerhythm.database.table_creation import tables_by_schema

    if not _is_reachable():
        return []
    connection = connect()
    tables = tables_by_schema(connection)
    attended = set(_attended_schemas(connection, tables))
    needed = {name for pair in _RESULTS for name in pair}
    left = {
        schema: n_waiting
        for schema, names in sorted(tables.items())
        if needed <= names and schema not in attended
        if (n_waiting := _n_waiting(connection, schema, names))
    }
    if not left:
        return [Finding("jobs", OK, "none waits without a worker for its schema")]
    listed = [f"{schema} ({n_waiting})" for schema, n_waiting in left.items()]
    rest = ["..."] * (len(listed) > _MOST_LISTED)
    return [
        Finding(
            "jobs", WARN,
            f"{sum(left.values())} jobs wait in schemas that no running worker populates: "
            f"{', '.join([*listed[:_MOST_LISTED], *rest])}",
            "start one: `facerhythm worker`, with the FACERHYTHM_LINKING_MODULE and FACERHYTHM_DB_PREFIX (or "
            "FACERHYTHM_SCHEMAS) of that schema",
        )
    ]  # fmt: skip


def _is_reachable() -> bool:
    from element_facerhythm.cli.database_access import describe_database
    from element_facerhythm.database.embedded import configure, database_is_configured

    if not describe_database().reachable:
        return False
    if not database_is_configured():
        configure()  # the embedded server, which runs already
    return True


def _attended_schemas(connection: Any, tables: dict[str, set[str]]) -> Iterator[str]:
    """Yield schemas that a worker fills which was neither stopped nor lost."""
    for schema, names in tables.items():
        if names >= _FLEET:
            workers = _table(connection, schema, "worker")
            if "populated_schemas" in workers.heading.names:
                present = workers - [{"state": state} for state in _STOPPED]
                for filled in present.to_arrays("populated_schemas"):
                    yield from str(filled).split(",")


def _n_waiting(connection: Any, schema: str, names: set[str]) -> int:
    """Count what could be populated in a schema, without jobs that failed or were set aside."""
    n_waiting = 0
    for entered, populated in _RESULTS:
        todo = (
            _table(connection, schema, entered).proj()
            - _table(connection, schema, populated).proj()
        )
        queue = f"~~{populated.lstrip('_')}"
        if queue in names:
            over = _table(connection, schema, queue) & "status in ('error', 'ignore')"
            todo = todo.restrict(_not(over), semantic_check=False)
        n_waiting += len(todo)
    return n_waiting


def _table(connection: Any, schema: str, name: str) -> Any:
    from element_facerhythm.database.datajoint import import_datajoint

    full_name = connection.adapter.make_full_table_name(schema, name)
    return import_datajoint().FreeTable(connection, full_name)


def _not(condition: Any) -> Any:
    from element_facerhythm.database.datajoint import import_datajoint

    return import_datajoint().Not(condition)
