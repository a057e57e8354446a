"""The tests of the tables in `on_server/`, on PostgreSQL; a file a server, so that they run side by side."""

import pytest

from tests.db.child_run import TIMEOUT_S, run_on_server

pytestmark = [pytest.mark.database, pytest.mark.timeout(TIMEOUT_S + 60)]


def test_tables(summary: list[str], pytestconfig: pytest.Config) -> None:
    summary.append(run_on_server("on_server", "postgresql", "quick", pytestconfig))


@pytest.mark.slow
def test_more_of_tables(summary: list[str], pytestconfig: pytest.Config) -> None:
    summary.append(run_on_server("on_server", "postgresql", "long", pytestconfig))
