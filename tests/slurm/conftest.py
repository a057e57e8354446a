"""A real Slurm, a real server, and labs that share both.

Where Slurm cannot be had, the run says so at its end; FACERHYTHM_REQUIRE_SLURM=1 makes that a failure. The
tests look at the tables with SQL alone: what they start runs in processes of its own.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import leave_out
from tests.db.conftest import can_have_mysql, serve
from tests.slurm.cluster import Cluster, can_have_slurm, run_cluster
from tests.slurm.laboratory import Laboratory, query_server, warm_up


@pytest.hookimpl(trylast=True)  # after -m and -k: what is not asked for installs nothing
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of Slurm where it cannot be had, and say so."""
    slurm_items = [item for item in items if item.get_closest_marker("slurm")]
    if not slurm_items or os.environ.get("FACERHYTHM_REQUIRE_SLURM") == "1":
        return
    if can_have_slurm() and can_have_mysql():
        return
    leave_out(
        config, items, slurm_items,
        f"{len(slurm_items)} slurm tests did not run: they need Slurm (slurmctld, slurmdbd, slurmd, munge) "
        "and a MySQL-protocol server",
    )  # fmt: skip


@pytest.fixture(scope="session")
def database() -> Iterator[dict[str, str]]:
    """`DJ_*` variables of a MySQL-protocol server."""
    with serve("mysql") as variables:
        yield variables


@pytest.fixture(scope="session")
def cluster(database: dict[str, str]) -> Iterator[Cluster]:
    """A Slurm with three nodes in the partition `main`, and one in `short` with a limit of two minutes."""
    assert can_have_slurm(), "Slurm cannot be had on this machine"
    # a short path, reachable for everybody: it holds a socket
    with (
        tempfile.TemporaryDirectory(prefix="facerhythm-slurm-") as home,
        run_cluster(Path(home), database) as cluster,
    ):
        yield cluster
    query_server(database, f"DROP DATABASE IF EXISTS `{cluster.accounting_schema}`")


@pytest.fixture(scope="session")
def found_lab(
    cluster: Cluster, database: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Laboratory]]:
    """Make a lab with a name: schemas, directories and recordings of its own on the shared cluster."""
    labs: list[Laboratory] = []

    def found(name: str) -> Laboratory:
        labs.append(Laboratory(name, tmp_path_factory.mktemp(name), cluster, database))
        return labs[-1]

    warm_up(tmp_path_factory.mktemp("warm-up"))
    yield found
    for lab in labs:
        lab.drop_schemas()


@pytest.fixture(scope="session", autouse=True)
def limited(found_lab: Callable[[str], Laboratory]) -> Laboratory:
    """A lab whose worker runs into the time limit while the other tests run; its test comes last."""
    lab = found_lab("limited")
    lab.register(1, n_restarts=60_000)
    lab.submit("--partition", "short", "--time", "2", "--grace", "45")
    return lab
