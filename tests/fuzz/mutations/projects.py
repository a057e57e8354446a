"""Changes to a whole project directory: its texts, its products, and links among them."""

from __future__ import annotations

import os
import resource
import shutil
from contextlib import suppress
from pathlib import Path

import h5py

from element_facerhythm.io.content_digest import seal
from tests.fuzz.mutations.blocks import mutate_bytes
from tests.fuzz.mutations.context import Context
from tests.fuzz.mutations.hdf5 import mutate_hdf5, names_of
from tests.fuzz.mutations.texts import mutate_json, mutate_yaml
from tests.fuzz.surroundings import remove

_FEW_OBJECTS = 100  # groups and datasets of a product number some tens
_BY_ENDING = {".h5": mutate_hdf5, ".json": mutate_json, ".yaml": mutate_yaml}


def mutate_project(path: Path, context: Context) -> None:
    """Change one or two things of a project directory."""
    for _ in range(1 + int(context.rng.expovariate(1.2))):
        context.rng.choice(_CHANGES)(path, context)


def _files(path: Path) -> list[Path]:
    found = [p for p in sorted(path.rglob("*")) if not p.is_symlink() and p.is_file()]
    return [p for p in found if p.stat().st_nlink == 1 or p.suffix in _BY_ENDING]


def _content(path: Path, context: Context) -> None:
    """Change one file by what it is."""
    files = [p for p in _files(path) if p.suffix in _BY_ENDING]
    if files:
        file = context.rng.choice(files)
        try:
            _BY_ENDING[file.suffix](file, context)
            if file.suffix == ".h5" and context.rng.random() < 0.5:
                _seal_again(file)
        except (OSError, ValueError, UnicodeError, AttributeError, TypeError):
            mutate_bytes(file, context)  # an earlier change left nothing that has a structure


def _seal_again(file: Path) -> None:
    """Make a product's digest fit its content, as a forger would, where that takes no time; else leave it."""
    with h5py.File(file) as opened:
        if len(names_of(opened, h5py.HLObject)) > _FEW_OBJECTS:
            return
    before = file.read_bytes()
    process = os.fork()
    if process == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(BaseException), h5py.File(file, "r+") as opened:
            seal(opened)
        os._exit(0)
    if os.waitpid(process, 0)[
        1
    ]:  # ended half-way: how far it came is not to decide what the input is
        file.write_bytes(before)


def _bytes(path: Path, context: Context) -> None:
    files = _files(path)
    if files:
        mutate_bytes(context.rng.choice(files), context)


def _entry(path: Path, context: Context) -> Path:
    """Some entry of a project, there or not."""
    usual = (
        "config.yaml",
        "run_info.json",
        "run.json",
        "analysis_files",
        "visualizations",
        ".facerhythm.run",
        "analysis_files/PointTracker.h5",
        "analysis_files/TCA.h5",
        "analysis_files/ROIs.h5",
        "analysis_files/VQT_Analyzer.h5",
        "analysis_files/PointTracker_parts",
        ".facerhythm.run/free",
        "visualizations/rank.png",
    )
    return path / context.rng.choice(usual)


def _drop(entry: Path) -> None:
    if entry.is_symlink() or entry.exists():
        remove(entry)


def _link(path: Path, context: Context) -> None:
    """Put a symbolic link where a file or directory was."""
    entry = _entry(path, context)
    if not entry.parent.is_dir() or entry.parent.is_symlink():
        return
    kind = "victim" if entry.suffix == "" else "file"
    elsewhere = {
        "victim": (context.canary / "victim", context.canary),
        "file": (
            context.canary / "secret.yaml",
            context.canary / "secret.json",
            context.canary / "secret.h5",
            context.canary / "secret",
            context.canary / "victim/TCA.h5",
        ),
    }[kind]
    target = context.rng.choice(
        (
            *elsewhere,
            Path(os.path.relpath(elsewhere[0], entry.parent)),
            Path("../" * 3 + f"canary/{elsewhere[0].name}"),
            entry,
            Path(entry.name),
            Path("nowhere"),
            Path("/dev/zero"),
        )
    )
    _drop(entry)
    entry.symlink_to(target)


def _special(path: Path, context: Context) -> None:
    """Put something that is no file where one was."""
    entry = _entry(path, context)
    if not entry.parent.is_dir() or entry.parent.is_symlink():
        return
    _drop(entry)
    way = context.rng.randrange(4)
    if way == 0:
        os.mkfifo(entry)
    elif way == 1:
        entry.mkdir()
    elif way == 2:
        entry.write_bytes(b"")
    else:
        entry.write_text("held by nobody")


def _remove(path: Path, context: Context) -> None:
    _drop(context.rng.choice(sorted(path.rglob("*")) or [_entry(path, context)]))


def _exchange(path: Path, context: Context) -> None:
    """Put one file in the place of another."""
    files = _files(path)
    if len(files) > 1:
        one, other = context.rng.sample(files, 2)
        shutil.copyfile(one, other)


def _add(path: Path, context: Context) -> None:
    """Add what an interrupted run, or somebody, could have left."""
    name = context.rng.choice(
        (
            ".facerhythm.run/held-abc",
            "analysis_files/.TCA.h5.12.part",
            ".x.part",
            "stranger",
            "analysis_files/PointTracker_parts/0.h5",
            ".facerhythm.run/held-abc/owner.json",
        )
    )
    target = path / name
    if any(parent.is_symlink() for parent in target.parents if path in parent.parents):
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if context.rng.random() < 0.5:
            target.symlink_to(context.canary / "secret")
        else:
            target.write_text(context.rng.choice(("", "{}", '{"pid": 1}')))
    except OSError:
        return  # an earlier change put a file where this needs a directory


_CHANGES = (
    _content,
    _content,
    _content,
    _content,
    _bytes,
    _link,
    _link,
    _special,
    _remove,
    _exchange,
    _add,
)
