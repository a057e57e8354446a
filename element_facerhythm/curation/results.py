"""The result that a curation is of, as far as changes of it are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from element_facerhythm.curation.changes import (
    DECOMPOSITION,
    TRACKS,
    Change,
    ExcludePoints,
    ExcludeSpan,
    JudgeComponent,
    MergeComponents,
    SplitComponents,
)
from element_facerhythm.errors import RequestError

if TYPE_CHECKING:
    from element_facerhythm.io.project import Project


@dataclass(frozen=True)
class CuratedResult:
    """What there is to decide about.

    Attributes
    ----------
    sha256
        Digest of the product, by its name: of the decomposition and of the tracks.
    n_components
        Number of components by the key of the decomposition.
    n_points
        Number of tracked points.
    durations_s
        Of each tracked video, seconds from its first frame to the end of the last.
    """

    sha256: Mapping[str, str]
    n_components: Mapping[str, int]
    n_points: int
    durations_s: tuple[float, ...]

    def require(self, change: Change) -> None:
        """Refuse a change of something that is not there.

        Raises
        ------
        RequestError
            The message says what there is.
        """
        match change:
            case JudgeComponent():
                self._require_components(change.model_key, (change.component_index,))
            case MergeComponents():
                indices = (*change.component_indices, change.into)
                self._require_components(change.model_key, indices)
            case SplitComponents():
                self._require_components(change.model_key, change.component_indices)
            case ExcludePoints():
                absent = [index for index in change.point_indices if index >= self.n_points]
                if absent:
                    raise RequestError(f"there is no point {absent[0]}; {_counted(self.n_points)}")
            case ExcludeSpan():
                self._require_time(change)

    def _require_components(self, model_key: str, indices: tuple[int, ...]) -> None:
        if model_key not in self.n_components:
            raise RequestError(
                f"there is no decomposition {model_key!r}; expected one of "
                f"{', '.join(self.n_components)}"
            )
        n_components = self.n_components[model_key]
        absent = [index for index in indices if index >= n_components]
        if absent:
            raise RequestError(f"there is no component {absent[0]}; {_counted(n_components)}")

    def _require_time(self, change: ExcludeSpan) -> None:
        n_videos = len(self.durations_s)
        if change.video_index >= n_videos:
            raise RequestError(f"there is no video {change.video_index}; {_counted(n_videos)}")
        duration_s = self.durations_s[change.video_index]
        if change.start_s >= duration_s:
            raise RequestError(
                f"the span starts at {change.start_s:g} s, and video {change.video_index} ends at "
                f"{duration_s:g} s"
            )


def project_result(project: Project | str | Path) -> CuratedResult:
    """Return what there is to decide about in a project directory.

    Parameters
    ----------
    project
        A project, or its directory.

    Raises
    ------
    ProjectError
        It is no project, or not complete.
    """
    from element_facerhythm.io.project import Project

    if not isinstance(project, Project):
        project = Project.open(project)
    project.require(DECOMPOSITION, TRACKS, "VQT_Analyzer")
    digests = {product.name: product.sha256 for product in project.products}
    return CuratedResult(
        {name: digests[name] for name in (DECOMPOSITION, TRACKS)},
        {key: len(model.weights) for key, model in project.models().items()},
        len(project.point_positions),
        tuple(project.clock(video).duration_s for video in range(len(project.video_keys))),
    )


def _counted(n_things: int) -> str:
    return f"there are {n_things}, and the first is 0"
