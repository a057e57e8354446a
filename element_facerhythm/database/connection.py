"""The connection to the database, encrypted where that is asked for.

DataJoint's own option (`DJ_USE_TLS=true`, or `"use_tls": true` in `datajoint.json`) enforces encryption
here. On MySQL DataJoint 2.3 passes it to PyMySQL as an empty mapping, which only means "encrypt if the server
offers it": with a server without TLS, or with an attacker in between who hides it, the connection is in plain
text. So the connection is opened here, with options that exclude that:

- `DJ_USE_TLS=true`: encrypted or refused. The server's certificate is not checked.
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

from element_facerhythm.database.datajoint import import_datajoint, without_messages
from element_facerhythm.errors import ConfigurationError

CA_VARIABLE = "FACERHYTHM_TLS_CA"
CHECK_HOST_VARIABLE = "FACERHYTHM_TLS_CHECK_HOST"

logger = logging.getLogger(__name__)

GUESS_ABOUT_TLS = "SSL connection failed"
"""DataJoint's message for a server that cannot be reached."""
SILENCE_S = 300
"""Seconds that the server may take for one answer; then the connection counts as lost."""
_COLLISION_CODES = {1205, 1213, 3572}  # lock wait timeout, deadlock, locked with NOWAIT
_COLLISION_STATES = {"40001", "40P01", "55P03"}

_READ_ONLY_CODES = {1290, 1792, 1836}  # the server, the transaction, or the mode is read only
_READ_ONLY_STATE = "25006"
_ACCESS_QUERIES = {
    # MariaDB calls it otherwise
    "mysql": (
        "SHOW SESSION VARIABLES WHERE Variable_name IN ('transaction_read_only', 'tx_read_only')"
    ),
    "postgresql": "SHOW default_transaction_read_only",
}
_ACCESS_STATEMENTS = {
    "mysql": "SET SESSION TRANSACTION READ {}",
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ {}",
}
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
        connection that need not be encrypted.
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
            "element_facerhythm.database.connection.connect() before that"
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
    # PyMySQL requires TLS where any option is given; this one has the value of its default
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


def set_read_only(connection: Any, read_only: bool) -> None:
    """Make the server refuse what this session would write or create, or allow it again.

    Parameters
    ----------
    connection
        The `dj.Connection` whose session it is.
    read_only
        Whether writing is refused from now on.
    """
    access = "ONLY" if read_only else "WRITE"
    connection.query(_ACCESS_STATEMENTS[connection.adapter.backend].format(access))


def is_read_only(connection: Any) -> bool:
    """Whether the server refuses writes of this session, by `set_read_only` or by its administrator."""
    row = connection.query(_ACCESS_QUERIES[connection.adapter.backend]).fetchone()
    return str(row[-1]).lower() in ("1", "on")


def is_read_only_refusal(error: BaseException | None) -> bool:
    """Whether a statement was refused because nothing may be written, here or in what caused the error."""
    if error is None:
        return False
    if isinstance(error, pymysql.err.MySQLError):
        return bool(error.args) and error.args[0] in _READ_ONLY_CODES
    if isinstance(error, psycopg2.Error):
        return error.pgcode == _READ_ONLY_STATE
    return is_read_only_refusal(error.__cause__ or error.__context__)


def close(connection: Any) -> None:
    """Close a connection, whether or not it is still open."""
    try:
        connection.close()
    except pymysql.err.Error as error:  # it was closed already
        logger.debug("closing: %s", error)


def tls_without_fallback(connection: Any) -> Any:
    """Return the option of TLS for connecting once more.

    Where nothing was asked for, DataJoint tries a second time in plain text. With MySQL the first try already
    takes TLS or not, as the server offers; the second one can meet a server that has just come up, and then
    fails because it is not encrypted.
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
    set_tcp_keepalive(second)
    return second


def set_tcp_keepalive(connection: Any) -> None:
    """Set TCP keepalive, so that a server that vanished is noticed; otherwise a socket waits for ever."""
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
