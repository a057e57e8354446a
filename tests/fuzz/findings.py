"""Findings on the disk: each kind once, with the input that showed it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.fuzz.inputs import Input
from tests.fuzz.sandbox import Outcome

_RECORD = "finding.json"
_LARGEST_KEPT = 64 << 20  # a larger one, all holes, is made again


@dataclass(frozen=True)
class Finding:
    """One kind of finding.

    Attributes
    ----------
    target, kind, where
        By which findings are told apart: what read the input, what is wrong, and the exception with
        the innermost function of ours.
    seed, number
        By which the input is made again.
    place
        Directory that the input's paths name.
    input
        Name of the input beside the record.
    changes
        Mutations that made it.
    text
        Message or traceback.
    cpu_s, memory_bytes
        What it cost.
    """

    target: str
    kind: str
    where: str
    seed: int
    number: int
    place: str
    input: str
    changes: tuple[str, ...]
    text: str
    cpu_s: float
    memory_bytes: int

    @property
    def signature(self) -> str:
        """Name of the kind, the same for every input that shows it."""
        about = f"{self.target}|{self.kind}|{self.where}"
        words = re.sub(r"[^A-Za-z0-9]+", "-", f"{self.target} {self.kind[:40]}").strip("-").lower()
        return f"{words}-{hashlib.sha256(about.encode('utf-8', 'replace')).hexdigest()[:8]}"


def finding_of(
    outcome: Outcome, given: Input, seed: int, number: int, place: Path
) -> Finding | None:
    """Return what an outcome shows; None where it is as it must be."""
    if not outcome.finding:
        return None
    kind = re.sub(r"(?<!\w)/\S+|\b(0x)?[0-9a-f]{8,}\b|\d{3,}", "...", outcome.finding)
    return Finding(
        given.target.name,
        kind,
        outcome.where,
        seed,
        number,
        str(place),
        given.path.name,
        given.changes,
        outcome.text,
        outcome.cpu_s,
        outcome.memory_bytes,
    )


def save(finding: Finding, path: Path, directory: Path) -> None:
    """Keep a finding with its input, unless one of its kind is there already."""
    folder = directory / finding.signature
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return
    (folder / _RECORD).write_text(json.dumps(asdict(finding), indent=2))
    kept = folder / "input"
    kept.mkdir()
    if path.is_file() and path.lstat().st_size > _LARGEST_KEPT:
        return
    if path.is_symlink() or path.is_file():
        shutil.copy2(path, kept / path.name, follow_symlinks=False)
    elif path.is_dir():
        shutil.copytree(path, kept / path.name, symlinks=True, ignore=_no_files)


def load(path: Path) -> tuple[Finding, Path]:
    """Return a finding, given its record or directory, and where its input lies."""
    folder = path if path.is_dir() else path.parent
    given = json.loads((folder / _RECORD).read_text())
    finding = Finding(**{**given, "changes": tuple(given["changes"])})
    return finding, folder / "input" / finding.input


def _no_files(directory: str, names: list[str]) -> list[str]:
    """Name what cannot be copied: pipes, sockets, devices."""
    paths = [Path(directory, name) for name in names]
    return [p.name for p in paths if not (p.is_symlink() or p.is_file() or p.is_dir())]
