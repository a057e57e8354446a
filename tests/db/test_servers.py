"""The tests of the tables in `on_server/`, on each kind of server."""

import pytest

from tests.db.child_run import ON_EACH_SERVER, TIMEOUT_S, run_on_server

pytestmark = [pytest.mark.database, pytest.mark.timeout(TIMEOUT_S + 60)]


@ON_EACH_SERVER
def test_tables_on_server(kind: str, summary: list[str], pytestconfig: pytest.Config) -> None:
    summary.append(run_on_server("on_server", kind, "quick", pytestconfig))


@pytest.mark.slow
@ON_EACH_SERVER
def test_more_on_server(kind: str, summary: list[str], pytestconfig: pytest.Config) -> None:
    summary.append(run_on_server("on_server", kind, "long", pytestconfig))
