"""Any two tables that share a key join, and on that key alone."""

from collections.abc import Callable, Iterator
from itertools import combinations
from types import ModuleType
from typing import Any

import pytest

from tests.db.on_server.conftest import WORKER_FACTS, forget_workers
from tests.db.on_server.test_curation import decide

Key = dict[str, Any]


def keys_of(table: Any) -> set[str]:
    """Columns of a table that are a key, its own or another table's."""
    attributes = table.heading.attributes
    return set(table.primary_key) | {n for n, attr in attributes.items() if attr.lineage}


def schema_of(module: ModuleType) -> str:
    return module.__name__.split(".")[-1]


def own_tables() -> Iterator[str]:
    """Name of every table of the package, with its module."""
    from element_facerhythm import facial_behavior_estimation, fleet, keypoint_inference
    from tests.unit.database.test_column_names import tables_of

    for module in (facial_behavior_estimation, keypoint_inference, fleet):
        yield from (f"{schema_of(module)}.{name}" for name, _ in tables_of(module))


@pytest.fixture(scope="module")
def tables(
    workflow: ModuleType, fbe: ModuleType, processed: Key, inferred: Key, measured: Key
) -> Iterator[dict[str, Any]]:
    """Every declared table of the schemas, by name; a worker has a job and has done one."""
    from element_facerhythm.fleet.claims import Claims, JobName
    from tests.unit.database.test_column_names import tables_of

    worker = Claims(workflow.dj.conn(), "joins")
    worker.register(WORKER_FACTS)
    jobs = [JobName("FaceRhythmProcessing", {**processed, "roi_id": 900 + i}) for i in range(2)]
    for job in jobs:
        worker.take(job)
    worker.end(jobs[0], "done")
    decide(fbe, processed)
    modules = (workflow.lab, workflow.subject, workflow.session, fbe,
               workflow.keypoint_inference, workflow.fleet)  # fmt: skip
    yield {
        f"{schema_of(module)}.{name}": cls()
        for module in modules
        for name, cls in tables_of(module)
        if cls.full_table_name and cls().is_declared
    }
    (fbe.ComponentCuration & processed).delete(prompt=False)
    forget_workers(workflow)


def test_tables_that_share_a_key_join_on_it_and_on_nothing_else(
    tables: dict[str, Any], ask: Callable[[str], int]
) -> None:
    filled = [name for name, table in tables.items() if len(table)]
    assert set(own_tables()) - set(filled) <= {
        "facial_behavior_estimation.RecordingInfo.Gap",
        "keypoint_inference.KeypointInference.Variable",
        "keypoint_inference.KeypointInferenceTask.File",
        # one recording has no cameras beside it; test_space.py fills these
        "keypoint_inference.Camera",
        "keypoint_inference.Keypoint3D",
        "keypoint_inference.Keypoint3D.Position",
        "keypoint_inference.Keypoint3D.View",
    }
    wrong, n_joined = [], 0
    for (one, a), (other, b) in combinations(tables.items(), 2):
        shared = sorted(keys_of(a) & keys_of(b))
        if not shared:
            continue
        condition = " AND ".join(f"a.{name} = b.{name}" for name in shared)
        names = f"{a.full_table_name} AS a", f"{b.full_table_name} AS b"
        expected = ask(f"SELECT COUNT(*) FROM {names[0]} JOIN {names[1]} ON {condition}")
        natural = ask(f"SELECT COUNT(*) FROM {' NATURAL JOIN '.join(names)}")
        try:
            joined = len(a * b)
        except Exception as error:  # noqa: BLE001  all pairs are told, not the first
            joined = str(error).split("\n")[0]
        n_joined += bool(expected)
        if not natural == joined == expected:
            wrong.append((one, other, shared, expected, natural, joined))
    assert wrong == []
    assert n_joined > 400


@pytest.fixture
def ask(workflow: ModuleType) -> Callable[[str], int]:
    """Run a query that gives one number."""
    return lambda query: int(workflow.dj.conn().query(query).fetchone()[0])
