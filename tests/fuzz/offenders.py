"""Calls that do one thing each that a reader may not do, and calls that are as they must be.

`python -m tests.fuzz.offenders DIRECTORY` tries each and prints what was found, as JSON: what the harness
cannot find here, it cannot find anywhere.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from element_facerhythm.errors import DecodeError, ParameterError, ProcessingError
from tests.fuzz.sandbox import Limits, try_out
from tests.fuzz.surroundings import MARKER, TOKEN, Surroundings

LIMITS = Limits(cpu_s=1.0, wall_s=8.0, memory_bytes=100 << 20)


def calls(place: Surroundings, subject: Path) -> dict[str, Callable[[], Any]]:
    """Return every call by what it does."""
    secret = place.canary / "secret"
    return {
        "nothing wrong": lambda: subject.read_text(),
        "refuses": lambda: fail(ParameterError(f"{subject}: expected a number; give one")),
        "names a frame": lambda: fail(DecodeError(f"Video {subject}: frame 7 of 9 is broken")),
        "writes in its temporary directory": in_temporary_directory,
        "raises": lambda: fail(KeyError("points")),
        "recurses": lambda: recurse(0),
        "names no frame": lambda: fail(ProcessingError("something failed")),
        "says nothing": lambda: fail(ParameterError("")),
        "says too much": lambda: fail(ParameterError("x" * 10_000)),
        "says escapes": says_escapes,
        "quotes a canary": lambda: fail(ParameterError(f"near '{TOKEN}'")),
        "quotes the project": lambda: fail(ParameterError(f"given '{MARKER}'")),
        "logs a canary": lambda: os.write(2, TOKEN.encode()),
        "exits": lambda: sys.exit(0),
        "ends": lambda: os._exit(3),
        "crashes": lambda: ctypes.string_at(0),
        "computes": spin,
        "sleeps": lambda: time.sleep(60),
        "waits for a pipe": lambda: os.mkfifo(place.base / "pipe") or (place.base / "pipe").open(),
        "fills the memory": lambda: bytearray(200 << 20),
        "declares memory": lambda: bytearray(1 << 40),
        "opens a canary": lambda: os.open(secret, os.O_RDONLY),
        "opens a canary by a child": lambda: subprocess.run(["cat", secret], check=False),
        "makes a file among the canaries": (place.canary / "PWNED").touch,
        "starts a program": lambda: os.system("true"),
        "unpickles": lambda: pickle.loads(pickle.dumps(os.getcwd)),
        "connects": lambda: socket.create_connection(
            ("127.0.0.1", int(place.url.split(":")[2][:5]))
        ),
        "changes its input": lambda: subject.write_text("other"),
        "leaves a file at home": lambda: Path("~/x").expanduser().touch(),
        "leaves a temporary file": lambda: Path(os.environ["TMPDIR"], "x").touch(),
        "leaves a file beside its input": lambda: leave_and_refuse(subject.with_name("rest")),
        "writes elsewhere": lambda: (place.base.parent / "elsewhere").touch(),
    }


def fail(error: BaseException) -> None:
    raise error


def says_escapes() -> None:
    error = ParameterError()
    error.args = ("given \x1b[2J, expected a number",)
    raise error


def recurse(depth: int) -> int:
    return recurse(depth + 1)


def spin() -> None:
    while True:
        pass


def in_temporary_directory() -> None:
    path = Path(os.environ["TMPDIR"], "x")
    path.touch()
    path.unlink()


def leave_and_refuse(path: Path) -> None:
    path.touch()
    raise ParameterError("expected a number; give one")


def main(directory: Path) -> None:
    """Print what is found in each call."""
    place = Surroundings(directory / "place")
    subject = place.root / "input"
    found = {}
    for name in calls(place, subject):
        place.clear()
        subject.write_text("input")
        call = calls(place, subject)[name]
        outcome = try_out(call, place, subject, LIMITS, secret=True)
        found[name] = [outcome.finding, outcome.where]
    place.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
