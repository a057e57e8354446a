"""What every test relies on: an empty home, no user configuration, and honest deselection.

Tests that cannot run on this machine are deselected and named in one plain line at the end of the
run; nothing is skipped quietly. `FAIL_WITHOUT_CUDA=1` keeps the GPU tests in, so that they fail
where no CUDA device is. `--part quick` leaves out what is marked slow, `--part long` runs that alone.
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
from typing import Any

import pytest

# DataJoint and matplotlib read their configuration when they are first imported: before any test does.
os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"
os.environ["DJ_LOG_STREAM"] = "stderr"
os.environ["MPLBACKEND"] = "Agg"
# several processes share the cores: threads that wait for others give theirs away, and do not spin
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault(
    "MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / "facerhythm-test-matplotlib")
)
os.environ["FACERHYTHM_FIGURES"] = "off"  # the tests of figures want them; in others they take time
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
NOTES = pytest.StashKey[list[str]]()
"""Lines for the end of the run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", choices=("quick", "long", "all"), default="all", help="of the tests")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOTES] = []


@pytest.fixture(autouse=True, scope="session")
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the whole run an empty home directory, so that nobody's settings leak in or get written.

    The same goes for the embedded server, which would be another run's.
    """
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("FACERHYTHM_EMBEDDED_DIR", str(home / "embedded"))
        for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            patch.delenv(variable, raising=False)
        yield home
        if (home / "embedded").exists():
            from element_facerhythm.database import embedded

            embedded.destroy()


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
    """Run the command in this process, which keeps its environment: options of a worker go there."""
    from element_facerhythm.cli import main

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["facerhythm", *map(str, arguments)])
        before = dict(os.environ)
        with pytest.raises(SystemExit) as stop:
            main()
        os.environ.clear()
        os.environ.update(before)
        captured = capsys.readouterr()
        return Outcome(int(stop.value.code or 0), captured.out, captured.err)

    return run


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what this machine cannot run, and remember why."""
    part = config.getoption("--part")
    if part == "quick":
        deselect(config, items, "slow", "they are part of `make test-all`")
    elif part == "long":
        quick = [item for item in items if not item.get_closest_marker("slow")]
        why = f"{len(quick)} quick tests did not run: they are part of `make test`"
        leave_out(config, items, quick, why)
    if REFERENCE_DATA is None:
        deselect(config, items, "reference", "set FACERHYTHM_REFERENCE_DATA=DIRECTORY to run them")
    if (
        os.environ.get("FAIL_WITHOUT_CUDA") != "1"
        and has_marker(items, "gpu")
        and not cuda_available()
    ):
        deselect(config, items, "gpu", "no CUDA device was found")
    if os.geteuid() != 0:
        deselect(config, items, "mounting", "root alone can mount a small disk")
        deselect(config, items, "root", "root alone can act as another account")
    if has_marker(items, "torchcodec") and find_spec("torchcodec") is None:
        deselect(config, items, "torchcodec", "torchcodec is not installed")


def has_marker(items: list[pytest.Item], marker: str) -> bool:
    return any(item.get_closest_marker(marker) for item in items)


def cuda_available() -> bool:
    import torch

    return torch.cuda.is_available()


def deselect(config: pytest.Config, items: list[pytest.Item], marker: str, why: str) -> None:
    gone = [item for item in items if item.get_closest_marker(marker)]
    if gone:
        leave_out(config, items, gone, f"{len(gone)} {marker} tests did not run: {why}")


def leave_out(
    config: pytest.Config, items: list[pytest.Item], gone: list[pytest.Item], why: str
) -> None:
    """Deselect tests, and say so at the end of the run."""
    items[:] = [item for item in items if item not in gone]
    config.hook.pytest_deselected(items=gone)
    config.stash[NOTES].append(why)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # one process of several
        session.config.workeroutput["notes"] = session.config.stash[NOTES]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    lines = node.config.stash[NOTES]
    lines += [
        line for line in getattr(node, "workeroutput", {}).get("notes", ()) if line not in lines
    ]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash[NOTES]:
        terminalreporter.write_line(line)
