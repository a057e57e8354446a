"""The SQL of an event and of triggers that protect a shared server from its users.

The triggers are those of `kept_entries`. The event ends readers on whom other connections wait.

`SELECT ... FOR SHARE`, and on MySQL and MariaDB any `SELECT` of a transaction of the isolation level
`SERIALIZABLE`, locks every row that it reads, and needs no more than the right to read. So an account that
may only read could keep workers from writing for as long as its transaction is open. No right prevents that.
The event ends such a connection once another one has waited for it for some seconds. A connection that has
changed something in these schemas, or is itself waiting, is left alone: ending a reader loses nothing.
"""

from collections.abc import Iterable

from element_facerhythm import fleet
from element_facerhythm.active_pipeline import ActivePipeline
from element_facerhythm.admin.kept_entries import kept_entries
from element_facerhythm.admin.statements import quoted, require_complete, require_mysql
from element_facerhythm.database.connection import connect
from element_facerhythm.errors import RequestError

GUARD = "'facerhythm_guard'@'localhost'"
"""Account under which both run; it is locked, so that no login uses it."""
EVENT = "end_readers_who_hold_up_others"
LONGEST_S = 30

_MYSQL_VIEWS = ("data_locks", "data_lock_waits", "threads")
_MYSQL_BLOCKERS = """
      SELECT DISTINCT holder.trx_mysql_thread_id
      FROM performance_schema.data_lock_waits AS pair
      JOIN performance_schema.data_locks AS wanted
        ON wanted.engine_lock_id = pair.requesting_engine_lock_id
      JOIN performance_schema.threads AS waiting ON waiting.thread_id = pair.requesting_thread_id
      JOIN information_schema.innodb_trx AS holder ON holder.trx_id = pair.blocking_engine_transaction_id
      WHERE wanted.object_schema IN ({schemas})
        AND waiting.processlist_time >= {after_s}
        AND holder.trx_state <> 'LOCK WAIT'
        AND NOT EXISTS (
          SELECT 1 FROM performance_schema.data_locks AS own
          WHERE own.engine_transaction_id = pair.blocking_engine_transaction_id
            AND own.object_schema IN ({schemas})
            AND own.lock_type = 'TABLE' AND own.lock_mode NOT IN ('IS', 'S'))"""
_MARIADB_BLOCKERS = """
      SELECT DISTINCT holder.trx_mysql_thread_id
      FROM information_schema.innodb_lock_waits AS pair
      JOIN information_schema.innodb_locks AS wanted ON wanted.lock_id = pair.requested_lock_id
      JOIN information_schema.innodb_trx AS waiter ON waiter.trx_id = pair.requesting_trx_id
      JOIN information_schema.processlist AS waiting ON waiting.id = waiter.trx_mysql_thread_id
      JOIN information_schema.innodb_trx AS holder ON holder.trx_id = pair.blocking_trx_id
      WHERE SUBSTRING_INDEX(SUBSTRING(wanted.lock_table, 2), '`', 1) IN ({schemas})
        AND waiting.time >= {after_s}
        AND holder.trx_state <> 'LOCK WAIT'
        AND holder.trx_rows_modified = 0"""
_BODY = """  BEGIN
    DECLARE finished BOOL DEFAULT FALSE;
    DECLARE reader BIGINT UNSIGNED;
    DECLARE readers CURSOR FOR{blockers};
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET finished = TRUE;
    DECLARE CONTINUE HANDLER FOR 1094, 1095 BEGIN END; -- it has ended by itself, or is of the system
    OPEN readers;
    each_reader: LOOP
      FETCH readers INTO reader;
      IF finished THEN LEAVE each_reader; END IF;
      KILL CONNECTION reader;
    END LOOP;
    CLOSE readers;
  END;"""


def guard(pipeline: ActivePipeline, after_s: int = 2) -> list[str]:
    """Return the statements that install the event and the triggers, for the administrator of the server.

    Parameters
    ----------
    pipeline
        Whose tables are guarded.
    after_s
        Seconds that a connection must have waited for a reader.

    Raises
    ------
    RequestError
        The time is too short or too long; or no MySQL is configured.
    ConfigurationError
        A table or a queue is missing.
    """
    if not 1 <= after_s <= LONGEST_S:
        raise RequestError(
            f"--after {after_s}: expected 1 to {LONGEST_S} s; workers wait for a lock for 50 s at most"
        )
    require_mysql()
    require_complete(pipeline.schemas)
    version = str(connect().query("SELECT VERSION()").fetchone()[0])
    schemas = [schema.database for schema in pipeline.schemas]
    home = fleet.schema.database
    if "MariaDB" in version:
        account = [f"CREATE USER IF NOT EXISTS {GUARD} ACCOUNT LOCK;"]
        rights = [f"GRANT PROCESS, CONNECTION ADMIN ON *.* TO {GUARD};"]
        blockers = _MARIADB_BLOCKERS
    else:
        account = [f"CREATE USER IF NOT EXISTS {GUARD} IDENTIFIED BY RANDOM PASSWORD ACCOUNT LOCK;"]
        rights = [
            f"GRANT PROCESS, CONNECTION_ADMIN ON *.* TO {GUARD};",
            *(f"GRANT SELECT ON performance_schema.{view} TO {GUARD};" for view in _MYSQL_VIEWS),
        ]
        blockers = _MYSQL_BLOCKERS
    listed = blockers.format(schemas=_texts(schemas), after_s=after_s)
    return [
        *account,
        *rights,
        f"GRANT EVENT ON {quoted(_as_pattern(home))}.* TO {GUARD};",
        f"DROP EVENT IF EXISTS {quoted(home)}.{quoted(EVENT)};",
        f"CREATE DEFINER = {GUARD} EVENT {quoted(home)}.{quoted(EVENT)}\n"
        "  ON SCHEDULE EVERY 1 SECOND DO\n" + _BODY.format(blockers=listed),
        *kept_entries(pipeline.schemas, GUARD),
    ]


def _texts(names: Iterable[str]) -> str:
    """Return names as string literals of MySQL."""
    escaped = (name.replace("\\", "\\\\").replace("'", "''") for name in names)
    return ", ".join(f"'{name}'" for name in escaped)


def _as_pattern(schema_name: str) -> str:
    """Return the pattern that only this schema fits; grants on whole schemas take patterns."""
    for sign in ("\\", "_", "%"):
        schema_name = schema_name.replace(sign, f"\\{sign}")
    return schema_name
