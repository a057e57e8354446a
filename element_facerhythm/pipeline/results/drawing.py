"""Figures of a project directory, drawn from its products; not products themselves, they have no digest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import PathError, ProjectBusyError, ProjectError
from element_facerhythm.io.atomic import writing_inside
from element_facerhythm.io.project import Project
from element_facerhythm.pipeline.progress import current_progress
from element_facerhythm.pipeline.records import Progress
from element_facerhythm.pipeline.run.directory import check_folder
from element_facerhythm.pipeline.run.lock import is_locked

if TYPE_CHECKING:
    from element_facerhythm.figures import DrawnFigures

VISUALIZATIONS = "visualizations"


def draw_project(
    directory: Path,
    output: Path | None = None,
    *,
    roots: Iterable[str | Path] = (),
    formats: Sequence[str] = ("png",),
    progress: Progress | None = None,
) -> DrawnFigures:
    """Draw every figure of a project directory that no run is writing.

    Parameters
    ----------
    directory
        The project, of this package or of face-rhythm; its videos need not be there.
    output
        Directory for the files; the project's ``visualizations`` if None.
    roots
        Data directories that files of the project may be links into; see `Project.open`.
    formats
        ``png``, ``svg``, ``pdf``: each figure is written in all of these.
    progress
        Notified of the figures drawn; see `run_project`.

    Returns
    -------
    DrawnFigures
        With remarks on what could not be drawn.

    Raises
    ------
    RequestError
        A format is not known, it is no project, holds nothing to draw, is damaged or being written, or the
        directory of the figures cannot be written to. Nothing was written.
    """
    from element_facerhythm.figures.formats import require_formats

    chosen = require_formats(formats)
    project = Project.open(directory, roots)
    if not project.products:
        raise ProjectError(
            f"{directory} has no product in analysis_files, so there is nothing to draw; expected the "
            "directory of a run"
        )
    if is_locked(directory):
        raise ProjectBusyError(
            f"a run is writing {directory}; draw it when the run is done, which draws it, too"
        )
    require_place(directory, output)
    project.require_intact()
    return write_all(project, output, formats=chosen, progress=progress)


def write_all(
    project: Project,
    output: Path | None = None,
    *,
    formats: Sequence[str] = ("png",),
    progress: Progress | None = None,
) -> DrawnFigures:
    """Draw every figure of a project without further questions.

    Parameters
    ----------
    project
        An opened project; the caller has checked that it can be drawn, and the directory written to.
    output, formats, progress
        As of `draw_project`.

    Returns
    -------
    DrawnFigures
        With remarks on what could not be drawn.
    """
    from element_facerhythm.figures import figure_names, write_figures

    directory = project.directory
    n_figures = len(figure_names(project))
    with (
        (progress or current_progress()).stage("figures", n_figures, "figures") as advance,
        _writing(directory, output),
    ):
        target = output or directory / VISUALIZATIONS
        drawn = write_figures(project, target, advance, formats=formats)
        advance(n_figures)
    return drawn


def require_place(directory: Path, output: Path | None) -> None:
    """Refuse a directory that no figure can be written to, before one is drawn.

    Parameters
    ----------
    directory
        The project.
    output
        Directory for the files; the project's ``visualizations`` if None.

    Raises
    ------
    RequestError
        The message says what is in the way, and to choose another place.
    """
    elsewhere = "give another directory for the figures (-o)"
    if output is None:
        try:
            check_folder(directory, VISUALIZATIONS)
        except (PathError, ProjectError) as error:
            raise type(error)(f"{error}; or {elsewhere}") from error
    place = directory / VISUALIZATIONS if output is None else output
    existing = next(path for path in (place, *place.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise PathError(f"{existing} is a file, and figures cannot be put below it; {elsewhere}")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PathError(f"{existing} cannot be written to; {elsewhere}")


def _writing(directory: Path, output: Path | None) -> AbstractContextManager[Any]:
    """Keep files inside the project, also where a folder is replaced by a link meanwhile."""
    return nullcontext() if output is not None else writing_inside(directory)
