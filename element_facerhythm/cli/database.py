"""What the verbs that use a database share: the activated tables, and what is known of the server."""

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

STORE = "facerhythm"
POPULATED = ("RecordingInfo", "FaceRhythmProcessing", "FacialRhythm")
"""Tables that a worker populates, upstream first."""


@dataclass(frozen=True)
class DatabaseReport:
    """What `doctor` says of the database."""

    configured: bool
    reachable: bool
    text: str
    mend: str = ""
    max_packet_bytes: int | None = None


def activated_workflow() -> ModuleType:
    """Import the activated tables; a database that does not answer is a `ConfigurationError`."""
    hold_back_job_table_remarks()
    with explained_connection():
        from element_facerhythm import workflow
    return workflow


def hold_back_job_table_remarks() -> None:
    """Silence DataJoint's remarks on the types of its own job tables, which nobody here can change."""
    logging.getLogger("datajoint").addFilter(is_news)


def is_news(record: logging.LogRecord) -> bool:
    """Return whether a log record is more than such a remark."""
    return not record.getMessage().startswith("Native type ")


def populated_tables(workflow: ModuleType) -> list[Any]:
    """Return the tables that workers populate, upstream first."""
    return [getattr(workflow.facial_behavior_estimation, name) for name in POPULATED]


def configured_datajoint() -> ModuleType:
    """Import DataJoint; a configuration that it cannot read is a `ConfigurationError`."""
    from element_facerhythm.embedded import import_datajoint

    try:
        return import_datajoint()
    except ValueError as error:  # pydantic's and json's errors are of this kind
        message = " ".join(str(error).split())
        raise ConfigurationError(
            f"DataJoint's configuration cannot be read: {message}. Look at datajoint.json and at the "
            "DJ_* variables"
        ) from error


@contextmanager
def explained_connection() -> "Iterator[None]":
    """Turn a failed connection into a `ConfigurationError` that says which server was tried."""
    dj = configured_datajoint()
    import psycopg2
    import pymysql

    try:
        yield
    except (dj.DataJointError, psycopg2.OperationalError, pymysql.MySQLError, OSError) as error:
        settings = dj.config.database
        message = " ".join(str(error).split())
        raise ConfigurationError(
            f"no connection to {settings.backend} at {settings.host}:{settings.port} as "
            f"{settings.user}: {message}. Check DJ_HOST, DJ_PORT, DJ_USER and DJ_PASS (or "
            "datajoint.json); `facerhythm doctor` tells more"
        ) from error


def describe_database() -> DatabaseReport:
    """Look at the database that would be used, without creating or starting anything."""
    from element_facerhythm import embedded

    configured_datajoint()
    if not embedded.database_is_configured():
        state = embedded.status()
        if state.running:
            return DatabaseReport(
                False, True, f"none configured; embedded PostgreSQL on port {state.port}"
            )
        return DatabaseReport(
            False, False, "none configured; the embedded PostgreSQL is not running",
            "it starts by itself when it is needed, or now: facerhythm db start",
        )  # fmt: skip
    settings = configured_datajoint().config.database
    where = f"{settings.backend} at {settings.host}:{settings.port} as {settings.user}"
    try:
        with explained_connection():
            return examine_server(where)
    except ConfigurationError as error:
        return DatabaseReport(True, False, where, str(error))


def examine_server(where: str) -> DatabaseReport:
    """Ask the configured server for its version and its limit on rows."""
    dj = configured_datajoint()
    connection = dj.conn()
    version = connection.query("SELECT VERSION()").fetchone()[0]
    packet = None
    if dj.config.database.backend == "mysql":
        packet = int(connection.query("SELECT @@max_allowed_packet").fetchone()[0])
    return DatabaseReport(True, True, f"{where}, version {version}", max_packet_bytes=packet)


def store_location() -> str | None:
    """Return where the store for large arrays lies; None where there is none."""
    store = configured_datajoint().config.stores.get(STORE)
    return None if store is None else str(store.get("location", store.get("endpoint", "")))
