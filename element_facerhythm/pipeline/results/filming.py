"""Movies of a project directory; like figures they are no products, and have no digest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from element_facerhythm.errors import FaceRhythmError, ProjectBusyError, RequestError
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.run.lock import is_locked

logger = logging.getLogger(__name__)

TRACKING_MOVIE = "tracking.mp4"
_MOST_PER_S = 33.0
"""Pictures per second of the movie that a run writes: enough to see how points move, and half the time."""


def project_to_film(
    directory: Path, roots: Iterable[str | Path] = (), video_index: int = 0
) -> Project:
    """Open a project directory that no run is writing, and that is as it was written.

    Parameters
    ----------
    directory
        The project, of this package or of face-rhythm.
    roots
        Data directories that files of the project may be links into; see `Project.open`.
    video_index
        Number of the tracked sequence that is to be shown.

    Raises
    ------
    RequestError
        It is no project, has no tracks, no such sequence, is damaged or being written.
    """
    project = Project.open(directory, roots)
    project.require("Dataset_videos", "PointTracker", "VQT_Analyzer")
    if is_locked(directory):
        raise ProjectBusyError(
            f"a run is writing {directory}; make a movie of it when the run is done"
        )
    n = len(project.video_keys)
    if not 0 <= video_index < n:
        raise RequestError(
            f"--video-index is {video_index}; {directory} has {n} tracked sequence{'s' * (n > 1)}, numbered "
            "from 0"
        )
    project.require_intact()
    return project


def write_tracking_movie(
    project: Project, out_dir: Path, advance: Callable[[int], None] = lambda done: None
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write some ten seconds of tracked points, as a run does that has just made the project.

    Parameters
    ----------
    project
        The project; its videos were compared with what was analysed just now.
    out_dir
        Directory for the file, made where it is missing.
    advance
        Called with the number of pictures done.

    Returns
    -------
    tuple
        The file, in a tuple that is empty where it could not be written; and remarks on why.
    """
    from element_facerhythm.movies.movie import MovieRequest, plan_movie, write_movie
    from element_facerhythm.movies.source import frame_source

    path = out_dir / TRACKING_MOVIE
    try:
        source = frame_source(project, 0, is_checked=True)
        plan = plan_movie(project, source, MovieRequest(most_per_s=_MOST_PER_S))
        write_movie(plan, path, advance)
    except Exception as error:  # results are kept even where a movie of them fails
        logger.info("movie of %s", project.directory, exc_info=error)
        reason = error if isinstance(error, FaceRhythmError) else f"{type(error).__name__}: {error}"
        return (), (f"the movie {TRACKING_MOVIE} could not be written: {reason}",)
    return (path,), ()
