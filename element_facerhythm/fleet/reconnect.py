"""Connections to the database that are restored after it was unavailable."""

import logging
import math
import random
import time
from collections.abc import Callable
from typing import Any, Self

import psycopg2
import pymysql

from element_facerhythm.database.connection import (
    GUESS_ABOUT_TLS,
    is_collision,
    set_tcp_keepalive,
    tls_without_fallback,
)
from element_facerhythm.database.datajoint import import_datajoint, without_messages

dj: Any = import_datajoint()
logger = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0

# errors of the network and of a server that stops or is full; not those of a wrong password
_LOST_CODES = {
    0, 1040, 1053, 1077, 1078, 1079, 1080, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2005, 2006, 2013,
    2014, 2055, 4031,
}  # fmt: skip


def is_lost(error: BaseException) -> bool:
    """Whether an error says that the connection is gone, rather than that the statement was wrong."""
    if isinstance(error, dj.errors.LostConnectionError | ConnectionError | TimeoutError):
        return True
    if isinstance(error, pymysql.err.InterfaceError | psycopg2.InterfaceError):
        return True
    if isinstance(error, pymysql.err.OperationalError | pymysql.err.InternalError):
        return bool(error.args) and error.args[0] in _LOST_CODES
    return isinstance(error, psycopg2.OperationalError) and not _is_refusal(error)


def is_transient(error: BaseException) -> bool:
    """Whether the same statement may work later: the connection is lost, or other sessions hold locks."""
    return is_lost(error) or is_collision(error)


def _is_refusal(error: psycopg2.OperationalError) -> bool:
    """Whether PostgreSQL refused the login; psycopg2 has no error code for that, only a text."""
    text = str(error)
    return "authentication failed" in text or "does not exist" in text


class ReconnectingConnection:
    """A connection that is restored after it was lost; its session is as before when `with` ends.

    Parameters
    ----------
    connection
        A `dj.Connection`.
    idle_s
        Time without a statement after which the server may end the connection. That releases the locks of a
        worker that is frozen in the middle of a transaction.
    """

    def __init__(self, connection: Any, idle_s: float) -> None:
        self.connection = connection
        connection.conn_info["ssl_input"] = tls_without_fallback(connection)
        self._idle_s = max(math.ceil(idle_s), 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the server's default idle time: the caller goes on using this connection."""
        try:
            self._limit_idle_time(None)
        except Exception as error:
            if not is_lost(error):
                raise

    def wait(self, give_up: Callable[[], bool], sleep: Callable[[float], Any] = time.sleep) -> bool:
        """Wait until the server answers, without a time limit.

        Parameters
        ----------
        give_up
            Called before each try; True ends the wait.
        sleep
            Waits so many seconds between tries; they grow from half a second to half a minute.

        Returns
        -------
        bool
            False where `give_up` returned True.

        Raises
        ------
        Exception
            The server answered and refused the login.
        """
        wait_s = FIRST_WAIT_S
        away = False
        while not give_up():
            try:
                self._set_session_timeouts()
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

    def _set_session_timeouts(self) -> None:
        """Set what a session needs; this also finds out whether the server answers."""
        try:
            self._set_up()
        except Exception as error:
            if not is_lost(error):
                raise
            reconnect(self.connection)
            self._set_up()

    def _set_up(self) -> None:
        self._limit_idle_time(self._idle_s)
        set_tcp_keepalive(self.connection)

    def _limit_idle_time(self, seconds: int | None) -> None:
        """Set how long the session may sit idle; None for the server's default."""
        if self.connection.adapter.backend == "mysql":
            limit = "@@GLOBAL.wait_timeout" if seconds is None else seconds
            setting = f"SET SESSION wait_timeout = {limit}"
        else:
            limit = "DEFAULT" if seconds is None else 1000 * seconds
            setting = f"SET idle_in_transaction_session_timeout = {limit}"
        self.connection.query(setting, reconnect=False)


def reconnect(connection: Any) -> None:
    """Connect again, and drop a transaction that was cut off (the server rolled it back)."""
    with without_messages(GUESS_ABOUT_TLS):
        connection.connect()
    connection.cancel_transaction()
