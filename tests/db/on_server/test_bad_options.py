"""Every option of every verb with values that make no sense: a sentence and a code, never a traceback."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from element_facerhythm.cli import app

pytestmark = pytest.mark.slow

Command = Callable[..., Any]

TEXTS = ("", "-1", "9" * 40, "nan", "inf", "\x01\x1b[31m", "%s'", "é" * 300)
ROIS = {"points": [[[40, 40], [120, 40], [120, 90], [40, 90]]]}
LEFT_OUT = {
    ("demo",), ("db", "start"), ("db", "stop"), ("doctor",), ("admin", "init"), ("health",),
    ("slurm", "cancel"), ("slurm", "status"),
}  # fmt: skip


def verbs(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if hasattr(command, "commands"):
        for part, inner in command.commands.items():
            yield from verbs(inner, (*name, part))
    else:
        yield name, command


VERBS = dict(verbs(typer.main.get_command(app)))


@pytest.fixture
def sound(
    videos: list[Path], tmp_path: Path, processed: dict[str, Any]
) -> Callable[..., list[str]]:
    """Arguments with which a verb would work, or come as far as its own checks."""
    rois, params, csv = tmp_path / "rois.json", tmp_path / "params.json", tmp_path / "dlc.csv"
    rois.write_text(json.dumps(ROIS))
    params.write_text("{}")
    csv.write_text("scorer,a,a,a\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n0,1,2,0.5\n")
    video = videos[0]
    session = ["--subject", "mouse1", "--session", "1"]
    given = {
        ("run",): [video, "--rois", rois, "--dry-run", "-o", tmp_path / "project"],
        ("ingest",): [video, "--rois", rois, *session, "--recording", "7", "--no-populate"],
        ("rank",): [tmp_path / "project"],
        ("worker",): ["--exit-when-idle", "--max-jobs", "1"],
        ("jobs", "retry"): ["--subject", "nobody"],
        ("jobs", "ignore"): ["--subject", "nobody"],
        ("jobs", "priority"): ["3", "--subject", "nobody"],
        ("rois", "propose"): [tmp_path / "gone.mp4", "-o", tmp_path / "new.json"],
        ("rois", "check"): [video, rois],
        ("gui",): [tmp_path / "gone.mp4", "--no-browser"],  # one that is there would be served until stopped
        ("params", "suggest"): [video, "--rois", rois, "-o", tmp_path / "new.yaml"],
        ("keypoints", "run"): [video, "--model", csv],
        ("import", "keypoints"): [csv, "--from", "DeepLabCut", *session, "--model-name", "a"],
        ("import", "remove-keypoints"): [*session, "--model-name", "nobody's"],
        ("export", "keypoints"): [csv, "--to", "csv", "-o", tmp_path / "new.csv"],
        ("slurm", "submit"): ["--dry-run"],
        ("admin", "grants"): ["--role", "viewer", "--user", "anna"],
    }  # fmt: skip
    return lambda name: list(map(str, given.get(name, [])))


@pytest.mark.parametrize("name", sorted(set(VERBS) - LEFT_OUT), ids=" ".join)
def test_no_value_of_an_option_makes_a_traceback(
    name: tuple[str, ...],
    facerhythm: Command,
    workflow: Any,
    sound: Callable[..., list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    bad: list[tuple[list[str], int, str]] = []
    for parameter in VERBS[name].params:
        takes_value = parameter.param_type_name == "option" and not parameter.is_flag
        if parameter.name == "help" or not (takes_value or parameter.param_type_name == "argument"):
            continue
        for text in TEXTS:
            more = [parameter.opts[0], text] if takes_value else ["--", text]
            arguments = [*name, *sound(name), *more]
            outcome = facerhythm(*arguments)
            sane = outcome.code in (0, 1, 2, 3) and "this is a defect" not in outcome.err
            if not sane or "\x1b[31m" in outcome.err + outcome.out:
                bad.append((more, outcome.code, outcome.err[-1500:]))
    assert not bad, "\n".join(f"{more!r} {code}\n{err}" for more, code, err in bad)
