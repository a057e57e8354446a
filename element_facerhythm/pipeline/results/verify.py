"""Whether a project directory still holds what was written into it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from element_facerhythm.errors import FaceRhythmError, ProjectError
from element_facerhythm.io.config import read_json
from element_facerhythm.io.content_digest import Content, content_of
from element_facerhythm.io.layout import PRODUCTS, SIGNALS
from element_facerhythm.io.product_stamps import (
    content_faults,
    product_format,
    stage_fingerprint,
    stage_inputs,
)
from element_facerhythm.io.project import Project
from element_facerhythm.io.stored_signals import signals_of_project
from element_facerhythm.pipeline.records import PRODUCT_OF_STAGE
from element_facerhythm.pipeline.results.load import load_project
from element_facerhythm.pipeline.results.recompute import recompute_block
from element_facerhythm.pipeline.run.run_file import RUN_FILE, parameters_of_run
from element_facerhythm.video import video_change


@dataclass(frozen=True)
class Fault:
    """A difference from what was written: where (a file, a table with a key), and what."""

    where: str
    problem: str


@dataclass
class Findings:
    """What was checked, what is wrong, and what could not be checked."""

    n_checks: int = 0
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def check(self, where: object, problem: str | None) -> None:
        """Count a check.

        Parameters
        ----------
        where
            What was checked: a file, or a table with a key.
        problem
            What is wrong; None for nothing.
        """
        self.n_checks += 1
        if problem is not None:
            self.faults.append(Fault(str(where), problem))

    def add(self, other: Findings) -> None:
        """Add other findings to these."""
        self.n_checks += other.n_checks
        self.faults += other.faults
        self.notes += other.notes

    def attempt(self, where: object, check: Callable[[], object]) -> bool:
        """Count a check that raises where something is wrong; return whether nothing was.

        Parameters
        ----------
        where
            What is checked: a file, or a table with a key.
        check
            Raises `FaceRhythmError` where something is wrong, whose message becomes the fault.
        """
        try:
            check()
        except FaceRhythmError as error:
            self.check(where, str(error))
            return False
        self.check(where, None)
        return True


def verify_project(
    directory: Path,
    *,
    roots: Iterable[Path] = (),
    recompute: bool = False,
    seed: int | None = None,
) -> Findings:
    """Check a project directory against itself, and against its videos where these are still there.

    Products are compared with the digests of their content and of what they were made from, ``run.json`` with
    the products, and the products with each other. face-rhythm's own products carry no digests; a note says
    so.

    Parameters
    ----------
    directory
        A project directory.
    roots
        Data directories that files of the project may be links into; see `Project.open`.
    recompute
        Compute a random block of one stage once more, and compare.
    seed
        Of the random choice; None takes another one each time.

    Raises
    ------
    ProjectError
        The directory is no project.
    """
    project = Project.open(directory, roots)
    findings = Findings()
    alone = project.holds_signals_alone
    for name in () if alone else PRODUCTS:
        _verify_product(project, name, findings)
    if project.product_path(SIGNALS).is_file():
        _verify_product(project, SIGNALS, findings)
    if not findings.faults:
        if alone:
            findings.attempt(directory, lambda: signals_of_project(project))
        else:
            findings.attempt(directory, lambda: load_project(directory, project.roots))
            _verify_run_file(project, findings)
        _verify_videos(project, findings)
    if recompute and not alone and not findings.faults:
        _verify_block(project, findings, seed)
    return findings


def _verify_product(project: Project, name: str, findings: Findings) -> None:
    path = project.product_path(name)
    if not path.is_file():
        findings.check(path, "it is not there")
        return
    if product_format(path) is None:
        findings.notes.append(
            f"{path} was not written by this package and carries no digest of its content"
        )
        return
    try:
        faults = content_faults(path, stage_inputs(path))
    except ProjectError as error:
        findings.check(path, str(error))
        return
    findings.check(path, "; ".join(faults) or None)
    if content_of(path) is Content.WITHOUT_DIGEST:
        findings.notes.append(f"{path} carries no digest of its content")


def _verify_run_file(project: Project, findings: Findings) -> None:
    """Check that ``run.json`` describes these products, and that its parameters are unchanged."""
    path = project.directory / RUN_FILE
    if not path.is_file():
        if any(map(project.is_ours, PRODUCTS)):
            findings.check(path, "it is not there")
        return
    findings.attempt(path, lambda: parameters_of_run(project.directory))
    try:
        stages = read_json(path)["stages"]
        recorded = {stage: stages[stage]["fingerprint"] for stage in PRODUCT_OF_STAGE}
    except (KeyError, TypeError, ProjectError):
        findings.check(path, "it does not say how every stage was made")
        return
    for stage, name in PRODUCT_OF_STAGE.items():
        if not project.is_ours(name):
            findings.notes.append(f"{name}.h5 was made anew by {project.layouts[name]}")
            continue
        same = recorded[stage] == stage_fingerprint(project.product_path(name))
        findings.check(path, None if same else f"{name}.h5 was made otherwise than it says")


def _verify_videos(project: Project, findings: Findings) -> None:
    """Compare the videos, where they are still there, with those that were analysed."""
    for path, sha256, size_bytes in _analysed_videos(project):
        if not path.exists():
            findings.notes.append(f"video {path} is not here and was not compared")
        else:
            change = video_change(path, sha256, size_bytes)
            findings.check(path, change and f"it is not the video that was analysed: {change}")


def _analysed_videos(project: Project) -> Iterator[tuple[Path, str, int | None]]:
    first = SIGNALS if project.holds_signals_alone else PRODUCTS[0]
    fingerprint = stage_fingerprint(project.product_path(first))
    if fingerprint is not None:
        videos = fingerprint["inputs"]["videos"]
        for path, video in zip(project.video_paths, videos, strict=True):
            size = video.get("size_bytes")
            yield Path(path), str(video["sha256"]), size if isinstance(size, int) else None


def _verify_block(project: Project, findings: Findings, seed: int | None) -> None:
    seed = random.randrange(1 << 32) if seed is None else seed
    try:
        block = recompute_block(project, random.Random(seed))
    except FaceRhythmError as error:
        findings.notes.append(str(error))
        return
    problem = (
        f"{block.block}: computed again it lies {block.difference:g} {block.unit} from what is stored "
        f"(at most {block.tolerance:g} was expected; seed {seed})"
    )
    path = project.product_path(PRODUCT_OF_STAGE[block.stage])
    findings.check(path, None if block.agrees else problem)
    findings.notes.append(
        f"{block.stage}, {block.block}: computed again, {block.difference:g} {block.unit} from what is "
        f"stored (seed {seed})"
    )
