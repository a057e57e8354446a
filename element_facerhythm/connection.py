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

import os
from pathlib import Path
from typing import Any

from element_facerhythm.embedded import import_datajoint
from element_facerhythm.errors import ConfigurationError

CA_VARIABLE = "FACERHYTHM_TLS_CA"
CHECK_HOST_VARIABLE = "FACERHYTHM_TLS_CHECK_HOST"

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
