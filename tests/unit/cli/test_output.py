"""What is printed: plain values for JSON, durations and sizes for people, bars for terminals alone."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from element_facerhythm.cli.output import (
    StageProgress,
    human_seconds,
    human_size,
    plain,
    print_json,
    progress_bars,
    quiet_stdout,
)


@dataclass
class Result:
    path: Path
    value: float


def test_json_takes_numpy_dataclasses_and_nan(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"a": np.float32(0.5), "b": np.arange(2), "c": float("nan"), 4: (True, None)}
    print_json({**values, "d": Result(Path("x/y"), np.inf)})
    assert json.loads(capsys.readouterr().out) == {
        "a": 0.5, "b": [0, 1], "c": None, "4": [True, None], "d": {"path": "x/y", "value": None},
    }  # fmt: skip


def test_what_libraries_print_does_not_reach_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet_stdout():
        print("chatter")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "chatter\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.04, "0.0 s"), (99.96, "100.0 s"), (100, "1 min 40 s"), (7260, "2 h 01 min")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert human_seconds(seconds) == text


def test_sizes() -> None:
    assert [human_size(n) for n in (999, 1500, 2_500_000, 3 * 10**9)] == [
        "999 B", "1.5 kB", "2.5 MB", "3.0 GB",
    ]  # fmt: skip


def test_no_bars_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars() as progress, progress.stage("point_tracking", 10, "frames") as tell:
        tell(5)
    assert capsys.readouterr() == ("", "")


def test_a_fit_that_converges_early_ends_with_a_full_bar() -> None:
    from rich.console import Console
    from rich.progress import Progress

    bars = Progress(console=Console(quiet=True))
    with StageProgress(bars).stage("decomposition", 100, "iterations") as tell:
        tell(11)
        assert bars.tasks[0].percentage == 11
    assert (bars.tasks[0].completed, bars.tasks[0].total) == (11, 11)


def test_plain_leaves_text_alone() -> None:
    assert plain("1e-7") == "1e-7"
