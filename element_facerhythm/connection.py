"""The connection to the database, encrypted where that is asked for.

DataJoint's own option (`DJ_USE_TLS=true`, or `"use_tls": true` in `datajoint.json`) is taken at its word
here. On MySQL DataJoint 2.3 hands it to PyMySQL as an empty mapping, which means no more than "encrypt if
the server offers it": a server without TLS, or somebody on the way who hides it, gets the connection in
plain text. So the connection is opened here, with options that leave no such way out:

- `DJ_USE_TLS=true`: encrypted or not at all. The server's certificate is not looked at.
- `FACERHYTHM_TLS_CA=FILE`: encrypted, with a certificate that this authority signed for this host.
- `FACERHYTHM_TLS_CHECK_HOST=false`: the certificate may name another host (those that MySQL makes for
  itself name none).

Without any of them DataJoint decides: encrypted where the server offers it. On MySQL `DJ_USE_TLS=false`
changes nothing about that.
"""

import logging
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Any

import psycopg2
import pymysql

from element_facerhythm.datajoint_log import without_messages
from element_facerhythm.embedded import import_datajoint
from element_facerhythm.errors import ConfigurationError

CA_VARIABLE = "FACERHYTHM_TLS_CA"
CHECK_HOST_VARIABLE = "FACERHYTHM_TLS_CHECK_HOST"

logger = logging.getLogger(__name__)

GUESS_ABOUT_TLS = "SSL connection failed"
"""What DataJoint says of a server that cannot be reached."""
SILENCE_S = 300
"""Seconds that the server may take for one answer; then the connection counts as lost."""
_COLLISION_CODES = {1205, 1213, 3572}  # lock wait timeout, deadlock, locked where NOWAIT was said
_COLLISION_STATES = {"40001", "40P01", "55P03"}

_CIPHER_QUERIES = {
    "mysql": "SHOW SESSION STATUS LIKE 'Ssl_cipher'",
    "postgresql": "SELECT pid, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
}


def connect() -> Any:
    """Return the process's connection, opened where it is not open yet.

    Raises
    ------
    ConfigurationError
        The settings of TLS are wrong; or TLS is asked for, and another part of the process has opened a
        connection that would do without.
    """
    dj = import_datajoint()
    settings = dj.config.database
    options = tls_options()
    if options is None or settings.user is None or settings.password is None:
        return dj.conn()
    # naming the host makes DataJoint take these options, if there is no connection yet
    connection = dj.conn(host=settings.host, use_tls=options)
    if connection.conn_info["ssl_input"] != options:
        raise ConfigurationError(
            f"TLS is asked for, and the connection to {settings.host}:{settings.port} was opened by "
            "something else in this process, with options that allow plain text; call "
            "element_facerhythm.connection.connect() before that"
        )
    return connection


def tls_options() -> dict[str, Any] | bool | None:
    """Options of TLS as `dj.Connection(..., use_tls=)` takes them; None where none is asked for.

    Raises
    ------
    ConfigurationError
        The file of the authority is missing, or is asked for with PostgreSQL; or a variable says
        neither true nor false.
    """
    settings = import_datajoint().config.database
    ca = os.environ.get(CA_VARIABLE)
    if settings.backend == "postgresql":
        if ca:
            raise ConfigurationError(
                f"{CA_VARIABLE} is for MySQL; with PostgreSQL name the file in PGSSLROOTCERT and set "
                "DJ_USE_TLS=true"
            )
        return True if settings.use_tls else None
    if ca:
        if not Path(ca).is_file():
            raise ConfigurationError(
                f"{CA_VARIABLE}: {ca} is not a file; expected the certificate (PEM) of the authority that "
                "signed the server's"
            )
        return {"ca": ca, "verify_mode": True, "check_hostname": must_check_host()}
    # PyMySQL requires TLS where it is given any option at all; this one is what it does without
    return {"verify_mode": False} if settings.use_tls else None


def must_check_host() -> bool:
    """Return whether the certificate must be of the host that is connected to."""
    given = os.environ.get(CHECK_HOST_VARIABLE, "true").lower()
    if given not in ("true", "false", "1", "0"):
        raise ConfigurationError(f"{CHECK_HOST_VARIABLE} is {given!r}; expected true or false")
    return given in ("true", "1")


def cipher(connection: Any) -> str | None:
    """Return what a connection is encrypted with; None where it is plain text."""
    row = connection.query(_CIPHER_QUERIES[connection.adapter.backend]).fetchone()
    return str(row[1]) if row and row[1] else None


def server_identity(connection: Any) -> str:
    """Return what a server calls itself, whatever the host name that it is reached by; empty where unknown.

    MySQL has an UUID, PostgreSQL a number of its cluster; MariaDB has one from 10.10 on.
    """
    if connection.adapter.backend == "mysql":
        row = connection.query(
            "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid', 'server_uid')"
        ).fetchone()
        return str(row[1]) if row else ""
    allowed = "SELECT has_function_privilege('pg_control_system()', 'execute')"
    if not connection.query(allowed).fetchone()[0]:
        return ""
    return str(connection.query("SELECT system_identifier FROM pg_control_system()").fetchone()[0])


def is_collision(error: BaseException) -> bool:
    """Whether a statement failed because of another session's locks, so that it may work when repeated."""
    if isinstance(error, pymysql.err.MySQLError):
        return bool(error.args) and error.args[0] in _COLLISION_CODES
    return isinstance(error, psycopg2.Error) and error.pgcode in _COLLISION_STATES


def close(connection: Any) -> None:
    """Close a connection, whether or not it is still open."""
    try:
        connection.close()
    except pymysql.err.Error as error:  # it was closed already
        logger.debug("closing: %s", error)


def tls_without_fallback(connection: Any) -> Any:
    """Give the option of TLS for connecting once more.

    Where nothing was asked for, DataJoint tries a second time in plain text. With MySQL the first try already
    takes TLS or not, as the server offers; the second one can meet a server that has just come up, and then
    fails for want of encryption.
    """
    asked = connection.conn_info["ssl_input"]
    return True if asked is None and connection.adapter.backend == "mysql" else asked


def open_second(connection: Any) -> Any:
    """Open another connection to the same server, beside this one."""
    about = connection.conn_info
    with without_messages(GUESS_ABOUT_TLS):
        second = import_datajoint().Connection(
            about["host"],
            about["user"],
            about["passwd"],
            about["port"],
            tls_without_fallback(connection),
            database_name=about["database_name"],
            backend=connection.adapter.backend,
        )
    watch_silence(second)
    return second


def watch_silence(connection: Any) -> None:
    """Let a server that vanished without a word be noticed; a socket waits for ever by itself."""
    raw = connection._conn
    number = raw.fileno() if hasattr(raw, "fileno") else raw._sock.fileno()
    with socket.socket(fileno=os.dup(number)) as twin:  # options belong to both
        if sys.platform != "linux" or twin.family not in (socket.AF_INET, socket.AF_INET6):
            return
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60_000)
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", SILENCE_S, 0))
