"""Figures of what a worker computed: in the project directory beside the products, and for rows."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from element_facerhythm.errors import FaceRhythmError, ProcessingError

if TYPE_CHECKING:
    from element_facerhythm.io.project import Project
    from element_facerhythm.pipeline import RunRecord

logger = logging.getLogger(__name__)

Picture = tuple[str, str, bytes]
"""Name of a figure, format, and content of its file."""


def with_figures(record: "RunRecord", *, with_movie: bool = False) -> "RunRecord":
    """Draw the figures of a run; what could not be drawn is a note of the record, and no failure.

    Parameters
    ----------
    record
        The run, whose videos were compared with what was analysed just now.
    with_movie
        Whether some seconds of its tracks are written as a movie, as `facerhythm run` does.
    """
    from element_facerhythm.io.project import Project
    from element_facerhythm.pipeline.results.drawing import write_all

    try:
        project = Project.open(record.project_dir)
        notes = write_all(project).notes
        if with_movie:
            notes += _film(project)
    except Exception as error:  # a figure that fails must not cost the results
        reason = error if isinstance(error, FaceRhythmError) else f"{type(error).__name__}: {error}"
        logger.info("figures of %s", record.project_dir, exc_info=error)
        notes = (f"the figures could not be drawn: {reason}",)
    return replace(record, notes=(*record.notes, *notes))


def _film(project: "Project") -> tuple[str, ...]:
    """Write the movie of a run; return remarks where it could not be written."""
    from element_facerhythm.io.atomic import writing_inside
    from element_facerhythm.pipeline.progress import current_progress
    from element_facerhythm.pipeline.results.drawing import VISUALIZATIONS
    from element_facerhythm.pipeline.results.filming import write_tracking_movie

    directory = project.directory
    with (
        current_progress().stage("movie", None, "pictures") as advance,
        writing_inside(directory),
    ):
        _paths, failed = write_tracking_movie(project, directory / VISUALIZATIONS, advance)
    return failed


def drawn_pictures(
    directory: Path, roots: Iterable[str | Path]
) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    """Draw the figures of a project, and give them as files' contents.

    Parameters
    ----------
    directory
        The project, its products checked.
    roots
        Data directories that files of the project may be links into.

    Returns
    -------
    tuple
        The pictures, in their order; remarks on what is left out or could not be drawn.

    Raises
    ------
    ProcessingError
        No figure could be drawn.
    """
    from element_facerhythm.io.project import Project
    from element_facerhythm.pipeline.results.drawing import write_all

    with TemporaryDirectory(prefix="facerhythm-figures-") as scratch:
        drawn = write_all(Project.open(directory, roots), Path(scratch))
        pictures = tuple((path.stem, path.suffix[1:], path.read_bytes()) for path in drawn.paths)
    if drawn.failed and not pictures:
        raise ProcessingError(f"no figure of {directory} could be drawn: {'; '.join(drawn.failed)}")
    return pictures, drawn.notes
