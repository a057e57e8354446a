"""Why a verb ends: exit code, a sentence on stderr, and one JSON object on stdout where that was asked."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pymysql
import pytest

from element_facerhythm.cli.failure import failure_of
from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.errors import DecodeError, VideoError

Command = Callable[..., Any]

FACERHYTHM = [sys.executable, "-m", "element_facerhythm"]
NOBODY = {
    "DJ_HOST": "127.0.0.1", "DJ_PORT": "9", "DJ_USER": "me", "DJ_PASS": "secret", "PATH": "/nowhere",
}  # fmt: skip
errors = import_datajoint().errors


def run(*arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FACERHYTHM, *map(str, arguments)], cwd=cwd, env={**os.environ, **variables},
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def told(outcome: subprocess.CompletedProcess[str]) -> list[str]:
    """What a verb wrote to stderr, without DataJoint's remarks, which bear the time."""
    return [line for line in outcome.stderr.splitlines() if not line.startswith("[20")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "kind", "code"),
    [
        (["run", "gone.mp4", "--rois", "gone.json"], "VideoError", 2),
        (["run"], "MissingParameter", 2),
        (["run", "gone.mp4", "--rois", "gone.json", "--nonsense"], "NoSuchOption", 2),
        (["rank", "nowhere", "--restarts", "many"], "BadParameter", 2),
        (["worker", "--max-jobs", "0"], "BadParameter", 2),
        (["status"], "ConfigurationError", 2),
        (["jobs", "show"], "ConfigurationError", 2),
        (["slurm", "status"], "ClusterError", 2),
        (["nonsense"], "UsageError", 2),
    ],
)
def test_a_failure_is_one_json_object_and_the_same_text_and_code(
    arguments: list[str], kind: str, code: int, tmp_path: Path
) -> None:
    plain = run(*arguments, cwd=tmp_path, **NOBODY)
    as_json = run(*arguments, "--json", cwd=tmp_path, **NOBODY)
    assert (plain.returncode, plain.stdout) == (code, "")
    assert (as_json.returncode, told(as_json)) == (code, told(plain))
    about = json.loads(as_json.stdout)
    assert set(about) == {"error"} and set(about["error"]) == {"type", "message", "exit_code"}
    assert (about["error"]["type"], about["error"]["exit_code"]) == (kind, code)
    assert about["error"]["message"]
    assert list(tmp_path.iterdir()) == []


def test_an_answer_is_not_followed_by_an_error(tmp_path: Path) -> None:
    outcome = run("doctor", "--json", cwd=tmp_path, **NOBODY)
    assert outcome.returncode == 1
    assert json.loads(outcome.stdout)["ok"] is False


@pytest.mark.slow
def test_an_interrupted_verb_says_so_in_json(tmp_path: Path) -> None:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.demo.synthetic import make_scene_video
    from element_facerhythm.io.rois_file import write_rois

    scene = make_scene_video(tmp_path / "mouse.mp4", n_frames=600, width_px=160, height_px=120)
    assert isinstance(scene.rois, Rois)
    write_rois(scene.rois, tmp_path / "rois.json")
    command = [*FACERHYTHM, "run", "mouse.mp4", "--rois", "rois.json", "-o", "project", "--json"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "project" / "analysis_files" / "ROIs.h5").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["error"]["exit_code"] == 130
    assert json.loads(out)["error"]["message"] in err


def test_an_unexpected_error_is_json_too(
    facerhythm: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from element_facerhythm.io import project

    def fail(*_: object) -> None:
        raise LookupError("planted")

    monkeypatch.setattr(project.Project, "open", fail)
    outcome = facerhythm("rank", tmp_path, "--json")
    assert outcome.code == 1
    assert json.loads(outcome.out)["error"]["type"] == "LookupError"
    assert "LookupError: planted" in outcome.err and "this is a defect" in outcome.err


class _Answer(psycopg2.Error):
    """What the server answered: its state is read-only on real ones, which come from a connection alone."""

    def __init__(self, state: str | None, message: str = "the words of the server") -> None:
        super().__init__(message)
        self.state = state

    @property
    def pgcode(self) -> str | None:  # type: ignore[override]
        return self.state


_Answer.__module__ = "psycopg2.errors"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (VideoError("mouse.mp4 is short"), 2, "mouse.mp4 is short"),
        (DecodeError("frame 17"), 1, "frame 17"),
        (errors.DuplicateError("Duplicate entry '3'", "use skip_duplicates"), 2, "Duplicate entry '3'"),
        (errors.IntegrityError("a foreign key constraint fails"), 2, "foreign key"),
        (errors.UnknownAttributeError("Unknown column 'mouse'"), 2, "Unknown column 'mouse'"),
        (errors.AccessError("Insufficient privileges.", "INSERT denied", ""), 2, "INSERT denied"),
        (errors.LostConnectionError("Server connection lost", "gone away"), 1, "gone away"),
        (errors.MissingTableError("`a`.`b` doesn't exist", "SELECT"), 2, "doesn't exist"),
        (pymysql.err.OperationalError(1290, "running with --read-only"), 1, "read-only"),
        (pymysql.err.OperationalError(1205, "Lock wait timeout exceeded"), 1, "Lock wait timeout"),
        (pymysql.err.OperationalError(1114, "The table is full"), 1, "no room"),
        (pymysql.err.OperationalError(1226, "exceeded max_user_connections"), 1, "exceeded"),
        (pymysql.err.DataError(1406, "Data too long for column 'x'"), 2, "column 'x'"),
        (pymysql.err.OperationalError(3024, "maximum statement time"), 1, "time limit"),
        (_Answer("25006"), 1, "read-only"),
        (_Answer("53100"), 1, "no room"),
        (_Answer("55P03"), 1, "locked"),
        (_Answer("53300"), 1, "no connection"),
        (_Answer("22P02"), 2, "does not fit"),
        (psycopg2.OperationalError("server closed the connection unexpectedly"), 1, "lost"),
        (OSError(errno.ENOSPC, "No space left on device", "a/TCA.h5"), 1, "a/TCA.h5: the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 1, "quota"),
        (PermissionError(errno.EACCES, "Permission denied", "x.mp4"), 1, "x.mp4: the account"),
        (MemoryError(), 1, "memory"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)  # fmt: skip
def test_what_is_known_is_a_sentence_and_no_defect(error: Exception, code: int, words: str) -> None:
    failure = failure_of(error)
    assert (failure.exit_code, failure.is_defect) == (code, False)
    assert words in failure.message and "\n" not in failure.message


@pytest.mark.parametrize(
    "error",
    [KeyError("a"), errors.DataJointError("odd"), pymysql.err.InternalError(9999, "odd"), OSError("odd")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_is_not_known_is_a_defect(error: Exception) -> None:
    assert failure_of(error).is_defect


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["run", b"m\xff.mp4", "--rois", "rois.json", "-o", "project"],
        ["run", "m.mp4", "--rois", "rois.json", "-o", b"p\xff"],
        ["run", "m" * 300, "--rois", "rois.json"],
        ["run", "m.mp4", "--rois", "rois.json", "-o", "p" * 300],
        ["rois", "check", "m.mp4", b"\xff"],
        ["rois", "check", "m.mp4", "rois.json", "--overlay", ""],
        ["rois", "check", "m.mp4", "rois.json", "--overlay", "."],
        ["rois", "check", "m.mp4", "rois.json", "--overlay", "m.mp4/picture.png"],
        ["rois", "check", "m.mp4", "rois.json", "--spacing", "9" * 40],
        ["rois", "propose", "m.mp4", "-o", ""],
        ["rois", "propose", "m.mp4", "-o", "new.json", "--overlay", "/dev/null/x.png"],
        ["params", "suggest", "m.mp4", "-o", "m.mp4/params.yaml"],
        ["params", "suggest", "m.mp4", "--frame-rate", "nan"],
        ["params", "suggest", "m.mp4", "--frame-rate", "inf"],
        ["run", "m.mp4", "--rois", "rois.json", "--frame-rate", "-1"],
        ["run", "m.mp4", "--rois", "rois.json", "--frames", "0:99999999999999999999"],
        ["run", "m.mp4", "--rois", "rois.json", "--device", ""],
        ["run", "m.mp4", "--rois", "rois.json", "--set", "rank=nan"],
        ["rank", "project", "-o", "."],
        ["worker", "--poll", "inf"],
        ["worker", "--lease", "1e400"],
        ["gc", "--older-than", "inf"],
        ["health", "--health-file", "m.mp4", "--max-age", "nan"],
        ["jobs", "show", "--session", "9" * 40],
        ["jobs", "show", "--subject", b"\xff"],
        ["slurm", "submit", "--name", "\x1b[31m", "--dry-run"],
    ],
    ids=str,
)
def test_odd_values_are_wrong_requests_that_leave_nothing(
    arguments: list[Any], inputs: Path
) -> None:
    before = sorted(inputs.iterdir())
    outcome = subprocess.run(
        [*FACERHYTHM, *arguments], cwd=inputs, env={**os.environ, **NOBODY}, capture_output=True,
        check=False,
    )  # fmt: skip
    assert outcome.returncode == 2, outcome.stderr.decode(errors="replace")
    assert outcome.stdout == b"" and b"Traceback" not in outcome.stderr
    assert b"\x1b" not in outcome.stderr and b"\xff" not in outcome.stderr
    assert sorted(inputs.iterdir()) == before


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a video, a copy whose name is no text, and regions."""
    from element_facerhythm.demo.synthetic import make_scene_video
    from element_facerhythm.io.rois_file import write_rois

    folder = tmp_path_factory.mktemp("inputs")
    scene = make_scene_video(folder / "m.mp4", n_frames=90, width_px=128, height_px=96)
    write_rois(scene.rois, folder / "rois.json")
    Path(os.fsdecode(os.fsencode(folder / "m") + b"\xff.mp4")).write_bytes(
        (folder / "m.mp4").read_bytes()
    )
    return folder
