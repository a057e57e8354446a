"""What every test relies on: an empty home, no user configuration, and honest deselection.

Tests that cannot run on this machine are deselected and named in one plain line at the end of the
run; nothing is skipped quietly. `FAIL_WITHOUT_CUDA=1` keeps the GPU tests in, so that they fail
where no CUDA device is.
"""

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

# DataJoint and matplotlib read their configuration when they are first imported: before any test does.
os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"
os.environ["DJ_LOG_STREAM"] = "stderr"
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault(
    "MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / "facerhythm-test-matplotlib")
)
for name in (
    "FACERHYTHM_ROOT_DATA_DIR",
    "FACERHYTHM_PROCESSED_DATA_DIR",
    "FACERHYTHM_DB_PREFIX",
    "DJ_STORES",
):
    os.environ.pop(name, None)

# A shell starts background jobs with Ctrl-C ignored, and children inherit that: tests that interrupt
# a real process need it back.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REFERENCE_DATA = os.environ.get("FACERHYTHM_REFERENCE_DATA")
DESELECTED = pytest.StashKey[list[str]]()


@pytest.fixture(autouse=True, scope="session")
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the whole run an empty home directory, so that nobody's settings leak in or get written."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            patch.delenv(variable, raising=False)
        yield home


@pytest.fixture(autouse=True)
def unchanged_logging() -> Iterator[None]:
    """Undo what a command-line test did to the root logger."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Directory with `video/`, `inputs/` and `project/` of one real face-rhythm run."""
    assert REFERENCE_DATA is not None, "deselected without FACERHYTHM_REFERENCE_DATA"
    directory = Path(REFERENCE_DATA)
    assert (directory / "project" / "analysis_files").is_dir(), (
        f"{directory} holds no face-rhythm project"
    )
    return directory


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def facerhythm(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Run the command in this process."""
    from element_facerhythm.cli import main

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["facerhythm", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return Outcome(int(stop.value.code or 0), captured.out, captured.err)

    return run


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what this machine cannot run, and remember why."""
    lines: list[str] = []
    if REFERENCE_DATA is None:
        deselect(
            config, items, "reference", lines, "set FACERHYTHM_REFERENCE_DATA=DIRECTORY to run them"
        )
    if (
        os.environ.get("FAIL_WITHOUT_CUDA") != "1"
        and has_marker(items, "gpu")
        and not cuda_available()
    ):
        deselect(config, items, "gpu", lines, "no CUDA device was found")
    if os.geteuid() != 0:
        deselect(config, items, "mounting", lines, "root alone can mount a small disk")
        deselect(config, items, "root", lines, "root alone can act as another account")
    for package in ("torchcodec", "triton"):
        if has_marker(items, package) and find_spec(package) is None:
            deselect(config, items, package, lines, f"{package} is not installed")
    config.stash[DESELECTED] = lines


def has_marker(items: list[pytest.Item], marker: str) -> bool:
    return any(item.get_closest_marker(marker) for item in items)


def cuda_available() -> bool:
    import torch

    return torch.cuda.is_available()


def deselect(
    config: pytest.Config, items: list[pytest.Item], marker: str, lines: list[str], why: str
) -> None:
    gone = [item for item in items if item.get_closest_marker(marker)]
    if not gone:
        return
    items[:] = [item for item in items if not item.get_closest_marker(marker)]
    config.hook.pytest_deselected(items=gone)
    lines.append(f"{len(gone)} {marker} tests did not run: {why}")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(DESELECTED, []):
        terminalreporter.write_line(line)
