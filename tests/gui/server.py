"""A server process as `facerhythm gui` starts it, and what it answers."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Server:
    """A running `facerhythm gui`.

    Attributes
    ----------
    address
        What it printed, with its token.
    process
        The server.
    """

    address: str
    process: "subprocess.Popen[str]"

    @property
    def origin(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def token(self) -> str:
        return self.address.partition("token=")[2]

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of an answer."""
        request = urllib.request.Request(
            f"{self.origin}/{path}", headers={"Authorization": f"Bearer {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()

    def json(self, path: str, status: int = 200) -> Any:
        """The JSON of an answer, once it is there."""
        found, body = self.when_made(path)
        assert found == status, (found, body[:500])
        return json.loads(body)

    def arrays(self, path: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Facts and arrays of an answer, once it is there."""
        status, body = self.when_made(path)
        assert status == 200, (status, body[:500])
        line, _, data = body.partition(b"\n")
        head = json.loads(line)
        arrays = {
            name: np.frombuffer(
                data, one["dtype"], int(np.prod(one["shape"])), one["offset"]
            ).reshape(one["shape"])
            for name, one in head.pop("arrays").items()
        }
        return head, arrays

    def when_made(self, path: str) -> tuple[int, bytes]:
        for _ in range(300):
            status, body = self.get(path)
            if status != 202:
                return status, body
            time.sleep(0.1)
        raise AssertionError(f"{path} was not made in time")

    @property
    def resident_kb(self) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", text)[0])


@contextmanager
def serving(path: Path, *options: str, home: Path | None = None) -> Iterator[Server]:
    """Run `facerhythm gui PATH OPTION...` until the block ends; its caches lie below `home`, if given."""
    environment = dict(os.environ)
    if home is not None:
        environment = {k: v for k, v in environment.items() if not k.startswith("XDG_")}
        environment["HOME"] = str(home)
    process = subprocess.Popen(
        [sys.executable, "-m", "element_facerhythm", "gui", str(path), "--no-browser", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        try:
            assert select.select([process.stdout], [], [], 60)[0], "the server printed no address"
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), process.stderr.read()
            yield Server(address, process)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
