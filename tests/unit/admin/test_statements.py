"""Names of accounts, and rights of tables that do not exist yet."""

import pytest

from element_facerhythm.admin import PASSWORD, Account
from element_facerhythm.admin.roles import Right
from element_facerhythm.admin.statements import create_statement, grant_statement
from element_facerhythm.errors import RequestError


@pytest.mark.parametrize(
    "name",
    ["", "a'b", "a`b", 'a"b', "a\\", "a;DROP USER root", "a b", "a\n", "a\0", "\uff41nna", "1anna", "-a",
     "a@b", "a" * 33, "%"],
)  # fmt: skip
def test_a_name_that_could_end_its_quotes_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match="is not a name for an account"):
        Account(name)


@pytest.mark.parametrize("host", ["", "%'", "a b", "%\n", "`", "\\", "a;b", "h@x", "h" * 256])
def test_a_host_that_could_end_its_quotes_is_refused(host: str) -> None:
    with pytest.raises(RequestError, match="is not one that accounts come from"):
        Account("anna", host)


@pytest.mark.parametrize(
    "host", ["%", "10.1.%", "::1", "192.168.1.0/255.255.255.0", "db-1.lab.example"]
)
def test_an_ordinary_account_is_quoted(host: str) -> None:
    account = Account("anna_b.c-2", host, require_tls=True)
    expected = (
        f"CREATE USER IF NOT EXISTS 'anna_b.c-2'@'{host}' IDENTIFIED BY {PASSWORD} REQUIRE SSL"
    )
    assert create_statement(account, "worker") == f"{expected};"
    assert create_statement(account, "viewer") == f"{expected} WITH MAX_USER_CONNECTIONS 20;"


def test_names_of_tables_and_columns_cannot_end_their_quotes() -> None:
    right = Right("my`lab", "~~jobs`", "queue", ("SELECT", "UPDATE"), ("a`b", "c"))
    assert grant_statement(right, Account("anna")) == (
        "GRANT SELECT, UPDATE (`a``b`, `c`) ON `my``lab`.`~~jobs``` TO 'anna'@'%';"
    )
