"""What is printed: plain values for JSON, durations and sizes for people, bars for terminals alone."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from element_facerhythm.cli.output import (
    StageProgress,
    human_seconds,
    plain,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
)
from element_facerhythm.cli.progress_lines import INTERVAL_VARIABLE, _Stage
from element_facerhythm.errors import ParameterError
from element_facerhythm.files.sizes import human_size


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


def test_lines_and_no_bars_where_stderr_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress_bars() as progress, progress.stage("point_tracking", 10, "frames") as tell:
        tell(5)
    assert capsys.readouterr() == ("", "")  # over before its first line is due

    monkeypatch.setenv(INTERVAL_VARIABLE, "0.1")
    with progress_bars() as progress:
        time.sleep(0.3)
        with progress.stage("point_tracking", 10, "frames") as tell:
            tell(5)
            time.sleep(0.3)
        time.sleep(0.3)
    out, err = capsys.readouterr()
    first, *_, second_last, last = err.splitlines()
    assert out == "" and "\x1b" not in err
    assert first.startswith("facerhythm: checking: 0:00:00 so far")
    assert second_last.startswith(
        "facerhythm: point tracking: 50 %, 5 of 10 frames, 0:00:00 so far"
    )
    assert last == "facerhythm: point tracking: done in 0:00:00"

    monkeypatch.setenv(INTERVAL_VARIABLE, "0")
    with progress_bars() as progress, progress.stage("point_tracking", 10, "frames"):
        time.sleep(0.3)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_an_interval_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INTERVAL_VARIABLE, text)
    with pytest.raises(ParameterError, match=INTERVAL_VARIABLE), progress_bars():
        pass


def test_rate_and_time_left_are_those_since_the_last_line() -> None:
    stage = _Stage("tracking", 1000, "frames", started_s=0.0)
    stage.done = 100
    assert stage.line(10.0).startswith("tracking: 10 %, 100 of 1,000 frames, 0:00:10 so far, 10 ")
    stage.done = 700
    assert stage.line(20.0).endswith("0:00:20 so far, 60 frames/s, 0:00:05 left")


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


def test_control_characters_of_values_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_lines([("key", "subject=\x1b[31mred\x07")])
    print_table("", ("subject",), [("\x1b]0;title\x07",)])
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\x07" not in out
    assert "\\x1b[31mred\\x07" in out and "\\x1b]0;title\\x07" in out
