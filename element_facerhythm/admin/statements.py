"""The SQL that makes an account of a role.

The account itself is made by the administrator of the server, since the right to do that covers all accounts.
The rights are granted by the administrator of this package's schemas.

Rights are granted table by table. A grant for a whole schema would include tables that are added later, and
its name is a pattern, in which `_` stands for any character unless the server is configured otherwise:
`lab_subject.*` would also open `lab1subject`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from element_facerhythm.active_pipeline import ActivePipeline
from element_facerhythm.admin.roles import Right, Role, dj, rights_in, tables_of
from element_facerhythm.admin.views import view_rights
from element_facerhythm.database.embedded import database_is_configured
from element_facerhythm.errors import ConfigurationError, RequestError

PASSWORD = "<PASSWORD>"
"""Placeholder for the password. The server refuses a statement that still has it."""

MOST_CONNECTIONS = 20
"""Of a viewer's or an analyst's account at a time; a server takes 151 in all by default."""

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_HOST = re.compile(r"[A-Za-z0-9_.:%/-]{1,255}")


@dataclass(frozen=True)
class Account:
    """An account of the database server: user, host, and whether only encrypted connections are allowed.

    Raises
    ------
    RequestError
        The name or the host holds more than an account needs.
    """

    user: str
    host: str = "%"
    require_tls: bool = False

    def __post_init__(self) -> None:
        if not _USER.fullmatch(self.user):
            raise RequestError(
                f"user {self.user!r} is not a name for an account; expected a letter or _, then letters, "
                "digits and _ . - (32 characters at most)"
            )
        if not _HOST.fullmatch(self.host):
            raise RequestError(
                f"host {self.host!r} is not one that accounts come from; expected a name, an address, "
                "or a pattern such as 10.1.% or %.lab.example"
            )

    def __str__(self) -> str:
        # neither can hold a quote or a backslash
        return f"'{self.user}'@'{self.host}'"


def grants(
    pipeline: ActivePipeline, role: Role, account: Account, *, create_user: bool = True
) -> list[str]:
    """Return the statements that make an account of a role, for MySQL and MariaDB.

    Parameters
    ----------
    pipeline
        Whose tables they are.
    role
        One of `roles.ROLES`.
    account
        The account that they are for.
    create_user
        Begin with the account itself, its password still to be filled in. All others need no right over
        accounts.

    Raises
    ------
    RequestError
        No MySQL is configured.
    ConfigurationError
        A table or a queue is missing: rights cannot be granted on what is not there.
    """
    require_mysql()
    require_complete(pipeline.schemas)
    rights = [*rights_in(role, pipeline), *view_rights(role, pipeline.views_schema)]
    first = [create_statement(account, role)] if create_user else []
    return [*first, *(grant_statement(right, account) for right in rights)]


def require_mysql() -> None:
    """Refuse anything but a configured MySQL, before it is connected to.

    Raises
    ------
    RequestError
        Accounts and rights of PostgreSQL are others.
    """
    if dj.config.database.backend != "mysql" or not database_is_configured():
        raise RequestError(
            "accounts by role are for a configured MySQL or MariaDB (DJ_HOST, DJ_BACKEND=mysql); the "
            "embedded PostgreSQL is one person's"
        )


def require_complete(schemas: Sequence[Any]) -> None:
    """Refuse where a table is missing."""
    missing = [
        table.full_table_name
        for schema in schemas
        for table, _ in tables_of(schema)
        if not table.is_declared
    ]
    if missing:
        raise ConfigurationError(
            f"{', '.join(missing)} is not there yet; run `facerhythm admin init` first"
        )


def create_statement(account: Account, role: Role) -> str:
    """Return the statement that makes the account; a person's cannot take all connections of the server.

    Parameters
    ----------
    account
        The account that is made; the password is still to be filled in, for `PASSWORD`.
    role
        One of `roles.ROLES`; `worker` is no person, and has no limit.
    """
    tls = " REQUIRE SSL" if account.require_tls else ""
    limit = "" if role == "worker" else f" WITH MAX_USER_CONNECTIONS {MOST_CONNECTIONS}"
    return f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY {PASSWORD}{tls}{limit};"


def grant_statement(right: Right, account: Account) -> str:
    """Return the statement that grants an account its rights on one table.

    Parameters
    ----------
    right
        The table, and what may be done with it.
    account
        The account that is granted it.
    """
    privileges = ", ".join(
        f"{name} ({', '.join(map(quoted, right.columns))})"
        if name == "UPDATE" and right.columns
        else name
        for name in right.privileges
    )
    return f"GRANT {privileges} ON {quoted(right.schema)}.{quoted(right.table)} TO {account};"


def quoted(name: str) -> str:
    """Return a name of the schema as MySQL's identifiers are quoted."""
    return "`" + name.replace("`", "``") + "`"
