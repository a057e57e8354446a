"""Connections to the database that come back after it was away."""

import logging
import math
import os
import random
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg2
import pymysql

from element_facerhythm.datajoint_log import without_messages
from element_facerhythm.embedded import import_datajoint

dj: Any = import_datajoint()
logger = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
SILENCE_S = 300
"""Seconds that the server may take for one answer; then the connection counts as lost."""

# refused, no such host, gone, lost, too many connections, shutting down, and the like; no wrong passwords
_LOST_CODES = {
    0, 1040, 1053, 1077, 1078, 1079, 1080, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2005, 2006, 2013,
    2014, 2055, 4031,
}  # fmt: skip
_COLLISION_CODES = {1205, 1213}  # lock wait timeout, deadlock
_COLLISION_STATES = {"40001", "40P01", "55P03"}
_GUESS_ABOUT_TLS = "SSL connection failed"  # what DataJoint says of a server that cannot be reached


def is_lost(error: BaseException) -> bool:
    """Whether an error says that the connection is gone, rather than that the statement was wrong."""
    if isinstance(error, dj.errors.LostConnectionError | ConnectionError | TimeoutError):
        return True
    if isinstance(error, pymysql.err.InterfaceError | psycopg2.InterfaceError):
        return True
    if isinstance(error, pymysql.err.OperationalError | pymysql.err.InternalError):
        return bool(error.args) and error.args[0] in _LOST_CODES
    return isinstance(error, psycopg2.OperationalError) and not _is_refusal(error)


def is_collision(error: BaseException) -> bool:
    """Whether a statement failed because of another session's locks, so that it may work when repeated."""
    if isinstance(error, pymysql.err.MySQLError):
        return bool(error.args) and error.args[0] in _COLLISION_CODES
    return isinstance(error, psycopg2.Error) and error.pgcode in _COLLISION_STATES


def passes(error: BaseException) -> bool:
    """Whether the same statement may work later: the connection is lost, or other sessions hold locks."""
    return is_lost(error) or is_collision(error)


def _is_refusal(error: psycopg2.OperationalError) -> bool:
    """Whether PostgreSQL refused the login; at that point psycopg2 gives no code, only words."""
    text = str(error)
    return "authentication failed" in text or "does not exist" in text


class Lifeline:
    """A connection that is brought back after it was lost.

    Parameters
    ----------
    connection
        A `dj.Connection`.
    idle_s
        Time without a statement after which the server may end the connection. A worker that is frozen in
        the middle of a transaction then lets go of what it has locked.
    """

    def __init__(self, connection: Any, idle_s: float) -> None:
        self.connection = connection
        connection.conn_info["ssl_input"] = tls_without_fallback(connection)
        self._idle_s = max(math.ceil(idle_s), 1)

    def wait(self, give_up: Callable[[], bool], sleep: Callable[[float], Any] = time.sleep) -> bool:
        """Make sure that the server answers, however long it is away.

        Parameters
        ----------
        give_up
            Asked before each try.
        sleep
            Waits so many seconds between tries; they grow from half a second to half a minute.

        Returns
        -------
        bool
            False where `give_up` said so.

        Raises
        ------
        Exception
            The server answered and refused the login.
        """
        wait_s = FIRST_WAIT_S
        away = False
        while not give_up():
            try:
                self._settle()
                if away:
                    logger.warning("the database is back")
                return True
            except Exception as error:
                if not is_lost(error):
                    raise
                if not away:
                    logger.warning("the database does not answer (%s); trying until it does", error)
                away = True
            sleep(wait_s * random.uniform(0.75, 1.25))  # not all workers at once
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        return False

    def _settle(self) -> None:
        """Set what a session needs; this also finds out whether the server answers."""
        try:
            self._set_up()
        except Exception as error:
            if not is_lost(error):
                raise
            reconnect(self.connection)
            self._set_up()

    def _set_up(self) -> None:
        if self.connection.adapter.backend == "mysql":
            setting = f"SET SESSION wait_timeout = {self._idle_s}"
        else:
            setting = f"SET idle_in_transaction_session_timeout = {1000 * self._idle_s}"
        self.connection.query(setting, reconnect=False)
        watch_silence(self.connection)


def reconnect(connection: Any) -> None:
    """Connect once more, and forget a transaction that was cut off (the server rolled it back)."""
    with without_messages(_GUESS_ABOUT_TLS):
        connection.connect()
    connection.cancel_transaction()


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
    """Open another connection to the same server, for another thread."""
    about = connection.conn_info
    with without_messages(_GUESS_ABOUT_TLS):
        second = dj.Connection(
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
