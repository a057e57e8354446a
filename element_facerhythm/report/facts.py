"""Everything about a project that its report states, read from the project's own files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import ProjectBusyError
from element_facerhythm.io.product_stamps import stage_fingerprint
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.records import ProjectSummary, RunRecord
from element_facerhythm.pipeline.results.load import load_project
from element_facerhythm.pipeline.results.project_summary import summarise_project
from element_facerhythm.pipeline.results.quality.assessment import limits_of
from element_facerhythm.pipeline.results.quality.clock import run_file_of
from element_facerhythm.pipeline.run.lock import is_locked

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois
    from element_facerhythm.parameters.quality import QualityLimits
    from element_facerhythm.video.clock import Clock

_MOST_NOTES = 200


@dataclass(frozen=True, eq=False)
class ProjectFacts:
    """A finished project, as a report states it.

    Attributes
    ----------
    title
        What the project is called in the report.
    project
        Opened; its figures are drawn from it.
    summary, record
        Its numbers, and how they were made.
    limits
        Of the checks of its quality.
    clocks
        Of its videos.
    rois
        Its regions.
    frame_size_px
        Width and height.
    video_sha256
        Digest of each video file, where it is recorded.
    package_version
        Version of this package that wrote it; None where that is not recorded.
    notes
        Those of the run, and those that reading gave.
    """

    title: str
    project: Project
    summary: ProjectSummary
    record: RunRecord
    limits: QualityLimits
    clocks: tuple[Clock, ...]
    rois: Rois
    frame_size_px: tuple[int, int]
    video_sha256: tuple[str | None, ...]
    package_version: str | None
    notes: tuple[str, ...]


def gather_facts(
    directory: Path, roots: Iterable[str | Path] = (), *, title: str | None = None
) -> ProjectFacts:
    """Read everything that a report states.

    Parameters
    ----------
    directory
        A finished project, of this package or of face-rhythm.
    roots
        Data directories that files of it may be links into; see `Project.open`.
    title
        What it is called in the report; the name of the directory if None.

    Raises
    ------
    ProjectError
        It is no project, a product is missing or damaged, or a run is writing it.
    """
    roots = tuple(roots)
    project = Project.open(directory, roots)
    if is_locked(directory):
        raise ProjectBusyError(
            f"a run is writing {directory}; make the report when the run is done"
        )
    summary = summarise_project(directory, roots)
    record = load_project(directory, roots)
    height, width = project.example_image().shape[:2]
    run_file = run_file_of(project)
    version = run_file.get("package_version")
    return ProjectFacts(
        title=title or directory.resolve().name,
        project=project,
        summary=summary,
        record=record,
        limits=limits_of(project),
        clocks=tuple(project.clock(i) for i in range(len(project.video_keys))),
        rois=project.rois(),
        frame_size_px=(width, height),
        video_sha256=_video_digests(project),
        package_version=version if isinstance(version, str) else None,
        notes=_notes(run_file, record),
    )


def _notes(run_file: Mapping[str, Any], record: RunRecord) -> tuple[str, ...]:
    """Return the notes of the run and of reading; the first one of reading says that nothing was computed."""
    of_run = run_file.get("notes")
    stored = [note for note in of_run if isinstance(note, str)] if isinstance(of_run, list) else []
    return tuple(dict.fromkeys([*stored[:_MOST_NOTES], *record.notes[1:]]))


def _video_digests(project: Project) -> tuple[str | None, ...]:
    """Return the digest of each video file as the first product recorded it."""
    names = project.video_paths
    fingerprint = stage_fingerprint(project.product_path("Dataset_videos")) or {}
    inputs = fingerprint.get("inputs")
    videos = inputs.get("videos") if isinstance(inputs, Mapping) else None
    if not isinstance(videos, list) or len(videos) != len(names):
        return (None,) * len(names)
    digests = [video.get("sha256") if isinstance(video, Mapping) else None for video in videos]
    return tuple(digest if isinstance(digest, str) else None for digest in digests)
