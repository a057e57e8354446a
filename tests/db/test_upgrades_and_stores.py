"""The tests of `upgrade/` on each kind of server, those of `stores/` with an S3 server: beside the others."""

import pytest

from tests.db.child_run import ON_EACH_SERVER, TIMEOUT_S, run_on_server
from tests.db.conftest import can_have_mysql

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.timeout(TIMEOUT_S + 60)]


@ON_EACH_SERVER
def test_upgrade_on_server(kind: str, summary: list[str], pytestconfig: pytest.Config) -> None:
    summary.append(run_on_server("upgrade", kind, "all", pytestconfig))


def test_products_in_an_object_store(summary: list[str], pytestconfig: pytest.Config) -> None:
    kind = "mysql" if can_have_mysql() else "postgresql"
    summary.append(run_on_server("stores", kind, "all", pytestconfig))
