"""The peer: face-rhythm 0.3.3 from PyPI in an environment of its own, and requests to it.

``python -m benchmarks.peer`` builds the environment. Where FACERHYTHM_PEER_PYTHON names a Python that
has face-rhythm 0.3.3 already, that one is used. The torchcodec backend needs FFmpeg's shared libraries
on the machine (on Debian: ``apt-get install ffmpeg``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.common import CACHE_DIR, REPOSITORY_DIR, ChildRun, run_child

VERSION = "0.3.3"
ENVIRONMENT_DIR = CACHE_DIR / "face-rhythm"
REQUIREMENTS = (f"face-rhythm=={VERSION}", "torchcodec==0.12.*", "decord")
RUNNER = Path(__file__).with_name("peer_run.py")

Setting = Literal["installed", "tuned"]
SETTINGS: dict[Setting, tuple[str, dict[str, str]]] = {
    "installed": ("torchcodec", {}),
    "tuned": ("decord", {"OMP_NUM_THREADS": "1"}),
}
"""How it is run: its default backend and threads, or the fastest that was found on two cores."""


class PeerMissingError(RuntimeError):
    """The peer's environment could not be built or does not hold the right version."""


@dataclass(frozen=True)
class PeerAnswer:
    """What the peer's process took, and what it said of each job."""

    child: ChildRun
    jobs: list[dict[str, Any]]


def peer_python() -> Path:
    """Return the peer's Python, its environment built where it is missing.

    Raises
    ------
    PeerMissingError
        pip failed, or the version is another one.
    """
    named = os.environ.get("FACERHYTHM_PEER_PYTHON")
    python = Path(named) if named else ENVIRONMENT_DIR / "bin" / "python"
    if not named:
        build_environment(ENVIRONMENT_DIR, REQUIREMENTS)
    question = "from importlib import metadata; print(metadata.version('face-rhythm'))"
    finished = subprocess.run([python, "-c", question], capture_output=True, text=True, check=False)
    if finished.stdout.strip() != VERSION:
        raise PeerMissingError(
            f"{python} has face-rhythm {finished.stdout.strip() or 'not at all'}; expected {VERSION}. "
            f"Unset FACERHYTHM_PEER_PYTHON, or remove {ENVIRONMENT_DIR.name} and build it again."
        )
    return python


def usable_settings() -> list[Setting]:
    """Return the settings that this machine can run: torchcodec needs FFmpeg's libraries."""
    question = [str(peer_python()), "-c", "import torchcodec"]
    if subprocess.run(question, capture_output=True, check=False).returncode == 0:
        return ["installed", "tuned"]
    print("face-rhythm as installed: not measured, its torchcodec finds no FFmpeg on this machine")
    return ["tuned"]


def ask_peer(jobs: Sequence[Mapping[str, Any]], *, setting: Setting = "tuned") -> PeerAnswer:
    """Run jobs (see `peer_run`) in one process of the peer."""
    backend, environment = SETTINGS[setting]
    command = [peer_python(), RUNNER]
    child, jobs_done = ask(command, {"backend": backend, "jobs": list(jobs)}, environment)
    return PeerAnswer(child, jobs_done)


def ask(
    command: Sequence[str | Path], request: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[ChildRun, list[dict[str, Any]]]:
    """Run a runner on a request; return its process's measures and its answers."""
    with tempfile.TemporaryDirectory() as scratch:
        request_path, answer_path = Path(scratch, "request.json"), Path(scratch, "answer.json")
        request_path.write_text(json.dumps(request))
        child = run_child([*command, request_path, answer_path], environment=environment)
        return child, json.loads(answer_path.read_text())["jobs"]


def job(
    videos: Sequence[Path],
    rois: Path,
    parameters: Mapping[str, Any],
    *,
    steps: Sequence[str] = ("track",),
    project_dir: Path | None = None,
    arrays: Path | None = None,
) -> dict[str, Any]:
    """Describe one run, for the peer or for ours."""
    return {
        "videos": [str(video) for video in videos],
        "rois": str(rois),
        "parameters": dict(parameters),
        "steps": list(steps),
        "project_dir": None if project_dir is None else str(project_dir),
        "arrays": None if arrays is None else str(arrays),
    }


def build_environment(
    directory: Path, requirements: Sequence[str], *, with_torch: bool = True
) -> Path:
    """Make an environment with plain pip; return its Python.

    Parameters
    ----------
    directory
        Of the environment.
    requirements
        As pip takes them.
    with_torch
        Whether torch is installed too, as `constraints.txt` has it.

    Raises
    ------
    PeerMissingError
        pip failed.
    """
    python = directory / "bin" / "python"
    if (directory / ".built").exists():
        return python
    lines = (REPOSITORY_DIR / "constraints.txt").read_text().splitlines()
    torch = [line for line in lines if line.startswith("torch==") and with_torch]
    flags = ["--quiet", *os.environ.get("PIP_FLAGS", "").split()]
    commands = [
        [sys.executable, "-m", "venv", directory],
        [python, "-m", "pip", "install", *flags, *torch, *requirements],
    ]
    directory.parent.mkdir(parents=True, exist_ok=True)
    for command in commands:
        finished = subprocess.run([str(part) for part in command], check=False)
        if finished.returncode != 0:
            raise PeerMissingError(
                f"{command[0]} {command[2]} failed with status {finished.returncode}; the peer's "
                "environment needs pip and a package index."
            )
    (directory / ".built").touch()
    return python


if __name__ == "__main__":
    print(f"face-rhythm {VERSION}: {peer_python()}")
