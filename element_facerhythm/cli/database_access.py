"""The activated tables, and facts of the server, for the verbs that use a database."""

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from element_facerhythm.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from element_facerhythm.active_pipeline import Access, ActivePipeline


LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class DatabaseReport:
    """What `doctor` reports of the database."""

    configured: bool
    reachable: bool
    text: str
    remedy: str = ""
    max_packet_bytes: int | None = None
    exposed: bool = False  # in plain text, over a network


def pipeline_to_read() -> "ActivePipeline":
    """Open the configured pipeline to read it; nothing is created or changed.

    Raises
    ------
    ConfigurationError
        The database does not answer, is not complete, or the linking module cannot be used.
    """
    from element_facerhythm.active_pipeline import Access

    return _opened(Access.READ)


def pipeline_to_change() -> "ActivePipeline":
    """Open the configured pipeline to change rows; schemas and tables must be there."""
    from element_facerhythm.active_pipeline import Access

    return _opened(Access.CHANGE)


def pipeline_to_fill(*, to_populate: bool) -> "ActivePipeline":
    """Open the configured pipeline to enter rows; what is missing is created, where that may be.

    Parameters
    ----------
    to_populate
        Whether the account is going to compute, too.

    Raises
    ------
    RequestError
        The account may not populate; and all that the other two raise.
    """
    from element_facerhythm.active_pipeline import Access

    pipeline = _opened(Access.CREATE)
    if to_populate:
        from element_facerhythm.ingest import require_right_to_populate

        require_right_to_populate(pipeline.populated)
    return pipeline


def _opened(access: "Access") -> "ActivePipeline":
    hold_back_job_table_remarks()
    with explained_connection():
        from element_facerhythm.active_pipeline import open_pipeline

        return open_pipeline(access)


def hold_back_job_table_remarks() -> None:
    """Silence DataJoint's remarks on the types of its own job tables, which cannot be changed here."""
    logging.getLogger("datajoint").addFilter(is_not_type_warning)


def is_not_type_warning(record: logging.LogRecord) -> bool:
    """Return whether a log record is more than such a remark."""
    return not record.getMessage().startswith("Native type ")


def configured_datajoint() -> ModuleType:
    """Import DataJoint; raises ConfigurationError where it cannot read its configuration."""
    from element_facerhythm.database.datajoint import import_datajoint

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
    """Turn a failed connection into a `ConfigurationError` that says which server was tried.

    Other errors of the database pass through: they are not about the connection.
    """
    dj = configured_datajoint()
    import psycopg2
    import pymysql

    require_login()
    refusals = (dj.errors.LostConnectionError, dj.errors.AccessError, psycopg2.OperationalError)
    try:
        yield
    except (*refusals, pymysql.err.OperationalError, ConnectionError) as error:
        raise unusable_database(error) from error
    except RuntimeError as error:
        # PyMySQL's message where a login was refused with TLS and then tried again without
        if "'cryptography' package is required" not in str(error):
            raise
        raise unusable_database("the login was refused") from error


def connect_if_configured() -> None:
    """Connect to the configured database, where there is one, so that a bad one is found before any work."""
    from element_facerhythm.database.embedded import database_is_configured

    if database_is_configured():
        from element_facerhythm.database.connection import connect

        connect()


def require_login() -> None:
    """Refuse a configuration that names a server and no user: DataJoint would ask on the terminal."""
    from element_facerhythm.database.embedded import database_is_configured

    settings = configured_datajoint().config.database
    names = {"DJ_USER": settings.user, "DJ_PASS": settings.password}
    missing = [name for name, value in names.items() if value is None]
    if missing and database_is_configured():
        raise ConfigurationError(
            f"{settings.backend} at {settings.host}:{settings.port} is configured without "
            f"{' and '.join(missing)}: set them, or put user and password into datajoint.json"
        )


def unusable_database(reason: object) -> ConfigurationError:
    """Return the error that names the server, the user and the reason."""
    settings = configured_datajoint().config.database
    return ConfigurationError(
        f"{settings.backend} at {settings.host}:{settings.port} as {settings.user} cannot be used: "
        f"{' '.join(str(reason).split())}. Check DJ_HOST, DJ_PORT, DJ_USER and DJ_PASS (or "
        "datajoint.json); `facerhythm doctor` reports more"
    )


def describe_database() -> DatabaseReport:
    """Inspect the database that would be used, without creating or starting anything."""
    from element_facerhythm.database import embedded

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
    """Ask the configured server for its version and its limit on rows, and whether it encrypts."""
    from element_facerhythm.database.connection import cipher, connect

    connection = connect()
    version = connection.query("SELECT VERSION()").fetchone()[0]
    packet = None
    if connection.adapter.backend == "mysql":
        packet = int(connection.query("SELECT @@max_allowed_packet").fetchone()[0])
    encryption = cipher(connection)
    secrecy = f"encrypted ({encryption})" if encryption else "not encrypted"
    exposed = encryption is None and connection.conn_info["host"] not in LOOPBACK
    return DatabaseReport(True, True, f"{where}, version {version}, {secrecy}", "", packet, exposed)


def store_location() -> str | None:
    """Return where the store for large arrays lies; None where there is none."""
    from element_facerhythm.linking import STORE_NAME

    store = configured_datajoint().config.stores.get(STORE_NAME)
    return None if store is None else str(store.get("location", store.get("endpoint", "")))
