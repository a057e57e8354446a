"""Connections to the database that come back after it was away."""

import logging
import math
import random
import time
from collections.abc import Callable
from typing import Any

import psycopg2
import pymysql

from element_facerhythm.connection import (
    GUESS_ABOUT_TLS,
    is_collision,
    tls_without_fallback,
    watch_silence,
)
from element_facerhythm.datajoint_log import without_messages
from element_facerhythm.embedded import import_datajoint

dj: Any = import_datajoint()
logger = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0

# refused, no such host, gone, lost, too many connections, shutting down, and the like; no wrong passwords
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
    with without_messages(GUESS_ABOUT_TLS):
        connection.connect()
    connection.cancel_transaction()
