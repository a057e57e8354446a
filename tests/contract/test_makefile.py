"""An environment that make was lent is used, and nothing is installed into it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TARGETS = re.findall(r"^([a-z-]+):.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE)


def make(*arguments: str, project: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    return subprocess.run(
        ["make", *arguments], cwd=project, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip


@pytest.fixture
def lent(tmp_path: Path) -> Path:
    """An environment without a single package."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "lent"], check=True)
    return tmp_path / "lent"


def content(directory: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in sorted(directory.rglob("*"))}


def test_no_target_would_install_into_it(lent: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(lent)
    for target in (*TARGETS, "lent"):
        for name in ("lent", "linked"):
            said = make("-n", target, f"VENV={tmp_path / name}")
            assert said.returncode == 0, said.stderr
            assert "pip install --" not in said.stdout and "-m venv" not in said.stdout


def test_what_it_lacks_is_named_and_it_stays_as_it_is(lent: Path) -> None:
    before = content(lent)
    outcome = make("docs", f"VENV={lent}")
    assert outcome.returncode == 2
    assert f"{lent} has no bin/mkdocs" in outcome.stderr
    assert content(lent) == before
    assert "has no bin/python" in make("docs", f"VENV={lent}-that-is-not-there").stderr


def test_it_works_on_this_source(lent: Path) -> None:
    tool = lent / "bin" / "mkdocs"
    tool.write_text('#!/bin/sh\necho "ran on $PYTHONPATH"\n')
    tool.chmod(0o755)
    before = content(lent)
    assert f"ran on {PROJECT}" in make("docs", f"VENV={lent}").stdout
    assert content(lent) == before


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A checkout in which nothing was built."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (project / name).write_text((PROJECT / name).read_text())
    return project


def test_help_lists_every_target_and_builds_nothing(fresh: Path) -> None:
    listed = re.findall(r"^  make (\S+)", make("help", project=fresh).stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (fresh / "Makefile").read_text(), re.MULTILINE)[1]
    assert set(listed) == set(TARGETS) == set(phony.split()) - {"lent"}
    assert make("clean", project=fresh).returncode == 0
    assert not (fresh / ".venv").exists()


def test_what_only_reads_the_source_renews_no_environment(fresh: Path) -> None:
    built = fresh / ".venv" / ".built"
    for target in ("lint", "types", "format", "docs", "test"):
        assert "pip install --" in make("-n", target, project=fresh).stdout, "it is missing"
    built.parent.mkdir()
    built.touch()
    os.utime(built, (0, 0))  # older than what it was built from
    for target in ("lint", "types", "format", "docs"):
        planned = make("-n", target, project=fresh)
        assert planned.returncode == 0 and "pip install --" not in planned.stdout, planned
    assert "pip install --" in make("-n", "test", project=fresh).stdout


def test_a_venv_of_the_project_that_is_a_link_is_lent(lent: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "Makefile").write_text((PROJECT / "Makefile").read_text())
    (project / ".venv").symlink_to(lent)
    assert "pip install --" not in make("-n", "venv", project=project).stdout
    (project / ".venv").unlink()
    (project / "pyproject.toml").touch()
    (project / "constraints.txt").touch()
    assert "pip install --" in make("-n", "docs", project=project).stdout
