"""A database server and a real S3 server (rclone's), with the tables activated on both."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.db.on_server.conftest import (  # noqa: F401  fixtures, and what pytest calls
    fbe,
    kpi,
    model_id,
    processed_dir,
    pytest_configure,
    pytest_terminal_summary,
    python,
    register,
    root_dir,
    videos,
    weights,
    workflow,
)
from tests.db.stores.s3_server import BUCKET, S3Server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    (server.directory / "data" / BUCKET).mkdir(parents=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server(
    serve: Callable[[str], Any], s3: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Variables of the database server and of the store, set in this process."""
    kind = os.environ["FACERHYTHM_TEST_DATABASE"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJ_STORES", s3.settings())
        patch.setenv("FACERHYTHM_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        with serve(kind) as variables:
            for name, value in variables.items():
                patch.setenv(name, value)
            yield variables


@pytest.fixture(scope="session")
def populate(
    workflow: Any,  # noqa: F811
    register: Callable[..., dict[str, Any]],  # noqa: F811
) -> Callable[[int], dict[str, Any]]:
    """Register a recording under a session of its own, and populate everything; gives its key."""

    def populate(session_id: int) -> dict[str, Any]:
        key = register(session_id)
        for table in workflow.facial_behavior_estimation.POPULATED:
            table.populate(key)
        return key

    return populate


@pytest.fixture(scope="session")
def processed(populate: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    return populate(1)


@pytest.fixture(scope="session")
def inferred(processed: dict[str, Any], fbe: Any, kpi: Any, model_id: int) -> dict[str, Any]:  # noqa: F811
    """Key of a run of the network on the same recording."""
    recording = {name: processed[name] for name in fbe.VideoRecording.primary_key}
    task = kpi.KeypointInferenceTask.generate(recording, model_id, bbox=[10, 150, 5, 115])
    kpi.KeypointInference.populate(task)
    kpi.KeypointRhythm.populate({**processed, **task})
    assert len(kpi.KeypointRhythm() & task) == 1
    return task


@pytest.fixture
def other_machine(tmp_path: Path) -> dict[str, str]:
    """Variables of a machine with an empty disk."""
    directories = {n: tmp_path / n for n in ("processed", "cache", "home")}
    for directory in directories.values():
        directory.mkdir()
    return {
        "FACERHYTHM_PROCESSED_DATA_DIR": str(directories["processed"]),
        "FACERHYTHM_CACHE_DIR": str(directories["cache"]),
        "HOME": str(directories["home"]),
    }
