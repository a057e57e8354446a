"""The lock of a project directory: one holder, whatever happens to it."""

import itertools
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from element_facerhythm.errors import (
    ProjectBusyError,
    ProjectChangedError,
    ProjectError,
    ProjectLostError,
    RequestError,
)
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.pipeline.run.lock import LEASE_VARIABLE, LOCK_NAME, is_locked, project_lock

LEASE_S = "1.5"


@pytest.fixture(autouse=True)
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEASE_VARIABLE, LEASE_S)


def start_holder(directory: Path, machine: str | None = None) -> "subprocess.Popen[str]":
    """Start a process that holds the lock until it reads a line, and then publishes `late`."""
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from element_facerhythm.io.atomic import atomic_path
        from element_facerhythm.pipeline.run import lock
        from element_facerhythm.pipeline.run import owner
        directory = Path({str(directory)!r})
        if {machine!r}:
            owner._machine = lambda: {machine!r}
        with lock.project_lock(directory):
            with atomic_path(directory / "late") as temporary:
                temporary.write_text("late")
                print("held", flush=True)
                sys.stdin.readline()
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def entries(directory: Path) -> list[str]:
    return [entry.name for entry in (directory / LOCK_NAME).iterdir()]


def test_a_live_holder_is_told_at_once_and_keeps_the_lock(tmp_path: Path) -> None:
    holder = start_holder(tmp_path)
    assert is_locked(tmp_path)
    started = time.monotonic()
    with pytest.raises(ProjectBusyError, match=f"process {holder.pid} on"), project_lock(tmp_path):
        pass
    assert time.monotonic() - started < float(LEASE_S)
    assert holder.communicate("\n", timeout=30)[1] == ""
    assert (tmp_path / "late").read_text() == "late"
    assert not is_locked(tmp_path)


def test_the_lock_of_a_killed_process_of_this_machine_is_free_at_once(tmp_path: Path) -> None:
    with start_holder(tmp_path) as holder:
        holder.kill()
        started = time.monotonic()
        with project_lock(tmp_path) as lock:
            assert time.monotonic() - started < float(LEASE_S) / 2
            assert not list(lock.place.glob(".late*"))  # what it was writing is gone


def test_the_lock_of_a_killed_process_of_another_machine_is_free_after_the_lease(
    tmp_path: Path,
) -> None:
    with start_holder(tmp_path, machine="elsewhere") as holder:
        holder.kill()
    started = time.monotonic()
    with project_lock(tmp_path):
        assert time.monotonic() - started >= float(LEASE_S)


@pytest.mark.parametrize("machine", [None, "elsewhere"])
def test_a_holder_that_slept_through_its_lease_can_publish_nothing(
    tmp_path: Path, machine: str | None
) -> None:
    holder = start_holder(tmp_path, machine)
    holder.send_signal(signal.SIGSTOP)
    with project_lock(tmp_path) as lock:
        (tmp_path / "product").write_text("of the second")
        holder.send_signal(signal.SIGCONT)
        _, err = holder.communicate("\n", timeout=30)
        assert holder.returncode != 0
        assert "ProjectLostError" in err and "taken over by another run" in err
        assert not (tmp_path / "late").exists()
        with atomic_path(tmp_path / "late") as temporary:
            temporary.write_text("of the second")
        assert not lock.lost
    assert (tmp_path / "late").read_text() == "of the second"
    assert entries(tmp_path) == ["free"]


def test_what_is_being_written_stays_when_the_old_one_is_withdrawn(tmp_path: Path) -> None:
    (tmp_path / "product").write_text("old")
    with project_lock(tmp_path) as lock, atomic_path(tmp_path / "product") as temporary:
        temporary.write_text("new")
        lock.withdraw(tmp_path / "product")
        assert not (tmp_path / "product").exists()
        assert {path.name for path in lock.place.iterdir()} == {
            "beat",
            "owner.json",
            temporary.name,
        }
    assert (tmp_path / "product").read_text() == "new"


def test_a_lost_lock_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "product").write_text("of the second")
    with pytest.raises(ProjectLostError), project_lock(tmp_path) as lock:
        lock.place.rename(lock.base / "held-another")
        lock.withdraw(tmp_path / "product")
    assert (tmp_path / "product").read_text() == "of the second"
    assert entries(tmp_path) == ["held-another"]


def test_what_is_withdrawn_takes_nothing_else_along(tmp_path: Path) -> None:
    (tmp_path / "parts" / "of").mkdir(parents=True)
    (tmp_path / "parts" / "of" / "0.h5").touch()
    with project_lock(tmp_path) as lock, atomic_path(tmp_path / "product") as temporary:
        temporary.write_text("under way")
        lock.withdraw(tmp_path / "parts")
        lock.withdraw(tmp_path / "none")
        left = sorted(path.name for path in lock.place.iterdir())
        assert left == [temporary.name, "beat", "owner.json"]
    assert (tmp_path / "product").read_text() == "under way"
    assert not (tmp_path / "parts").exists()


def test_of_many_that_start_together_one_at_a_time_holds_it(tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import os, time
        from pathlib import Path
        from element_facerhythm.errors import ProjectBusyError
        from element_facerhythm.pipeline.run.lock import project_lock
        directory, n = Path({str(tmp_path)!r}), 0
        while n < 15:
            try:
                with project_lock(directory):
                    os.close(os.open(directory / "alone", os.O_CREAT | os.O_EXCL))
                    time.sleep(0.001)
                    os.unlink(directory / "alone")
                n += 1
            except ProjectBusyError:
                pass
        """
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        assert process.communicate(timeout=120)[1] == ""
        assert process.returncode == 0
    assert entries(tmp_path) == ["free"]


def deleted(directory: Path) -> None:
    shutil.rmtree(directory)


def replaced(directory: Path) -> None:
    directory.rename(directory.with_name("away"))
    directory.mkdir()


def replaced_by_a_locked_one(directory: Path) -> None:
    replaced(directory)
    (directory / LOCK_NAME / "held-another").mkdir(parents=True)


def replaced_by_a_link(directory: Path) -> None:
    directory.rename(directory.with_name("away"))
    (directory.with_name("elsewhere")).mkdir()
    directory.symlink_to(directory.with_name("elsewhere"))


def without_its_lock(directory: Path) -> None:
    shutil.rmtree(directory / LOCK_NAME)


def with_a_file_for_its_lock(directory: Path) -> None:
    shutil.rmtree(directory / LOCK_NAME)
    (directory / LOCK_NAME).touch()


CHANGES: list[tuple[Callable[[Path], None], str]] = [
    (deleted, "was deleted or moved away during the run"),
    (replaced, "was replaced by another one during the run"),
    (replaced_by_a_locked_one, "was replaced by another one during the run"),
    (replaced_by_a_link, "was replaced by another one during the run"),
    (without_its_lock, r"facerhythm\.run was deleted or replaced during the run"),
    (with_a_file_for_its_lock, r"facerhythm\.run was deleted or replaced during the run"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES, ids=[c.__name__ for c, _ in CHANGES])
def test_what_became_of_the_directory_is_told_as_it_is(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    directory = tmp_path / "project"
    directory.mkdir()
    with (
        pytest.raises(ProjectChangedError, match=message) as caught,
        project_lock(directory),
        atomic_path(directory / "product") as temporary,
    ):
        temporary.write_text("ours")
        change(directory)
    assert "taken over" not in str(caught.value)
    assert not list(tmp_path.rglob("product"))


def test_something_else_in_the_place_of_the_lock_is_no_passing_failure(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "free").mkdir(parents=True)
    (theirs / "free" / "precious").touch()
    ways = (
        Path.touch,
        lambda place: place.symlink_to(theirs),
        lambda place: place.symlink_to("none"),
    )
    names = (LOCK_NAME, f"{LOCK_NAME}/free", f"{LOCK_NAME}/held-0123")
    for number, (make, name) in enumerate(itertools.product(ways, names)):
        directory = tmp_path / f"project{number}"
        (directory / name).parent.mkdir(parents=True)
        make(directory / name)
        with (
            pytest.raises(ProjectError, match="is a file or a symbolic link") as caught,
            project_lock(directory),
        ):
            pass
        assert isinstance(caught.value, RequestError) and caught.value.__cause__ is None
        assert not isinstance(caught.value, ProjectBusyError)
        assert is_locked(directory)  # no run can take it
    assert (theirs / "free" / "precious").exists()


def test_a_lock_that_somebody_prepared_is_not_a_way_out(tmp_path: Path) -> None:
    """Links for every name that the holder writes, reads or deletes, and numbers that no process has."""
    victim = tmp_path / "victim"
    victim.write_text('{"pid": "secret", "node": "secret"}')
    for owner in ("[]", "[" * 4000, '{"machine": 1, "pid": -1, "started": 1e999}', None):
        directory = tmp_path / f"project{len(list(tmp_path.iterdir()))}"
        free = directory / LOCK_NAME / "free"
        free.mkdir(parents=True)
        (free / "beat").symlink_to(victim)
        (free / "directory").symlink_to(tmp_path)
        if owner is None:
            (free / "owner.json").symlink_to(victim)
        else:
            (free / "owner.json").write_text(owner)
        with project_lock(directory) as lock:
            assert sorted(path.name for path in lock.place.iterdir()) == ["beat", "owner.json"]
            time.sleep(2 * float(LEASE_S) / 15)  # a beat or two
    assert "secret" in victim.read_text()
